"""An OSC server without a socket: datagrams in, answers out, and time stands still."""

from __future__ import annotations

from riffengine.clock import VirtualClock
from riffengine.control.osc.inbox import Sender
from riffengine.control.osc.server import OscServer, Schedule
from riffengine.control.osc.subscribers import OscOptions
from riffengine.control.osc.wire import decode, encode
from tests.control.engine import Stage

ALICE = ("127.0.0.1", 9001)
BOB = ("127.0.0.1", 9002)

Answer = tuple[object, ...]


class Room:
    def __init__(self, options: OscOptions | None = None, schedule: Schedule | None = None) -> None:
        self.stage = Stage()
        self.sent: list[tuple[Sender, str, tuple[object, ...]]] = []
        self.server = OscServer(
            self.stage.tree,
            self.stage.submit,
            lambda: self.stage.state,
            VirtualClock(77),
            options,
            schedule=schedule,
        )
        self.server.send = self.carry

    def carry(self, datagram: bytes, to: Sender) -> bool:
        (answer,) = decode(datagram)
        self.sent.append((to, answer.address, answer.arguments))
        return True

    def say(self, address: str, *values: float | int | str | bool, who: Sender = ALICE) -> list[Answer]:
        return self.say_bytes(encode(address, *values), who)

    def say_bytes(self, datagram: bytes, who: Sender = ALICE) -> list[Answer]:
        self.server.hear(datagram, who)
        self.work_off()
        return self.take()

    def work_off(self) -> None:
        self.server.work_off(77)

    def take(self, who: Sender | None = None) -> list[Answer]:
        """What was answered, to ``who`` or to anybody, since the last time."""
        found = [(address, *arguments) for to, address, arguments in self.sent if who in (None, to)]
        self.sent.clear()
        return found
