"""JackTransport: play, stop, place and tempo of a JACK server's transport, with a beat that is exact in every cycle."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.wire.jack_server import JackServer

SOURCE = Path(__file__).with_name("transport.c")


@contextmanager
def child(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A program that is killed at the end; its standard streams are pipes."""
    running = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


class JackTransport:
    """The transport of ``server``: each method tells it something and lets ``seconds`` pass."""

    def __init__(self, running: subprocess.Popen[str]) -> None:
        self._running = running

    @classmethod
    @contextmanager
    def start(cls, folder: Path, server: JackServer) -> Iterator[JackTransport]:
        """Compile the program into ``folder`` and run it until the end of the block."""
        program = folder / "transport"
        subprocess.run(["gcc", "-O2", "-Wall", "-Werror", "-o", program, SOURCE, "-ljack"], check=True)
        with child([str(program)], server.environment) as running:
            assert running.stdout is not None
            ready = running.stdout.readline().strip()
            assert ready == "ready", ready
            yield cls(running)

    def tempo(self, bpm: float, seconds: float) -> None:
        self._tell(f"tempo {bpm}", seconds)

    def locate(self, frame: int, seconds: float) -> None:
        self._tell(f"locate {frame}", seconds)

    def play(self, seconds: float) -> None:
        self._tell("play", seconds)

    def stop(self, seconds: float) -> None:
        self._tell("stop", seconds)

    def _tell(self, line: str, seconds: float) -> None:
        assert self._running.stdin is not None
        self._running.stdin.write(line + "\n")
        self._running.stdin.flush()
        time.sleep(seconds)
