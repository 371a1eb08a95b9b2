"""Controls: the control sockets of all pages: commands in, answers and everything that happens out.

Every page gets messages through a queue of its own. Values are coalesced for a page that reads slowly: the newest
counts. A page that does not read at all is disconnected.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import WSMessage, WSMsgType, web

from riffengine.clock import Clock
from riffengine.errors import ControlError
from riffengine.performance.command import AGENT_SOURCE, Command, Reply, Value
from riffengine.performance.error_text import quoted
from riffengine.web.messages import Submit
from riffengine.web.options import Role, WebLimits
from riffengine.web.projection import Message, Projection
from riffengine.web.sharing import Sharing
from riffengine.web.suggestions import Suggestions
from riffengine.web.votes import Votes

_MOST_QUEUED = 256  # messages for one page
_FIELDS = {"set": ("path", "value"), "suggest": ("text",), "vote": ("text",), "accept": ("text", "path"), "ping": ()}
_FIELDS |= {"share": (), "open": ("text",), "invite": ()}


class Controls:
    """All control sockets. ``submit`` sends a command to the engine, and is false where the engine does not read.

    ``clock_message`` tells which frame is being played now. Belongs to the server's event loop.
    """

    def __init__(
        self,
        projection: Projection,
        submit: Callable[[Submit], bool],
        clock: Clock,
        clock_message: Callable[[], Message],
        suggestions: Suggestions,
        sharing: Sharing,
        limits: WebLimits,
    ) -> None:
        self.received = 0
        self._projection, self._submit, self._clock = projection, submit, clock
        self._clock_message, self._suggestions, self._limits = clock_message, suggestions, limits
        self._sharing = sharing
        self._clients: set[_Client] = set()
        self._waiting: dict[int, tuple[_Client, Any]] = {}  # who is to be told about which command
        self._asked: dict[int, asyncio.Future[Reply]] = {}  # commands of the server itself
        self._number = 0
        self._clients_so_far = 0
        self._votes = Votes()
        self.guest: frozenset[str] = frozenset()
        self.invitation: Message = {}

    def __len__(self) -> int:
        return len(self._clients)

    def broadcast(self, message: Message) -> None:
        """Send ``message`` to every page."""
        text = _text(message)
        for client in self._clients:
            client.push(message, text)

    def answered(self, number: int, reply: Reply) -> None:
        """The engine has answered a command: its sender is told."""
        asked = self._asked.pop(number, None)
        if asked is not None and not asked.done():
            asked.set_result(reply)
        client, request_id = self._waiting.pop(number, (None, None))
        if client is not None:
            client.send(self._projection.answer(request_id, reply))

    def forget_commands(self) -> None:
        """The engine will not answer what was asked before."""
        self._waiting.clear()
        for asked in self._asked.values():
            asked.cancel()
        self._asked.clear()

    async def ask(self, path: str, value: Value, source: str, seconds: float) -> Reply:
        """Set ``path`` in the name of ``source``; ``ControlError`` where the engine does not answer in ``seconds``."""
        self._number += 1
        number = self._number
        self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            if not self._submit(Submit(number, Command(path, value, source, self._clock.now_ns()))):
                raise ControlError("the engine is busy; nothing was changed; try again")
            return await asyncio.wait_for(self._asked[number], seconds)
        except (TimeoutError, asyncio.CancelledError):
            raise ControlError("the engine did not answer; look at what is heard, and try again") from None
        finally:
            self._asked.pop(number, None)

    async def serve(self, wire: web.WebSocketResponse, role: Role, codecs: tuple[str, ...], agent: str = "") -> None:
        """Talk to one page, or to the agent of that name, until it ends; ``wire`` is prepared."""
        self._clients_so_far += 1
        name = f"{AGENT_SOURCE}{agent}" if agent else f"web:{self._clients_so_far}"
        client = _Client(wire, role, name, self._limits, self._clock)
        client.send(self._projection.welcome(client.name, role, codecs))
        client.send(self._votes.message())
        self._clients.add(client)
        try:
            async for message in wire:
                self._receive(client, message)
        finally:
            self._clients.discard(client)
            if self._votes.withdraw(client.name):
                self.broadcast(self._votes.message())
            await client.disconnect()

    # --- what pages send ---------------------------------------------------------------------------------------------

    def _receive(self, client: _Client, message: WSMessage) -> None:
        if message.type is not WSMsgType.TEXT:
            return
        if not client.may_send():
            client.refuse(None, f"more than {self._limits.messages_per_second:g} messages a second; send fewer")
            return
        self.received += 1
        try:
            asked = json.loads(message.data)
        except (ValueError, RecursionError):
            client.refuse(None, "the message is not JSON; see docs/web_protocol.md")
            return
        if not isinstance(asked, dict) or asked.get("type") not in _FIELDS:
            client.refuse(None, f"the type of a message must be one of {', '.join(_FIELDS)}")
            return
        request_id = asked.get("id") if isinstance(asked.get("id"), int | str) else None
        missing = [name for name in _FIELDS[asked["type"]] if not isinstance(asked.get(name), bool | int | float | str)]
        if missing:
            client.refuse(request_id, f"{asked['type']} needs {' and '.join(missing)}, a number, text, true or false")
            return
        self._carry_out(client, request_id, asked)

    def _carry_out(self, client: _Client, request_id: Any, asked: Mapping[str, Any]) -> None:
        match asked["type"]:
            case "set":
                self._set(client, request_id, str(asked["path"]), asked["value"], client.name)
            case "accept":
                if client.role is not Role.PERFORMER:
                    client.refuse(request_id, "only a performer accepts a prompt; guests vote for it")
                else:
                    self._set(client, request_id, str(asked["path"]), str(asked["text"]), "web:votes")
                    self._votes.clear(str(asked["text"]))
                    self.broadcast(self._votes.message())
            case "vote":
                self._vote(client, request_id, str(asked["text"]))
            case "suggest":
                found = self._suggestions.find(str(asked["text"]))
                client.send({"type": "suggestions", "id": request_id, **found})
            case "share":
                self._share(client, request_id)
            case "open":
                self._open(client, request_id, str(asked["text"]))
            case "invite":
                if client.role is not Role.PERFORMER:
                    client.refuse(request_id, "only a performer invites others")
                else:
                    client.send({"type": "invited", "id": request_id, **self.invitation})
            case "ping":
                client.send({"type": "pong", "id": request_id, **self._clock_message()})

    def _set(self, client: _Client, request_id: Any, path: str, value: Value, source: str) -> None:
        allowed = client.role is Role.PERFORMER or (client.role is Role.GUEST and path in self.guest)
        if not allowed:
            may = (
                f"may set {', '.join(sorted(self.guest)) or 'nothing'}" if client.role is Role.GUEST else "only listens"
            )
            client.refuse(request_id, f"{quoted(path)}: a {client.role} {may}; open the page with the performer's link")
            return
        self._number += 1
        self._waiting[self._number] = (client, request_id)
        command = Command(path, value, source, self._clock.now_ns())
        if not self._submit(Submit(self._number, command)):
            del self._waiting[self._number]
            client.refuse(request_id, "the engine is busy; nothing was changed; try again")

    def _share(self, client: _Client, request_id: Any) -> None:
        try:
            text, notes = self._sharing.text(self._projection.values)
        except ControlError as error:
            client.refuse(request_id, str(error))
            return
        client.send({"type": "shared", "id": request_id, "text": text, "notes": list(notes)})

    def _open(self, client: _Client, request_id: Any, text: str) -> None:
        if client.role is not Role.PERFORMER:
            client.refuse(request_id, "only a performer opens a link")
            return
        try:
            wanted, differences = self._sharing.opened(text, self._projection.values)
        except ControlError as error:
            client.refuse(request_id, str(error))
            return
        for path, value in wanted.items():
            self._set(client, None, path, value, client.name)
        client.send(
            {"type": "opened", "id": request_id, "ok": True, "set": len(wanted), "same": not differences,
             "notes": list(differences)}
        )  # fmt: skip

    def plugins_changed(self) -> None:
        """Parameters have come or gone, or have new values: set those of the plugins of an opened link."""
        for path, value in self._sharing.changes(self._projection.values).items():
            self._number += 1  # nobody waits for the answer
            self._submit(Submit(self._number, Command(path, value, "web:link", self._clock.now_ns())))

    def _vote(self, client: _Client, request_id: Any, text: str) -> None:
        if client.role is Role.LISTENER:
            client.refuse(request_id, "a listener does not vote; open the page with the guests' link")
            return
        problem = self._votes.vote(client.name, text)
        if problem:
            client.refuse(request_id, problem)
        else:
            self.broadcast(self._votes.message())


class _Client:
    """One page: its role, what it may still send, and the messages that it has not taken yet."""

    def __init__(self, wire: web.WebSocketResponse, role: Role, name: str, limits: WebLimits, clock: Clock) -> None:
        self.role, self.name = role, name
        self._wire, self._limits, self._clock = wire, limits, clock
        self._allowance, self._counted_ns = limits.burst_messages, clock.now_ns()
        self._refused = False  # already told that it sends too much
        self._queue: deque[str] = deque()
        self._changes: dict[str, Value] = {}
        self._wake = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def may_send(self) -> bool:
        """Whether a message that came now is within the allowed rate; the first one beyond it is answered."""
        now_ns = self._clock.now_ns()
        gained = (now_ns - self._counted_ns) / 1e9 * self._limits.messages_per_second
        self._allowance, self._counted_ns = min(self._limits.burst_messages, self._allowance + gained), now_ns
        if self._allowance < 1.0:
            return False
        self._allowance -= 1.0
        self._refused = False
        return True

    def refuse(self, request_id: Any, reason: str) -> None:
        """Say that a message changed nothing, and why."""
        if self._allowance < 1.0:
            if self._refused:
                return
            self._refused = True
        self.send({"type": "answer", "id": request_id, "path": "", "ok": False, "error": reason})

    def send(self, message: Message) -> None:
        """Queue ``message``."""
        self.push(message, _text(message))

    def push(self, message: Message, text: str) -> None:
        """Queue ``message``, whose JSON is ``text``; values are coalesced while others wait."""
        if message["type"] == "changes" and self._queue:
            self._changes.update(message["values"])
        elif message["type"] != "figures" or len(self._queue) < _MOST_QUEUED // 4:
            self._queue.append(text)
        if len(self._queue) > _MOST_QUEUED:
            self._task.cancel()  # it does not read: ``disconnect`` follows by the closed socket
            self._queue.clear()
            asyncio.get_running_loop().create_task(self._drop())
        self._wake.set()

    async def disconnect(self) -> None:
        """Stop sending and close the socket."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self._wire.close()

    async def _drop(self) -> None:
        with contextlib.suppress(ConnectionError, asyncio.TimeoutError):
            await asyncio.wait_for(self._wire.close(code=1008), 1.0)

    async def _run(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._queue or self._changes:
                    if self._queue:
                        text = self._queue.popleft()
                    else:
                        changes, self._changes = self._changes, {}
                        text = _text({"type": "changes", "values": changes})
                    await self._wire.send_str(text)
        except ConnectionError:  # the page has gone; its reader ends by itself
            return


def _text(message: Message) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
