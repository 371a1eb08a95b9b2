"""ServerThread: an OSC server with a schedule on a thread of its own, and a socket to send to it."""

from __future__ import annotations

import asyncio
import socket
import threading

from riffengine.clock import SystemClock
from riffengine.control.osc.options import OscOptions
from riffengine.control.osc.server import OscServer
from riffengine.control.osc.wire import decode, encode
from riffengine.engine.command_schedule import CommandSchedule
from riffengine.transport.beat_grid import BeatGrid, Moment
from riffengine.transport.sync.frame_clock import FrameClock
from tests.control.engine_stub import EngineStub

RATE = 48000


class ServerThread:
    def __init__(self) -> None:
        self.engine = EngineStub()
        self.loop = asyncio.new_event_loop()
        clock, grid = SystemClock(), BeatGrid(RATE, 120.0)
        self.schedule = CommandSchedule(
            self.engine.tree,
            FrameClock(RATE),
            RATE,
            clock,
            clock.unix_seconds,
            lambda frame: Moment.on(grid, frame),
        )
        self.server = OscServer(self.engine.context(clock, self.schedule.add), OscOptions(port=0))
        self.loop.run_until_complete(self.server.start())
        self.loop.call_soon(self._tick)
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", self.server.port))

    def _tick(self) -> None:
        for due in self.schedule.due(0):
            due.on_reply(self.engine.submit(due.command))
        self.loop.call_later(0.02, self._tick)

    def ask(self, address: str, *values: float | int | str) -> tuple[object, ...]:
        self.socket.send(encode(address, *values))
        (answer,) = decode(self.socket.recv(65536))
        return (answer.address, *answer.arguments)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.server.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()
        self.socket.close()
