"""OscHarness: an OSC server without a socket: datagrams in, replies out, and time stands still."""

from __future__ import annotations

from riffengine.clock import VirtualClock
from riffengine.control.osc.options import OscOptions
from riffengine.control.osc.server import OscServer
from riffengine.control.osc.subscribers import Sender
from riffengine.control.osc.wire import decode, encode
from riffengine.control.surface import Schedule
from tests.control.engine_stub import EngineStub

ALICE = ("127.0.0.1", 9001)
BOB = ("127.0.0.1", 9002)

NUMBER = 4711  # by which every host proves its address
Answer = tuple[object, ...]


class OscHarness:
    def __init__(self, options: OscOptions | None = None, schedule: Schedule | None = None) -> None:
        self.engine = EngineStub()
        self.sent: list[tuple[Sender, str, tuple[object, ...]]] = []
        self.datagrams: list[tuple[Sender, bytes]] = []
        self.clock = VirtualClock(77)
        self.server = OscServer(self.engine.context(self.clock, schedule), options, lambda: NUMBER)
        self.server.replies.send = self._keep

    def _keep(self, datagram: bytes, to: Sender) -> bool:
        self.datagrams.append((to, datagram))
        self.sent += [(to, reply.address, reply.arguments) for reply in decode(datagram)]
        return True

    def send(self, address: str, *values: float | int | str | bool, who: Sender = ALICE) -> list[Answer]:
        """Send a message; returns what is replied."""
        return self.send_bytes(encode(address, *values), who)

    def send_bytes(self, datagram: bytes, who: Sender = ALICE) -> list[Answer]:
        self.server.receive(datagram, who)
        self.handle_waiting()
        return self.replies()

    def handle_waiting(self) -> None:
        self.server.handle_waiting(self.clock.now_ns())

    def replies(self, who: Sender | None = None) -> list[Answer]:
        """What was replied, to ``who`` or to anybody, since the last call."""
        found = [(address, *arguments) for to, address, arguments in self.sent if who in (None, to)]
        self.sent.clear()
        return found
