"""LocalMember: a renderer process of this machine as a member of a pool.

It writes into a loop store of its own with a single slot, not into the engine's: the loser of two attempts could
otherwise write a slot that holds another loop by then. The pool copies what it takes, 0.5 ms for a loop of 2 MB.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection

import numpy as np

from riffengine.clock import Clock, SystemClock
from riffengine.errors import LoopStoreError
from riffengine.pool.finished_loop import FinishedLoop
from riffengine.pool.jobs import Begin
from riffengine.pool.member_link import MemberEvents
from riffengine.processes.backoff import Backoff, RestartPolicy
from riffengine.processes.child_process import ChildProcess
from riffengine.processes.loop_store import LoopStore
from riffengine.processes.render_messages import (
    Alive,
    Cancel,
    Cancelled,
    Delivery,
    Failed,
    FromRenderer,
    Ready,
    Render,
    Shutdown,
    ToRenderer,
)
from riffengine.renderer.process import RendererOptions

RendererMain = Callable[[RendererOptions, Connection], None]

_RESTARTS = RestartPolicy(healthy_seconds=5.0)  # after it was ready: loading a model may take a minute
_CHECK_SECONDS = 0.5
_STOP_SECONDS = 0.1


class LocalMember:
    """One seat: a child process that runs ``main`` (``renderer_main``, or another body with the same messages)."""

    def __init__(
        self,
        name: str,
        options: RendererOptions,
        main: RendererMain,
        events: MemberEvents,
        clock: Clock | None = None,
    ) -> None:
        self.name, self.local = name, True
        self._events = events
        self._store = LoopStore.create(1, options.slot_floats)
        own = replace(options, store=self._store.name, slots=1)
        self._process = ChildProcess[RendererOptions, ToRenderer, FromRenderer](f"riffengine-{name}", main, own)
        self._attempt = 0  # whose samples may be in the slot
        self._backoff, self._clock = Backoff(_RESTARTS), clock or SystemClock()
        self._watched: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Of the process."""
        return self._process.pid

    def start(self) -> None:
        """Start the process; its ``Ready`` follows."""
        if self._closed:
            return
        try:
            self._process.start()
        except OSError as error:
            self._start_later(f"could not be started ({error.strerror})")
            return
        loop = asyncio.get_running_loop()
        self._watched = self._process.fileno()
        loop.add_reader(self._watched, self._receive)
        self._timer = loop.call_later(_CHECK_SECONDS, self._check)

    def begin(self, begin: Begin) -> None:
        """Send the job; it is the only one that this process has."""
        self._attempt = begin.attempt
        self._process.send(Render(begin.attempt, begin.request, 0, begin.seconds_left, begin.bank))

    def drop(self, attempt: int) -> None:
        """Ask it to stop between two steps."""
        self._process.send(Cancel(attempt))

    def end(self) -> None:
        """Kill it; its end is noticed like any other."""
        self._process.kill()

    async def close(self) -> None:
        """End it and remove its memory."""
        self._closed = True
        self._unwatch()
        self._process.finish(Shutdown(), _STOP_SECONDS)
        self._store.close()

    def _receive(self) -> None:
        messages, connected = self._process.receive()
        for message in messages:
            self._hear(message)
        if not connected and not self._closed:
            self._start_later("ended")

    def _check(self) -> None:
        """Notice an end without a word, and send what the pipe did not take."""
        self._timer = None
        self._receive()
        if self._watched is not None and not self._closed:
            if not self._process.alive:
                self._start_later("ended")
            else:
                self._timer = asyncio.get_running_loop().call_later(_CHECK_SECONDS, self._check)

    def _hear(self, message: FromRenderer) -> None:
        events = self._events
        match message:
            case Ready():
                self._backoff.started(self._clock.now_ns())
                events.ready(self, message)
            case Delivery():
                stems = len(message.stems)
                view = self._store.view(0, stems, message.frames, message.channels)
                events.finished(self, message.job, FinishedLoop(message, np.array(view, copy=True)))
            case Failed(-1, reason):
                events.unusable(self, reason)
            case Failed():
                events.failed(self, message.job, message.reason, message.hopeless)
            case Cancelled():
                events.dropped(self, message.job)
            case Alive():
                events.alive(self, message.job, message.worked_seconds, message.steps)
            case _:
                raise LoopStoreError(f"a renderer process says {type(message).__name__}, which only a pool does")

    def _start_later(self, reason: str) -> None:
        self._unwatch()
        code = self._process.exit_code
        self._process.close()
        pause = self._backoff.pause(self._clock.now_ns())
        self._events.lost(self, reason if code is None else f"{reason} with status {code}")
        if not self._closed:
            self._timer = asyncio.get_running_loop().call_later(pause, self.start)

    def _unwatch(self) -> None:
        if self._watched is not None:
            asyncio.get_running_loop().remove_reader(self._watched)
            self._watched = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
