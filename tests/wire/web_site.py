"""The web server in its real process, fed by a player that is played by the test in real time."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from riffengine.performance.command import Accepted
from riffengine.performance.parameter_tree import Parameter
from riffengine.performance.parameters import standard_tree
from riffengine.processes.audio_tap import AudioTap
from riffengine.processes.web_figures import WebFigures
from riffengine.transport.beat_grid import BeatGrid
from riffengine.web.messages import (
    Alive,
    Answered,
    Changes,
    Figures,
    FromWeb,
    Opened,
    Promised,
    Submit,
    Told,
    ToWeb,
    WholeState,
)
from riffengine.web.options import WebLimits, WebOptions
from riffengine.web.process import WebProcess, WebStart
from tests.control.engine_stub import EngineStub

RATE = 44100
BLOCK = 441
BPM = 120.0
BEAT_FRAMES = 22050
LOOP_FRAMES = 8 * BEAT_FRAMES


def click_loop() -> np.ndarray:  # type: ignore[type-arg]
    """A loop of eight clicks over a quiet tone that has whole cycles in a beat: ``(frames, 2) float32``."""
    frames = np.arange(LOOP_FRAMES)
    loop = 0.05 * np.sin(2 * np.pi * 200 * frames / BEAT_FRAMES)
    loop[frames % BEAT_FRAMES == 0] = 0.9
    return np.repeat(loop.astype(np.float32)[:, None], 2, axis=1)


class WebSite:
    """A running server. ``url`` is that of the page; ``process`` may be stopped, killed and started again."""

    def __init__(
        self, options: WebOptions, limits: WebLimits | None = None, parameters: Sequence[Parameter] = ()
    ) -> None:
        self._options = options
        self.tap = AudioTap.create(RATE, 2)
        self.engine = EngineStub(standard_tree(("a", "b")))
        self.engine.tree.join(parameters)
        self.engine.state = self.engine.tree.initial_state()
        self._outbox: deque[ToWeb] = deque()
        known = tuple(self.engine.tree.parameters.values())
        start = WebStart(options, self.tap.name, "test", "bundled", 8, known, limits or WebLimits())
        self.process = WebProcess(start)
        self.url = ""
        self.all_told: list[str] = []
        self.figures = WebFigures()  # as the server said last
        self._told_before = 0
        self._ended = threading.Event()
        self._turn = threading.Lock()  # the process is of one thread at a time
        self._threads = [threading.Thread(target=target) for target in (self._play, self._serve)]

    def start(self) -> None:
        self.process.start()
        for thread in self._threads:
            thread.start()
        deadline = time.monotonic() + 60  # noqa: TID251 (a real process)
        while not self.url and time.monotonic() < deadline:  # noqa: TID251
            time.sleep(0.02)
        assert self.url, "the web server did not start within a minute"

    def restart(self) -> None:
        """Kill the server and start another."""
        with self._turn:
            assert self.process.pid is not None
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.join(5)
            self.process.start()

    def pause(self, seconds: float) -> None:
        """Stop the server for a while, as a busy machine or a bad network would."""
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(self.process.pid, signal.SIGCONT)

    def wait_told(self, text: str, seconds: float = 60.0) -> None:
        """Wait until the server has told the performer ``text``, since the last call."""
        deadline = time.monotonic() + seconds  # noqa: TID251 (a real process)
        while time.monotonic() < deadline:  # noqa: TID251
            for index, told in enumerate(self.all_told[self._told_before :], self._told_before):
                if text in told:
                    self._told_before = index + 1
                    return
            time.sleep(0.02)
        raise AssertionError(f"{text!r} was not told: {self.all_told[self._told_before :]}")

    def tell(self, message: ToWeb) -> None:
        """Send ``message`` to the server, as an engine does."""
        self._outbox.append(message)

    def close(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self.process.close()
        self.tap.close()

    def _play(self) -> None:
        loop, frame = click_loop(), 0
        began = time.monotonic_ns()
        while not self._ended.is_set():
            at = frame % LOOP_FRAMES
            self.tap.write(frame, loop[at : at + BLOCK], time.monotonic_ns())
            frame += BLOCK
            time.sleep(max(0.0, frame / RATE - (time.monotonic_ns() - began) / 1e9))

    def _serve(self) -> None:
        figures = 0
        while not self._ended.is_set():
            with self._turn:
                for message in self.process.receive()[0]:
                    self._handle(message)
                while self._outbox:
                    self.process.send(self._outbox.popleft())
                figures += 1
                if figures % 20 == 0 and not self.process.unsent:
                    self._send_figures()
            time.sleep(0.01)

    def _handle(self, message: FromWeb) -> None:
        match message:
            case Opened(url):
                self.url = url
                self.process.options = replace(self.process.options, options=replace(self._options, port=message.port))
                self.process.send(WholeState(dict(self.engine.state.values)))
                self._send_figures()
            case Alive(figures):
                self.figures = figures
            case Told(text):
                self.all_told.append(text)
            case Submit(number, command):
                reply = self.engine.submit(command)
                self.process.send(Answered(number, reply))
                if isinstance(reply, Accepted) and reply.landing is not None:
                    self.process.send(Promised(reply.landing, reply.value, command.source))
                if isinstance(reply, Accepted):
                    self.process.send(Changes({command.path: reply.value}))

    def _send_figures(self) -> None:
        self.process.send(Figures(self.tap.end, BeatGrid(RATE, BPM), {}, (), "", False, {}))


@contextlib.contextmanager
def web_site(
    options: WebOptions | None = None, limits: WebLimits | None = None, parameters: Sequence[Parameter] = ()
) -> Iterator[WebSite]:
    """A running server on a free port, with ``parameters`` beside those of every set."""
    site = WebSite(options or WebOptions(port=0), limits, parameters)
    site.start()
    try:
        yield site
    finally:
        site.close()
