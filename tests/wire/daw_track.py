"""DawTracks: a DAW in Python with tracks of our plugin: the real socket and the real rings, in real time, no C."""

from __future__ import annotations

import socket
import time
from multiprocessing import resource_tracker
from pathlib import Path

import numpy as np

from riffengine.processes.audio import Block
from riffengine.processes.daw_handshake import Answer, Hello
from riffengine.processes.daw_ring import HostTime
from tests.processes.daw_host import HostEnd

PATIENCE_SECONDS = 60.0


class DawTracks:
    """One DAW whose transport all its tracks share. ``play`` and ``stand`` take their time; blocks are 256 frames."""

    def __init__(self, path: Path, rate: int, block: int = 256) -> None:
        self.path, self.rate, self.block = path, rate, block
        self.ends: list[HostEnd] = []
        self.sockets: list[socket.socket] = []
        self.names: list[str] = []
        self.states: list[bytes] = []
        self.beat, self.bpm, self.jumps, self.frames = 0.0, 120.0, 0, 0
        self.offline = False
        self._due = time.perf_counter()

    def connect(self, wants: str = "master", instance: str = "", state: str = "") -> int:
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(self.path))
                break
            except OSError:
                connection.close()
                assert time.perf_counter() < deadline, f"nobody listens at {self.path}"
                time.sleep(0.02)
        sources = tuple(wants.split(","))
        connection.sendall(Hello(instance, self.rate, sources, 2 * len(sources), state).line())
        file = connection.makefile("rb")
        answer = Answer.parse(file.readline())
        self.states.append(file.readline())
        connection.setblocking(False)
        self.sockets.append(connection)
        self.names.append(answer.instance)
        self.ends.append(HostEnd(answer.ring))
        resource_tracker.unregister(f"/{answer.ring}", "shared_memory")  # it is the engine's to remove
        return len(self.ends) - 1

    def disconnect(self, track: int) -> None:
        self.ends.pop(track).close()
        self.sockets.pop(track).close()

    def state(self, track: int = 0) -> str:
        """The newest state that the engine has sent."""
        received = b""
        try:
            while piece := self.sockets[track].recv(65536):
                received += piece
        except BlockingIOError:
            pass
        if received:
            self.states[track] = received.splitlines()[-1]
        return self.states[track].decode().split('"')[3]

    def locate(self, beat: float) -> None:
        self.beat = beat
        self.jumps += 1

    def stand(self, seconds: float) -> None:
        self._blocks(round(seconds * self.rate / self.block), rolling=False)

    def play(self, seconds: float) -> list[Block]:
        """What each track plays, zeros where the engine was late."""
        return self._blocks(round(seconds * self.rate / self.block), rolling=True)

    def play_until_heard(self) -> None:
        """Roll until the first track is heard."""
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while not np.abs(self.play(0.1)[0]).max() > 0.0:
            assert time.perf_counter() < deadline, "nothing is heard"

    def _blocks(self, blocks: int, rolling: bool) -> list[Block]:
        played: list[list[Block]] = [[] for _ in self.ends]
        per_block = self.block * self.bpm / 60.0 / self.rate
        for _ in range(blocks):
            wanted = self.beat + (0.0 if self.offline else per_block if rolling else -2 * per_block)
            for end, samples in zip(self.ends, played, strict=True):
                found = end.find(self.beat) if rolling else None
                end.publish(self._time(rolling, wanted, found[0] if found else -(1 << 40)))
                if rolling and self.offline:
                    self._wait(end)
                if rolling:
                    samples.append(end.take(self.beat, self.bpm, self.block))
            self.frames += self.block
            self.beat += per_block if rolling else 0.0
            self._due = max(self._due + self.block / self.rate, time.perf_counter() - 0.2)
            if not self.offline:
                time.sleep(max(0.0, self._due - time.perf_counter()))
        return [np.concatenate(samples) if samples else np.zeros((0, 2), np.float32) for samples in played]

    def _wait(self, end: HostEnd) -> None:
        deadline = time.perf_counter() + PATIENCE_SECONDS
        last = self.beat + (self.block - 1) * self.bpm / 60.0 / self.rate
        while end.find(last) is None:
            assert time.perf_counter() < deadline, "the engine does not fill the ring"
            time.sleep(0.0002)

    def _time(self, rolling: bool, wanted: float, read: int) -> HostTime:
        return HostTime(
            rolling, rolling, self.offline, True, self.beat, self.bpm, wanted, None, self.jumps, self.frames, read,
            self.block, time.monotonic_ns(),
        )  # fmt: skip

    def close(self) -> None:
        for end in self.ends:
            end.close()
        for connection in self.sockets:
            connection.close()
