"""RampEngine: an engine whose sound says its own beat: left is the beat / 256, right is 1, so that a fade is seen too.

It gives rings over the real socket and fills them with the real ``FillPlan``. ``fill`` is called by the test, or, run
as a program (``python ramp_engine.py SOCKET AHEAD``), by its own loop.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from riffengine.processes.audio import Block
from riffengine.processes.daw_fill import FillPlan
from riffengine.processes.daw_handshake import Answer, Hello, refusal, state_line
from riffengine.processes.daw_ring import DawMidi, DawRing, HostTime

SCALE = 256.0


@dataclass
class Instance:
    """One plugin that is connected."""

    connection: socket.socket
    hello: Hello
    ring: DawRing
    plan: FillPlan
    host: HostTime | None = None
    parameters: dict[int, float] = field(default_factory=dict)
    midi: list[DawMidi] = field(default_factory=list)
    runs: set[int] = field(default_factory=set)


class RampEngine:
    def __init__(self, path: Path, ahead: int = 2048, block: int = 256) -> None:
        self.path, self.ahead, self.block = path, ahead, block
        self.instances: list[Instance] = []
        self.refuses = ""
        self.hellos: list[Hello] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        self._made = 0

    def serve(self, seconds: float = 0.0) -> None:
        """Answer who connects, and let go of who has gone."""
        while True:
            waiting = [self._server, *(instance.connection for instance in self.instances)]
            ready = select.select(waiting, [], [], seconds)[0]
            seconds = 0.0
            if not ready:
                return
            for source in ready:
                if source is self._server:
                    self._accept()
                else:
                    self._drop(next(i for i in self.instances if i.connection is source))

    def _accept(self) -> None:
        connection = self._server.accept()[0]
        line = b""
        while not line.endswith(b"\n"):
            piece = connection.recv(65536)
            if not piece:
                connection.close()
                return
            line += piece
        hello = Hello.parse(line)
        self.hellos.append(hello)
        if self.refuses:
            connection.sendall(refusal(self.refuses))
            connection.close()
            return
        self._made += 1
        taken = {instance.ring.instance for instance in self.instances}
        name = hello.instance if hello.instance and hello.instance not in taken else f"made-{self._made}"
        ring = DawRing.create(hello.rate, name, hello.wants)
        connection.sendall(Answer(ring.name, name).line())
        self.instances.append(Instance(connection, hello, ring, FillPlan(hello.rate)))

    def _drop(self, instance: Instance) -> None:
        self.instances.remove(instance)
        instance.connection.close()
        instance.ring.close()

    def save(self, state: str) -> None:
        for instance in self.instances:
            instance.connection.sendall(state_line(state))

    def fill(self) -> None:
        """Write what every ring still needs."""
        for instance in self.instances:
            host = instance.ring.host(time.monotonic_ns())
            instance.parameters.update(instance.ring.changed_parameters())
            instance.midi += instance.ring.take_midi()
            instance.host = host
            if host is None:
                continue
            ahead = max(self.ahead, 3 * host.block_frames)
            while (fill := instance.plan.next(host, self.block, ahead)) is not None:
                first = instance.ring.written
                instance.ring.write(
                    ramp(fill.beat, fill.bpm, fill.frames, instance.ring), fill.beat, fill.bpm, fill.run
                )
                instance.plan.wrote(fill, first, host)
                instance.runs.add(fill.run)

    def close(self) -> None:
        for instance in list(self.instances):
            self._drop(instance)
        self._server.close()
        self.path.unlink(missing_ok=True)


def ramp(beat: float, bpm: float, frames: int, ring: DawRing) -> Block:
    """``(frames, channels) float32`` that says its own beat in every left channel."""
    block = np.ones((frames, ring.channels), np.float32)
    block[:, 0::2] = ((beat + np.arange(frames) * bpm / 60.0 / ring.rate) / SCALE)[:, np.newaxis]
    return block


def beats_of(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The beat of every frame; NaN where it is silent."""
    with np.errstate(invalid="ignore", divide="ignore"):
        beats: np.ndarray = np.where(right > 1e-6, left.astype(np.float64) / right.astype(np.float64) * SCALE, np.nan)
    return beats


if __name__ == "__main__":
    engine = RampEngine(Path(sys.argv[1]), int(sys.argv[2]))
    print("ready", flush=True)
    while True:
        engine.serve(0.001)
        engine.fill()
