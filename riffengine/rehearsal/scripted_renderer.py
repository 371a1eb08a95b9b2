"""A scripted renderer that is slow, fails and dies on virtual time, and a loop store that checks every access."""

from __future__ import annotations

import math
import random
import weakref
from dataclasses import dataclass

import numpy as np

from riffengine.errors import LoopStoreError
from riffengine.processes.audio import Samples
from riffengine.processes.player_messages import LoopFreed, LoopRef, PlaceLoop, ToPlayer
from riffengine.processes.render_messages import (
    Cancel,
    Cancelled,
    Delivery,
    Failed,
    FromRenderer,
    Ready,
    Render,
    RenderCost,
)
from riffengine.transport.beat_grid import BeatGrid

_NEVER = 1 << 62
_TONES = 61  # number of different loops; prime, so that neighbours differ


@dataclass(frozen=True)
class RendererScript:
    """How the scripted renderer behaves. Seconds are virtual time; shares are 0..1."""

    draft_seconds: float = 0.3  # median for at most ``draft_steps`` steps
    full_seconds: float = 0.6
    draft_steps: int = 4
    spread: float = 0.2  # sigma of the log-normal distribution
    slow_share: float = 0.02  # share of renders that take ten times as long
    failure_share: float = 0.0
    crash_every_seconds: float = math.inf  # mean time between crashes of the process
    restart_seconds: float = 5.0
    first_ready_seconds: float = 1.0
    poisoned_seeds: frozenset[int] = frozenset()  # requests with one of these seeds always fail
    hang_share: float = 0.0  # share of renders that never end and ignore a cancel
    seed: int = 0


class WatchedStore:
    """Loops by slot, like the shared memory; writing a slot that the player may still read raises an error."""

    def __init__(self, slots: int) -> None:
        self._samples: list[Samples | None] = [None] * slots
        self._sent_loops: list[set[int]] = [set() for _ in range(slots)]  # loops that were sent to the player
        self._views: list[list[weakref.ref[Samples]]] = [[] for _ in range(slots)]

    def write(self, slot: int, samples: Samples) -> None:
        """``(stems, frames, channels) float32``; raises ``LoopStoreError`` if the player may still read the slot."""
        held = [view for view in self._views[slot] if view() is not None]
        if self._sent_loops[slot] or held:
            raise LoopStoreError(f"slot {slot} was written while the player reads {self._sent_loops[slot] or held}")
        self._samples[slot] = samples

    def view(self, ref: LoopRef) -> Samples:
        """The samples of ``ref``, for the mixer."""
        samples = self._samples[ref.slot]
        if samples is None:
            raise LoopStoreError(f"slot {ref.slot} was read before it was written")
        view = samples[:, : ref.frames, :]
        self._views[ref.slot].append(weakref.ref(view))
        return view

    def sent(self, message: ToPlayer) -> None:
        """Record a message to the player."""
        if isinstance(message, PlaceLoop):
            self._sent_loops[message.loop.slot].add(message.loop.loop)

    def freed(self, message: LoopFreed) -> None:
        """Record that the player has freed a loop."""
        self._sent_loops[message.slot].discard(message.loop)
        self._views[message.slot] = [view for view in self._views[message.slot] if view() is not None]


