"""RampEngine: an engine whose sound says its own beat, so that every frame a plugin plays can be checked.

Left is the beat / 256, right is 1, so that a fade is seen too. It gives rings over the real socket and fills them with
the real ``FillPlan``: ``riffengine plugin check`` and the tests run the installed plugins against it.
"""

from __future__ import annotations

import contextlib
import select
import socket
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riffengine.clock import Clock
from riffengine.processes.audio import Block
from riffengine.processes.daw_fill import FillPlan
from riffengine.processes.daw_handshake import LONGEST_LINE, Answer, Hello, refusal, state_line
from riffengine.processes.daw_ring import DawMidi, DawRing, HostTime

SCALE = 256.0
_LEAST_GAIN = 1e-6  # of a frame whose beat can still be read


@dataclass
class Instance:
    """One plugin that is connected: its ring, and what it has said."""

    connection: socket.socket
    hello: Hello
    ring: DawRing
    plan: FillPlan
    host: HostTime | None = None
    parameters: dict[int, float] = field(default_factory=dict)
    midi: list[DawMidi] = field(default_factory=list)
    runs: set[int] = field(default_factory=set)


class RampEngine:
    """Serves the plugins that connect to the socket ``path``. One thread: call ``serve`` and ``fill`` in turns.

    ``ahead`` are the frames by which it is ahead of the host, ``block`` those that it writes at once. It refuses with
    the reason ``refuses`` while that is set.
    """

    def __init__(self, path: Path, clock: Clock, ahead: int = 2048, block: int = 256) -> None:
        self.path, self.ahead, self.block = path, ahead, block
        self.instances: list[Instance] = []
        self.refuses = ""
        self.hellos: list[Hello] = []
        self._clock = clock
        self._made = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()

    def serve(self, seconds: float = 0.0) -> None:
        """Answer who connects, and let go of who has gone; waits for the first at most ``seconds``."""
        while True:
            waiting = [self._server, *(instance.connection for instance in self.instances)]
            ready = select.select(waiting, [], [], seconds)[0]
            seconds = 0.0
            if not ready:
                return
            for instance in [i for i in self.instances if i.connection in ready]:
                self._drop(instance)
            if self._server in ready:
                self._accept()

    def fill(self) -> None:
        """Take what every plugin has said, and write what it still needs."""
        for instance in self.instances:
            host = instance.host = instance.ring.host(self._clock.now_ns())
            instance.parameters.update(instance.ring.changed_parameters())
            instance.midi += instance.ring.take_midi()
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

    def save(self, state: str) -> None:
        """Give every plugin ``state`` to keep in its project."""
        for instance in self.instances:
            with contextlib.suppress(OSError):  # it has gone; serve will see it
                instance.connection.sendall(state_line(state))

    def close(self) -> None:
        """Leave, as an engine that ends."""
        for instance in list(self.instances):
            self._drop(instance)
        self._server.close()
        self.path.unlink(missing_ok=True)

    def _accept(self) -> None:
        connection = self._server.accept()[0]
        line = b""
        while not line.endswith(b"\n"):
            piece = connection.recv(LONGEST_LINE)
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
        self.instances.append(Instance(connection, hello, ring, FillPlan(hello.rate)))
        with contextlib.suppress(OSError):  # it has gone; serve will see it
            connection.sendall(Answer(ring.name, name).line())

    def _drop(self, instance: Instance) -> None:
        self.instances.remove(instance)
        instance.connection.close()
        instance.ring.close()


def ramp(beat: float, bpm: float, frames: int, ring: DawRing) -> Block:
    """``(frames, channels) float32`` that says its own beat in every left channel."""
    block = np.ones((frames, ring.channels), np.float32)
    block[:, 0::2] = ((beat + np.arange(frames) * bpm / 60.0 / ring.rate) / SCALE)[:, np.newaxis]
    return block


def beats_of(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float64]:
    """The beat that each of ``(frames,)`` says, whatever its gain; NaN where it is silent."""
    heard = right > _LEAST_GAIN
    beats = np.full(len(left), np.nan)
    beats[heard] = left[heard].astype(np.float64) / right[heard].astype(np.float64) * SCALE
    return beats
