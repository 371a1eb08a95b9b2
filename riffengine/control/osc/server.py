"""OscServer: OSC over UDP; every parameter of the tree is the address /riff/<path>.

Runs on the engine's event loop and never waits: datagrams are queued as they come and handled in bounded portions,
a step of each sender in turn, so that a flood from one delays neither the engine nor the replies to the others.

    /riff/<path> value     set it: /riff/ok path value, then /riff/landing path beat seconds if it lands later
                           and /riff/note path text where there is something to know about it (it was clipped, say)
    /riff/<path>           ask for it: /riff/<path> value, truth as 1 and 0 (a trigger fires)
    /riff/notify 1 [port]  every value now and each change from now on, to the sender's address, or to that port of
                           its host, where all its replies go then; 0 ends it
    /riff/status           /riff/status.reply name value …
    /riff/sync n           /riff/synced n, when everything sent before has been handled
    /riff/help [path]      /riff/help.reply path kind allowed help, for one parameter or, in bundles, for all
    /riff/proof n          the answer to /riff/prove n, which a subscriber on another machine is sent (``AnswerBudget``)
    in a bundle that has a time tag: /riff/scheduled path beat seconds, and the rest when its time has come
    refused                /riff/error address reason, to the sender only; nothing changed
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from riffengine.control.osc.answer_budget import AnswerBudget
from riffengine.control.osc.dispatcher import OscDispatcher
from riffengine.control.osc.inbox import Inbox
from riffengine.control.osc.options import AllowList, OscOptions, is_loopback
from riffengine.control.osc.replies import OscCounters, OscReplies
from riffengine.control.osc.subscribers import Sender
from riffengine.control.osc.udp_socket import OscSocket
from riffengine.control.surface import EngineEvent, LandingMoved, Surface, SurfaceContext
from riffengine.errors import ControlError
from riffengine.performance.command import Value

DRAIN_STEPS = 256  # in one turn of the event loop
DRAIN_NS = 4_000_000  # and no longer than this, less than one 256-frame block at 48 kHz
REST_SECONDS = 0.002  # between two drains: values for one address that come faster than 500 a second are one


class OscServer(Surface):
    """Receives OSC where ``options`` says, and replies to each sender at the address it sent from or the port it named.

    ``number`` draws the numbers by which hosts prove their addresses. Belongs to the event loop's thread.
    """

    def __init__(
        self, context: SurfaceContext, options: OscOptions | None = None, number: Callable[[], int] | None = None
    ) -> None:
        self.counters = OscCounters()
        self.options = options or OscOptions()
        self.port = self.options.port
        self._clock = context.clock
        self._allow_list = AllowList(self.options.allow)
        budget = AnswerBudget(self._trusts, number or (lambda: secrets.randbelow(1 << 31) or 1))
        self.replies = OscReplies(self.counters, context.clock, budget)
        self._inbox = Inbox()
        self.replies.subscribers.has_place = self._inbox.places.__contains__
        self._dispatcher = OscDispatcher(context, self.replies, self.counters, self._release)
        self._socket: OscSocket | None = None
        self._next_drain: asyncio.Handle | None = None
        self._rest_until_ns = 0

    @property
    def received(self) -> int:
        """Datagrams that came in."""
        return self.counters.received

    @property
    def waiting(self) -> bool:
        """Whether anything is left to be handled."""
        return bool(self._inbox)

    async def start(self) -> None:
        """Bind the socket; port 0 takes a free one. ``ControlError`` when the address cannot be bound."""
        host, port = self.options.host, self.options.port
        try:
            self._socket = OscSocket(host, port, self.receive)
        except OSError as error:
            raise ControlError(
                f"OSC cannot listen on {host}:{port}: {error.strerror or error}; "
                f"another program may use the port: choose one with --osc-port PORT, or osc: port: in the preset"
            ) from None
        self.port = self._socket.port
        self.replies.send, self.replies.is_self = self._socket.send, self._socket.is_self

    def close(self) -> None:
        """Close the socket; what waits is dropped."""
        if self._next_drain is not None:
            self._next_drain.cancel()
            self._next_drain = None
        self._inbox.clear()
        self.replies.send = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    # --- datagrams in ------------------------------------------------------------------------------------------------

    def receive(self, datagram: bytes, sender: Sender) -> None:
        """Queue ``datagram`` with the time of its arrival; one from a host that is not allowed is ignored."""
        self.counters.received += 1
        if not self._allow_list.admits(sender[0]):
            self.counters.forbidden += 1
            return
        if self.replies.is_self(sender):  # our own reply, to whoever named our port or gave it as its own
            self.counters.ignored += 1
            return
        now_ns = self._clock.now_ns()
        self.replies.heard(sender, len(datagram), now_ns)
        has_place = self._inbox.put(sender, datagram, now_ns)
        if has_place and self._socket is not None:
            self._socket.set_apart(sender, self._inbox.places)
        self.counters.dropped = self._inbox.dropped
        self._drain_soon(now_ns)

    def _release(self, sender: Sender) -> None:
        self._inbox.release(sender)
        self._drain_soon(self._clock.now_ns())

    def _drain_soon(self, now_ns: int) -> None:
        if self._next_drain is None and self._socket is not None:
            rest_seconds = max(0, self._rest_until_ns - now_ns) / 1e9
            self._next_drain = asyncio.get_running_loop().call_later(min(rest_seconds, REST_SECONDS), self._drain)

    def _drain(self) -> None:
        self._next_drain = None
        try:
            self.handle_waiting(self._clock.now_ns())
        finally:  # an error of ours in one message is the loop's to report; those behind it go on
            self._rest_until_ns = self._clock.now_ns() + round(REST_SECONDS * 1e9)
            if self._inbox and self._socket is not None:
                self._next_drain = asyncio.get_running_loop().call_soon(self._drain)

    def handle_waiting(self, now_ns: int) -> None:
        """Handle one bounded portion of what waits, one step of each sender in turn."""
        for steps, (sender, queue) in enumerate(self._inbox.turns(), 1):
            self._dispatcher.step(sender, queue)
            if steps >= DRAIN_STEPS or self._clock.now_ns() - now_ns > DRAIN_NS:
                break

    def _trusts(self, host: str) -> bool:
        """Whether ``host`` needs no proof that it receives: this machine, and the hosts that the performer named."""
        return is_loopback(host) or (bool(self.options.allow) and self._allow_list.admits(host))

    # --- what the engine reports -------------------------------------------------------------------------------------

    def changed(self, path: str, value: Value) -> None:
        """``path`` became ``value``: every subscriber is notified."""
        self.replies.value_changed(path, value)

    def event(self, event: EngineEvent) -> None:
        """News of a plugin goes to every subscriber."""
        if event.path.endswith("/fx"):
            self.replies.notice(event.path, event.text)

    def landing_moved(self, event: LandingMoved) -> None:
        """A landing moved: the sender that it was promised to and every subscriber are notified."""
        self.replies.landing_moved(event.landing, event.source)