class ScriptedRenderer:
    """A renderer process as the engine sees it: runs one job after the other, is slow, fails and dies as scripted."""

    def __init__(
        self, script: RendererScript, sample_rate: int, store: WatchedStore, stems: tuple[str, ...] = ("mix",)
    ) -> None:
        self._script = script
        self._stems = stems
        self._sample_rate = sample_rate
        self._store = store
        self._rng = random.Random(f"renderer {script.seed}")
        self._crash_rng = random.Random(f"crash {script.seed}")
        self._hang_rng = random.Random(f"hang {script.seed}")
        self._queue: list[Render] = []
        self._running: tuple[Render, int, bool] | None = None  # job, frame on which it ends, whether it fails
        self._ready_frame: int | None = round(script.first_ready_seconds * sample_rate)
        self._crash_frame = self._next_crash(0)
        self._tones: dict[tuple[int, int], Samples] = {}
        self.crashes = 0

    def next_frame(self) -> int:
        """The frame of the next event of this renderer."""
        if self._ready_frame is not None:
            return self._ready_frame
        return min(self._crash_frame, self._running[1]) if self._running else self._crash_frame

    def send(self, message: Render | Cancel, frame: int) -> list[FromRenderer]:
        """Take a message; a job that has not started is dropped at once."""
        if isinstance(message, Render):
            self._queue.append(message)
            self._start_next(frame)
            return []
        if self._running is not None and self._running[0].job == message.job and self._running[1] < _NEVER:
            self._running = None
            self._start_next(frame)
            return [Cancelled(message.job)]
        before = len(self._queue)
        self._queue = [render for render in self._queue if render.job != message.job]
        return [Cancelled(message.job)] if len(self._queue) < before else []

    def advance(self, frame: int) -> FromRenderer | None:
        """The event on ``next_frame``: ready, delivered, failed, or ``None`` when the process dies."""
        if self._ready_frame is not None:
            self._ready_frame = None
            return Ready("scripted", self._stems, 1, (), self._script.restart_seconds, "")
        if self._running is not None and frame >= self._running[1]:
            render, _, fails = self._running
            self._running = None
            self._start_next(frame)
            return Failed(render.job, "scripted failure") if fails else self._deliver(render)
        self.crashes += 1
        self._queue.clear()
        self._running = None
        self._ready_frame = frame + round(self._script.restart_seconds * self._sample_rate)
        self._crash_frame = self._next_crash(self._ready_frame)
        return None

    def kill(self, frame: int) -> None:
        """Let the process die on ``frame``."""
        self._crash_frame = frame

    def _start_next(self, frame: int) -> None:
        if self._running is not None or not self._queue:
            return
        render, script = self._queue.pop(0), self._script
        seconds = script.draft_seconds if render.request.steps <= script.draft_steps else script.full_seconds
        seconds *= math.exp(script.spread * self._rng.gauss(0.0, 1.0))
        seconds *= 10.0 if self._rng.random() < script.slow_share else 1.0
        fails = self._rng.random() < script.failure_share
        fails = fails or not script.poisoned_seeds.isdisjoint((render.request.start.seed, render.request.end.seed))
        ends = frame + max(1, round(seconds * self._sample_rate))
        self._running = (render, _NEVER if self._hang_rng.random() < script.hang_share else ends, fails)

    def _deliver(self, render: Render) -> Delivery:
        request = render.request
        digest = request.digest()
        frames = BeatGrid(self._sample_rate, request.bpm).loop_frames(request.beats)
        self._store.write(render.slot, self._tone(frames, int(digest, 16) % _TONES))
        return Delivery(render.job, render.slot, request, frames, 1, self._stems, -14.0, 0.25, RenderCost())

    def _tone(self, frames: int, number: int) -> Samples:
        tone = self._tones.get((frames, number))
        if tone is None:
            # A whole number of cycles per loop, so there is no seam; 3 to 33 Hz, which any sample rate can represent.
            cycles = 13 + 2 * number
            wave = 0.25 * np.sin(2 * np.pi * cycles * (np.arange(frames) + 0.37) / frames)
            stems = len(self._stems)
            each = (wave / stems).astype(np.float32).reshape(1, frames, 1)
            tone = self._tones[frames, number] = np.repeat(each, stems, axis=0)
        return tone

    def _next_crash(self, frame: int) -> int:
        if math.isinf(self._script.crash_every_seconds):
            return _NEVER
        wait_seconds = self._crash_rng.expovariate(1.0 / self._script.crash_every_seconds)
        return frame + 1 + round(wait_seconds * self._sample_rate)
