"""OscPlayer: a performer at an OSC surface, and the real engine that is played by it, in processes of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from riffengine.clock import SystemClock
from riffengine.control.osc.wire import OscRequest, decode, encode
from riffengine.errors import DeviceError

PATIENCE_SECONDS = 600.0  # for a model to load and a bank to fill on a busy machine
_ANSWER_SECONDS = 1.0  # an answer that takes longer is counted as lost
_STATUS_SECONDS = 0.2
_POLL_SECONDS = 0.05
_END_SECONDS = 20.0
_CLOCK = SystemClock()  # the same in this process and in the engine


class OscPlayer:
    """One OSC client of an engine on this machine. It blocks, so it belongs to a process of its own."""

    def __init__(self, port: int) -> None:
        self._wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._wire.connect(("127.0.0.1", port))

    def set(self, path: str, value: float | int | str | bool) -> int:
        """Send, and return the time just before, in nanoseconds of the monotonic clock. Never fails."""
        return self._send(encode(f"/riff/{path}", value))

    def ask(
        self,
        address: str,
        *values: float | int | str | bool,
        answer: str,
        path: str = "",
        seconds: float = _ANSWER_SECONDS,
    ) -> tuple[float, OscRequest | None]:
        """Milliseconds until ``answer`` came back (about ``path``), and it; ``None`` when it is lost."""
        datagram = encode(address, *values)
        deadline = time.perf_counter() + seconds
        sent_ns = self._send(datagram)
        try:
            while (left := deadline - time.perf_counter()) > 0:
                self._wire.settimeout(left)
                for reply in decode(self._wire.recv(65536)):
                    if reply.address == answer and (not path or reply.arguments[0] == path):
                        return (_CLOCK.now_ns() - sent_ns) / 1e6, reply
        except (TimeoutError, ConnectionRefusedError):
            pass
        return 0.0, None

    def landing_ms(self, path: str, value: float | int | str | bool) -> float | None:
        """Send, and return the milliseconds until the engine says when it will be heard; ``None`` if it does not."""
        milliseconds, reply = self.ask(f"/riff/{path}", value, answer="/riff/landing", path=path)
        return milliseconds if reply is not None else None

    def status(self) -> dict[str, Any]:
        """The engine's facts; empty when it does not answer in 0.2 s."""
        _, reply = self.ask("/riff/status", answer="/riff/status.reply", seconds=_STATUS_SECONDS)
        words = reply.arguments if reply is not None else ()
        return dict(zip(map(str, words[::2]), words[1::2], strict=True))

    def wait_for(
        self,
        what: Callable[[dict[str, Any]], bool],
        seconds: float = PATIENCE_SECONDS,
        hopeless: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Whether the status came to that within ``seconds``; not waited for any longer once it is ``hopeless``."""
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline and not hopeless():
            status = self.status()
            if status and what(status):
                return True
            time.sleep(_POLL_SECONDS)
        return False

    def close(self) -> None:
        """Let go of the socket."""
        self._wire.close()

    def _send(self, datagram: bytes) -> int:
        sent_ns = _CLOCK.now_ns()
        try:
            self._wire.send(datagram)
        except ConnectionRefusedError:  # what was sent before found nobody; this one may
            self._wire.send(datagram)
        return sent_ns


def complete(status: dict[str, Any]) -> bool:
    """Whether every point of the bank is there and sounds."""
    return bool(status["coverage"] == 1.0 and status["jobs_heard"] >= 1)


def free_port() -> int:
    """A UDP port that nobody has just now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def playing(
    preset: str,
    folder: Path,
    ready: Callable[[dict[str, Any]], bool],
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[tuple[OscPlayer, int]]:
    """The engine as it plays ``preset``, once its status is ``ready``, and its port; ends it afterwards.

    ``DeviceError`` with what it said when it does not come to play.
    """
    port, file = free_port(), folder / "bench.yaml"
    file.write_text(preset)
    with (folder / "engine.log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "riffengine", "play", str(file), "--osc-port", str(port), *options],
            env=dict(os.environ if environment is None else environment),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        hand = OscPlayer(port)
        try:
            if not hand.wait_for(ready, hopeless=lambda: process.poll() is not None):
                log.seek(0)
                raise DeviceError(f"the engine did not come to play; it said: {log.read()[-2000:]}")
            yield hand, port
        finally:
            hand.close()
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
