"""OscClient: a blocking OSC client of a running engine, and ``running_engine``, which starts one for a benchmark."""

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

PATIENCE_SECONDS = 600.0  # enough to load a model and fill a bank on a busy machine
_ANSWER_SECONDS = 1.0  # a later answer counts as lost
_STATUS_SECONDS = 0.2
_POLL_SECONDS = 0.05
_END_SECONDS = 20.0
_CLOCK = SystemClock()  # the same in this process and in the engine


class OscClient:
    """One OSC client of an engine on this machine. It blocks, so it belongs in its own process."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))

    def set(self, path: str, value: float | int | str | bool) -> int:
        """Send, and return the time just before, in ns of the monotonic clock. Does not wait for an answer."""
        return self._send(encode(f"/riff/{path}", value))

    def ask(
        self,
        address: str,
        *values: float | int | str | bool,
        answer: str,
        path: str = "",
        seconds: float = _ANSWER_SECONDS,
    ) -> tuple[float, OscRequest | None]:
        """Milliseconds until ``answer`` (about ``path``) came back, and the answer; ``None`` when it is lost."""
        datagram = encode(address, *values)
        deadline = time.perf_counter() + seconds
        sent_ns = self._send(datagram)
        try:
            while (left := deadline - time.perf_counter()) > 0:
                self._socket.settimeout(left)
                for reply in decode(self._socket.recv(65536)):
                    if reply.address == answer and (not path or reply.arguments[0] == path):
                        return (_CLOCK.now_ns() - sent_ns) / 1e6, reply
        except (TimeoutError, ConnectionRefusedError):
            pass
        return 0.0, None

    def landing_ms(self, path: str, value: float | int | str | bool) -> float | None:
        """Send, and return the milliseconds until the engine announced the landing; ``None`` if it did not."""
        milliseconds, reply = self.ask(f"/riff/{path}", value, answer="/riff/landing", path=path)
        return milliseconds if reply is not None else None

    def status(self) -> dict[str, Any]:
        """The engine's status by name; empty when it does not answer within 0.2 s."""
        _, reply = self.ask("/riff/status", answer="/riff/status.reply", seconds=_STATUS_SECONDS)
        words = reply.arguments if reply is not None else ()
        return dict(zip(map(str, words[::2]), words[1::2], strict=True))

    def wait_for(
        self,
        condition: Callable[[dict[str, Any]], bool],
        seconds: float = PATIENCE_SECONDS,
        give_up: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Whether ``condition`` held for the status within ``seconds``; stops early when ``give_up`` returns true."""
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline and not give_up():
            status = self.status()
            if status and condition(status):
                return True
            time.sleep(_POLL_SECONDS)
        return False

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _send(self, datagram: bytes) -> int:
        sent_ns = _CLOCK.now_ns()
        try:
            self._socket.send(datagram)
        except ConnectionRefusedError:  # reports that an earlier datagram found no receiver; send this one again
            self._socket.send(datagram)
        return sent_ns


def bank_complete(status: dict[str, Any]) -> bool:
    """Whether every point of the bank is rendered and the deck plays."""
    return bool(status["coverage"] == 1.0 and status["jobs_heard"] >= 1)


def free_port() -> int:
    """A UDP port that is free at the moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_engine(
    preset: str,
    folder: Path,
    ready: Callable[[dict[str, Any]], bool],
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[tuple[OscClient, int]]:
    """A client of an engine that plays ``preset``, once its status is ``ready``, and its port; ends it afterwards.

    ``DeviceError`` with the engine's output when it does not start to play.
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
        client = OscClient(port)
        try:
            if not client.wait_for(ready, give_up=lambda: process.poll() is not None):
                log.seek(0)
                raise DeviceError(f"the engine did not start to play; its output: {log.read()[-2000:]}")
            yield client, port
        finally:
            client.close()
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
