"""EngineClient: one connection to a running engine's web server, over the protocol of ``docs/web_protocol.md``.

It keeps the newest values, landings and figures, and matches answers with what was asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
from collections import deque
from collections.abc import Mapping
from typing import Any

from aiohttp import (
    ClientError,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    WSMsgType,
    WSServerHandshakeError,
)

from riffengine.clock import Clock, SystemClock
from riffengine.errors import AgentError
from riffengine.transport.beat_grid import BeatGrid

Message = dict[str, Any]
_ANSWER_SECONDS = 5.0
_GOODBYE_SECONDS = 1.0
_HEARTBEAT_SECONDS = 10.0  # a connection that a network has lost without a word is noticed within 15 s
_CONNECT_SECONDS = 10.0
_MOST_BYTES = 4 << 20  # the schema of a set with many plugins has 0.3 MB
_MOST_EVENTS = 100
_LANDED_KEPT = 256
_AT_ONCE_SECONDS = 0.1  # a change that is heard sooner is not waited for
_OVERDUE_SECONDS = 30  # after which a landing that was not told of is forgotten


class EngineClient:
    """The connection of the agent ``name``. It connects with the first call, and again when it was lost.

    Belongs to one event loop. Raises ``AgentError`` when the engine does not answer or refuses.
    """

    def __init__(self, url: str, token: str = "", name: str = "agent", clock: Clock | None = None) -> None:
        self.name = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24] or "agent"
        self.values: dict[str, Any] = {}
        self.schema: dict[str, Message] = {}
        self.welcome: Message = {}
        self.figures: Message = {}
        self.landings: dict[str, Message] = {}  # what is accepted and not yet heard, by path
        self.events: deque[str] = deque(maxlen=_MOST_EVENTS)
        self._url, self._token, self._clock = url.rstrip("/"), token, clock or SystemClock()
        self._session: ClientSession | None = None
        self._wire: ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._answers: dict[int, asyncio.Future[Message]] = {}
        self._numbers = itertools.count(1)
        self._changed = asyncio.Condition()
        self._landed: deque[tuple[str, float]] = deque(maxlen=_LANDED_KEPT)
        self._figures_ns = 0
        self._connecting = asyncio.Lock()

    async def connect(self) -> None:
        """Connect, unless it is connected."""
        async with self._connecting:
            if self._wire is not None and not self._wire.closed:
                return
            await self.close()
            self._session = ClientSession(
                headers={"Authorization": f"Bearer {self._token}"} if self._token else {},
                timeout=ClientTimeout(total=60.0, connect=_CONNECT_SECONDS),
            )
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    self._wire = await self._session.ws_connect(
                        f"{self._url}/ws/control", params={"agent": self.name}, max_msg_size=_MOST_BYTES,
                        heartbeat=_HEARTBEAT_SECONDS,
                    )  # fmt: skip
                    self._take(await self._wire.receive_json())
            except WSServerHandshakeError as error:
                await self.close()
                if error.status == 401:
                    raise AgentError(
                        f"{self._url} wants a token; give the file that holds it with --token-file"
                    ) from None
                raise AgentError(f"{self._url} refused the connection with status {error.status}") from None
            except (ClientError, TimeoutError, TypeError, ValueError) as error:
                await self.close()
                raise AgentError(
                    f"no engine answers at {self._url} ({error or type(error).__name__}); start one with "
                    "riffengine play --web, or name its address with --url"
                ) from None
            self._reader = asyncio.get_running_loop().create_task(self._read(self._wire))

    async def close(self) -> None:
        """Disconnect."""
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        await self._hang_up()
        if self._session is not None:
            await self._session.close()
        self._reader = self._session = self._wire = None

    # --- what is asked ------------------------------------------------------------------------------------------------

    async def set(self, path: str, value: float | int | str | bool) -> Message:
        """Set a parameter; the answer, with ``landing``. ``AgentError`` with the engine's reason when refused."""
        answer = await self.ask({"type": "set", "path": path, "value": value})
        if not answer["ok"]:
            raise AgentError(str(answer["error"]))
        return answer

    async def ask(self, message: Mapping[str, Any]) -> Message:
        """Send ``message``; the server's answer to it."""
        await self.connect()
        number = next(self._numbers)
        answer = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            assert self._wire is not None
            await self._wire.send_str(json.dumps({**message, "id": number}))
            async with asyncio.timeout(_ANSWER_SECONDS):
                found: Message = await answer
                return found
        except TimeoutError:
            await self._hang_up()  # the next call connects anew: the network may have lost this connection
            raise AgentError("the engine did not answer within 5 s; see its terminal, and try again") from None
        except (ConnectionError, ClientError):
            raise AgentError("the connection to the engine was lost; try again") from None
        finally:
            self._answers.pop(number, None)

    async def download(self, path: str, **query: str) -> tuple[bytes, str]:
        """The body of a GET request, and the file name that the server gives it."""
        await self.connect()
        assert self._session is not None
        try:
            async with self._session.get(f"{self._url}{path}", params=query) as answer:
                body = await answer.read()
                if answer.status != 200:
                    raise AgentError(body.decode("utf-8", "replace")[:300].strip())
                disposition = answer.content_disposition
                return body, (disposition.filename if disposition else None) or "download"
        except (ClientError, TimeoutError) as error:
            raise AgentError(f"the download failed ({error or type(error).__name__}); try again") from None

    # --- time ---------------------------------------------------------------------------------------------------------

    @property
    def grid(self) -> BeatGrid:
        """The engine's beat grid."""
        grid = self.figures.get("grid") or self.welcome.get("grid") or {}
        rate = int(self.welcome.get("sample_rate", 44100))
        return BeatGrid(rate, grid.get("bpm", 120.0), grid.get("frame", 0), grid.get("beat", 0.0))

    @property
    def beat(self) -> float:
        """The beat that is played now, from the last figures and the time since then."""
        grid = self.grid
        since = (self._clock.now_ns() - self._figures_ns) * grid.sample_rate / 1e9 if self._figures_ns else 0.0
        return grid.beat_at(self.figures.get("frame", 0) + since)

    async def wait_for_beat(self, beat: float) -> None:
        """Return on ``beat`` or soon after it."""
        while (left := beat - self.beat) > 0:
            await self._next_change(max(0.01, left * 60.0 / self.grid.bpm))

    async def wait_until_landed(self, path: str) -> float:
        """The beat on which the change of ``path`` is heard, when it is heard; ``AgentError``: none waits to be."""
        while path in self.landings:
            await self._next_change(1.0)
        found = [beat for landed, beat in self._landed if landed == path]
        if not found:
            raise AgentError(f"no change of {path} waits to be heard; see state")
        shown = self.figures
        while self.figures is shown:  # the next figures tell what is heard since
            await self._next_change(1.0)
        return found[-1]

    async def _next_change(self, seconds: float) -> None:
        if self._wire is None or self._wire.closed:
            raise AgentError("the connection to the engine was lost; try again")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait()

    # --- what the server sends ----------------------------------------------------------------------------------------

    async def _hang_up(self) -> None:
        if self._wire is not None:
            with contextlib.suppress(TimeoutError, ConnectionError, ClientError):
                async with asyncio.timeout(_GOODBYE_SECONDS):
                    await self._wire.close()

    async def _read(self, wire: ClientWebSocketResponse) -> None:
        try:
            async for message in wire:
                if message.type is WSMsgType.TEXT:
                    self._take(json.loads(message.data))
                    async with self._changed:
                        self._changed.notify_all()
        except (ValueError, KeyError, TypeError, AttributeError):  # no message of our server: connect anew
            await wire.close()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError())
        async with self._changed:
            self._changed.notify_all()

    def _take(self, message: Message) -> None:
        waiting = self._answers.get(message.get("id", 0))
        if waiting is not None and not waiting.done():
            waiting.set_result(message)
        match message.get("type"):
            case "welcome":
                self.welcome, self.values = message, dict(message["values"])
                self.schema = {entry["path"]: entry for entry in message["schema"]}
                self.landings = {landing["path"]: landing for landing in message["landings"]}
                self._take_figures(message["figures"])
            case "changes":
                self.values.update(message["values"])
            case "landing":
                if message["seconds"] > _AT_ONCE_SECONDS:
                    self.landings[message["path"]] = message
            case "landed":
                self.landings.pop(message["path"], None)
                self._landed.append((message["path"], message["beat"]))
            case "event":
                self.events.append(f"beat {message['beat']:.0f}: {message['path']}: {message['text']}")
            case "figures":
                self._take_figures(message)

    def _take_figures(self, message: Message) -> None:
        if "frame" not in message:
            return
        self.figures, self._figures_ns = message, self._clock.now_ns()
        past = message["frame"] - _OVERDUE_SECONDS * self.grid.sample_rate
        self.landings = {path: one for path, one in self.landings.items() if one["frame"] >= past}
