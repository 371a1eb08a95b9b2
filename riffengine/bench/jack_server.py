"""JackServer: a JACK server with the dummy driver (a clock without a sound card), and a capture client in C."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riffengine.clock import SystemClock

NEEDED = ("jackd", "jack_lsp", "gcc")
SOURCE = Path(__file__).with_name("jcap.c")
_STARTS = 3


def missing_programs() -> list[str]:
    """The programs and headers that must be installed first (Debian: jackd2, libjack-jackd2-dev, gcc)."""
    found = [name for name in NEEDED if shutil.which(name) is None]
    if not Path("/usr/include/jack/jack.h").exists():
        found.append("libjack-jackd2-dev")
    return found


class _Ended(TimeoutError):
    """The server has ended, so no port will come."""


@dataclass
class JackServer:
    """``jackd -S -d dummy`` with a unique name; clients started with ``environment`` connect to it."""

    rate: int
    period_frames: int
    name: str
    process: subprocess.Popen[str]
    environment: dict[str, str]

    @classmethod
    def start(
        cls, rate: int, period_frames: int, synchronous: bool = True, realtime: bool = False, outputs: int = 2
    ) -> JackServer:
        """Start it and wait until it answers. Synchronous: a late client delays the cycle, so no audio is lost.

        ``TimeoutError`` when it does not answer. Servers that start at the same time may disturb each other: one that
        ends at once is started again.
        """
        for _ in range(_STARTS - 1):
            with contextlib.suppress(_Ended):
                return cls._start(rate, period_frames, synchronous, realtime, outputs)
            time.sleep(1.0)
        return cls._start(rate, period_frames, synchronous, realtime, outputs)

    @classmethod
    def _start(cls, rate: int, period_frames: int, synchronous: bool, realtime: bool, outputs: int) -> JackServer:
        name = f"riff{os.getpid()}{secrets.token_hex(2)}"
        command = [
            "jackd",
            "-n",
            name,
            *(("-R", "-P", "60") if realtime else ("-r",)),
            *(("-S",) if synchronous else ()),
        ]
        command += ["-d", "dummy", "-r", str(rate), "-p", str(period_frames), "-C", "2", "-P", str(outputs)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
        environment = os.environ | {"JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1"}
        server = cls(rate, period_frames, name, process, environment)
        server.wait_for_port("system:playback_1")
        return server

    def ports(self) -> list[str]:
        """Names of all ports; empty while the server does not answer."""
        listed = subprocess.run(["jack_lsp"], env=self.environment, capture_output=True, text=True, check=False)
        return listed.stdout.split("\n") if listed.returncode == 0 else []

    def wait_for_port(self, name: str, seconds: float = 15.0) -> None:
        """Wait for a port of this name; ``TimeoutError`` names the ports that exist."""
        deadline_ns = SystemClock().now_ns() + round(seconds * 1e9)
        while name not in (ports := self.ports()):
            if self.process.poll() is not None:
                raise _Ended(f"no port {name}; jackd has ended: {self.process.poll()}")
            if SystemClock().now_ns() > deadline_ns:
                raise TimeoutError(f"no port {name}; there are {ports}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the server."""
        self.process.terminate()
        try:
            self.process.wait(20)  # on a busy machine; a killed server leaves its semaphores in /dev/shm
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)


def build_capture(folder: Path) -> Path:
    """Compile ``jcap.c`` into ``folder`` and return the program."""
    program = folder / "jcap"
    subprocess.run(["gcc", "-O2", "-Wall", "-Werror", "-o", program, SOURCE, "-ljack"], check=True)
    return program


class Capture:
    """A running ``jcap`` that records the ports of a client."""

    def __init__(self, program: Path, server: JackServer, out: Path, seconds: float, ports: tuple[str, ...]) -> None:
        self._out = out
        self._channels = len(ports)
        self._process = subprocess.Popen(
            [program, out, str(seconds), *ports], env=server.environment, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        ready = self._process.stdout.readline().strip()
        if ready != "ready":
            raise RuntimeError(f"jcap said {ready!r}")

    def finish(self) -> tuple[NDArray[np.float32], int]:
        """The recording ``(frames, channels) float32``, and the number of xruns that the server reported meanwhile."""
        return self.finish_timed()[:2]

    def finish_timed(self) -> tuple[NDArray[np.float32], int, NDArray[np.int64]]:
        """As ``finish``, and ``(blocks, 2) int64``: the first frame of each block and the start of its cycle in ns."""
        self._process.terminate()
        output, _ = self._process.communicate(timeout=20)
        words = output.split()
        heard = np.fromfile(self._out, dtype=np.float32).reshape(-1, self._channels)
        times = np.fromfile(self._out.with_name(self._out.name + ".times"), dtype=np.int64).reshape(-1, 2)
        return heard, int(words[words.index("xruns") + 1]), times
