"""Rehearsal: a whole set played on virtual time, with the real Conductor and the real Mixer and a scripted renderer.

Commands, renders and wake-ups happen on their own frame, never at the edge of a block, and every source of chance has
its own seed. So the sound of eight hours is the same to the last bit for every block size, and takes seconds.
"""

from __future__ import annotations

import hashlib
import heapq
import math
import random
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from riffengine.errors import LoopStoreError
from riffengine.performance.command import Command, Reply
from riffengine.performance.parameters import ParameterTree
from riffengine.performance.state import PerformanceState
from riffengine.playback.messages import FreeLoop, LaunchBank, LoopFreed, LoopRef, PlaceLoop, SetControl, ToPlayer
from riffengine.playback.mixer import MIX_AHEAD_FRAMES, Mixer
from riffengine.renderer.request import Cancel, Cancelled, Delivery, Failed, FromRenderer, Ready, Render, RenderCost
from riffengine.scheduler.actions import Action, Announce, Log, Policy, ToPlayerMessage, ToRendererMessage
from riffengine.scheduler.conductor import Conductor
from riffengine.transport.grid import BeatGrid

GAP_SECONDS = 0.005  # a longer run of digital silence after the start is a dropout
_POLL_SECONDS = 0.1  # how often the player is asked for news while any is expected
_LISTEN_FRAMES = 1 << 15  # the output is examined in pieces of this length
_TONES = 61  # different loops the scripted renderer knows; prime, so that neighbours differ

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class RendererScript:
    """How the scripted renderer behaves. Seconds of virtual time; shares 0..1."""

    draft_seconds: float = 0.3  # median for ``draft_steps`` steps and fewer
    full_seconds: float = 0.6
    draft_steps: int = 4
    spread: float = 0.2  # sigma of the log-normal distribution
    slow_share: float = 0.02  # renders that take ten times as long
    failure_share: float = 0.0
    crash_every_seconds: float = math.inf  # mean time between deaths of the process
    restart_seconds: float = 5.0
    first_ready_seconds: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Line:
    """One line of the script: at ``seconds`` of virtual time somebody sends ``commands`` together."""

    commands: tuple[Command, ...]
    seconds: float = 0.0


@dataclass
class Report:
    """What was heard and what it cost."""

    frames: int = 0
    gaps: int = 0
    longest_gap_seconds: float = 0.0
    peak: float = 0.0
    digest: str = ""
    famines: int = 0
    landing_error_frames_max: int = 0
    late_messages: int = 0
    refused_messages: int = 0
    landings: list[tuple[str, int]] = field(default_factory=list)
    landings_moved: int = 0
    runway_min_seconds: float = math.inf
    renders_started: int = 0
    renders_delivered: int = 0
    renders_heard: int = 0
    renders_cancelled: int = 0
    renders_failed: int = 0
    renders_lost: int = 0
    repeated_renders: int = 0  # renders of a loop that was there already, as fine or finer
    crashes: int = 0
    replies: list[Reply] = field(default_factory=list)
    announced: list[Announce] = field(default_factory=list)
    logs: dict[str, int] = field(default_factory=dict)

    @property
    def heard_share(self) -> float:
        """Share of the renders that were begun whose loop was heard."""
        return self.renders_heard / self.renders_started if self.renders_started else 1.0


class WatchedStore:
    """Loops by slot, like the shared memory, but a slot that is written while anybody may read it is an error."""

    def __init__(self, slots: int) -> None:
        self._samples: list[Samples | None] = [None] * slots
        self._promised: list[set[int]] = [set() for _ in range(slots)]  # loops the player was told of
        self._views: list[list[weakref.ref[Samples]]] = [[] for _ in range(slots)]

    def write(self, slot: int, samples: Samples) -> None:
        """``(stems, frames, channels) float32``; raises ``LoopStoreError`` if the player may still read the slot."""
        held = [view for view in self._views[slot] if view() is not None]
        if self._promised[slot] or held:
            raise LoopStoreError(f"slot {slot} was written while the player reads {self._promised[slot] or held}")
        self._samples[slot] = samples

    def view(self, ref: LoopRef) -> Samples:
        """What the mixer reads."""
        samples = self._samples[ref.slot]
        if samples is None:
            raise LoopStoreError(f"slot {ref.slot} was read before it was written")
        view = samples[:, : ref.frames, :]
        self._views[ref.slot].append(weakref.ref(view))
        return view

    def watch(self, message: ToPlayer) -> None:
        """See what the player is told."""
        if isinstance(message, PlaceLoop):
            self._promised[message.loop.slot].add(message.loop.loop)

    def freed(self, message: LoopFreed) -> None:
        """See what the player answers."""
        self._promised[message.slot].discard(message.loop)
        self._views[message.slot] = [view for view in self._views[message.slot] if view() is not None]


class ScriptedRenderer:
    """A renderer process as seen from the engine: takes one job after the other, is slow, fails and dies on cue."""

    def __init__(self, script: RendererScript, sample_rate: int, store: WatchedStore) -> None:
        self._script = script
        self._sample_rate = sample_rate
        self._store = store
        self._chance = random.Random(f"renderer {script.seed}")
        self._crash_chance = random.Random(f"crash {script.seed}")
        self._queue: list[Render] = []
        self._running: tuple[Render, int, bool] | None = None  # job, frame on which it ends, whether it fails
        self._ready_frame: int | None = round(script.first_ready_seconds * sample_rate)
        self._crash_frame = self._next_crash(0)
        self._tones: dict[tuple[int, int], Samples] = {}
        self.crashes = 0

    def next_frame(self) -> int:
        """The next frame on which something happens here."""
        if self._ready_frame is not None:
            return self._ready_frame
        return min(self._crash_frame, self._running[1]) if self._running else self._crash_frame

    def tell(self, message: Render | Cancel, frame: int) -> list[FromRenderer]:
        """Take a message; a job that has not begun is dropped at once."""
        if isinstance(message, Render):
            self._queue.append(message)
            self._begin(frame)
            return []
        if self._running is not None and self._running[0].job == message.job:
            self._running = None
            self._begin(frame)
            return [Cancelled(message.job)]
        before = len(self._queue)
        self._queue = [render for render in self._queue if render.job != message.job]
        return [Cancelled(message.job)] if len(self._queue) < before else []

    def happen(self, frame: int) -> FromRenderer | None:
        """What happens on ``next_frame``: ready, delivered, failed, or (``None``) the process dies."""
        if self._ready_frame is not None:
            self._ready_frame = None
            return Ready("scripted", ("mix",), 1, (), self._script.restart_seconds, "")
        if self._running is not None and frame >= self._running[1]:
            render, _, fails = self._running
            self._running = None
            self._begin(frame)
            return Failed(render.job, "scripted failure") if fails else self._deliver(render)
        self.crashes += 1
        self._queue.clear()
        self._running = None
        self._ready_frame = frame + round(self._script.restart_seconds * self._sample_rate)
        self._crash_frame = self._next_crash(self._ready_frame)
        return None

    def _begin(self, frame: int) -> None:
        if self._running is not None or not self._queue:
            return
        render, script = self._queue.pop(0), self._script
        seconds = script.draft_seconds if render.request.steps <= script.draft_steps else script.full_seconds
        seconds *= math.exp(script.spread * self._chance.gauss(0.0, 1.0))
        seconds *= 10.0 if self._chance.random() < script.slow_share else 1.0
        fails = self._chance.random() < script.failure_share
        self._running = (render, frame + max(1, round(seconds * self._sample_rate)), fails)

    def _deliver(self, render: Render) -> Delivery:
        request = render.request
        digest = request.digest()
        frames = BeatGrid(self._sample_rate, request.bpm).loop_frames(request.beats)
        self._store.write(render.slot, self._tone(frames, int(digest, 16) % _TONES))
        return Delivery(render.job, render.slot, request, frames, 1, ("mix",), -14.0, 0.25, RenderCost())

    def _tone(self, frames: int, number: int) -> Samples:
        known = self._tones.get((frames, number))
        if known is None:
            # A whole number of cycles per loop, so it has no seam, between 3 and 33 Hz: any sample rate carries it.
            cycles = 13 + 2 * number
            wave = 0.25 * np.sin(2 * np.pi * cycles * (np.arange(frames) + 0.37) / frames)
            known = self._tones[frames, number] = wave.astype(np.float32).reshape(1, frames, 1)
        return known

    def _next_crash(self, frame: int) -> int:
        if math.isinf(self._script.crash_every_seconds):
            return 1 << 62
        wait_seconds = self._crash_chance.expovariate(1.0 / self._script.crash_every_seconds)
        return frame + 1 + round(wait_seconds * self._sample_rate)


class _Ear:
    """Listens to the output: digest, peak, and runs of digital silence where sound was wanted."""

    def __init__(self, sample_rate: int, report: Report) -> None:
        self._sample_rate = sample_rate
        self._report = report
        self._hash = hashlib.blake2b(digest_size=16)
        self._waiting: list[Samples] = []
        self._waiting_frames = 0
        self._silent_frames = 0
        self._wanted = False

    def hear(self, block: Samples) -> None:
        """The next frames of output."""
        self._waiting.append(block)
        self._waiting_frames += len(block)
        if self._waiting_frames >= _LISTEN_FRAMES:
            self.listen()

    def want(self, wanted: bool) -> None:
        """From here on sound is (not) wanted."""
        if wanted != self._wanted:
            self.listen()
            self._wanted = wanted
            self._silent_frames = 0

    def listen(self) -> None:
        """Examine what has been heard so far."""
        if not self._waiting:
            return
        heard = np.concatenate(self._waiting)
        self._waiting, self._waiting_frames = [], 0
        self._hash.update(heard.tobytes())
        level = np.abs(heard).max(axis=1)
        self._report.frames += len(heard)
        self._report.peak = max(self._report.peak, float(level.max()))
        if self._wanted:
            self._count_gaps(level)

    def _count_gaps(self, level: Samples) -> None:
        sounding = np.flatnonzero(level)
        if len(sounding) == 0:
            self._silent_frames += len(level)
            return
        self._close_gap(self._silent_frames + int(sounding[0]))
        limit = GAP_SECONDS * self._sample_rate
        runs = np.diff(sounding) - 1
        for run in runs[runs > limit]:
            self._close_gap(int(run))
        self._silent_frames = len(level) - 1 - int(sounding[-1])

    def _close_gap(self, frames: int) -> None:
        if frames > GAP_SECONDS * self._sample_rate:
            self._report.gaps += 1
            seconds = frames / self._sample_rate
            self._report.longest_gap_seconds = max(self._report.longest_gap_seconds, seconds)

    def finish(self, landings: Sequence[tuple[str, int]]) -> str:
        """The digest of all samples and landings."""
        self.listen()
        if self._wanted:
            self._close_gap(self._silent_frames)
        self._hash.update(repr(list(landings)).encode())
        return self._hash.hexdigest()


class Rehearsal:
    """Plays ``script`` from ``state`` on virtual time.

    ``sample_rate`` may be far below that of real sound (1000 Hz and less): no decision depends on it. One instance
    plays once.
    """

    def __init__(
        self,
        tree: ParameterTree,
        state: PerformanceState,
        decks: Sequence[str],
        script: Sequence[Line] = (),
        renderer: RendererScript | None = None,
        sample_rate: int = 1000,
        block_frames: int = 256,
        slots: int = 48,
        policy: Policy | None = None,
    ) -> None:
        self.sample_rate = sample_rate
        self.report = Report()
        self._block_frames = block_frames
        grid = BeatGrid(sample_rate, state.number("transport/tempo"))
        self._store = WatchedStore(slots)
        self._renderer = ScriptedRenderer(renderer or RendererScript(), sample_rate, self._store)
        self._mixer = Mixer(sample_rate, grid, self._store.view, tuple(decks), 1)
        self.conductor = Conductor(tree, state, grid, decks, slots, policy)
        self._ear = _Ear(sample_rate, self.report)
        self._events: list[tuple[int, int, Line | FromRenderer | bool | None]] = []
        self._order = 0
        self._expected_answers = 0
        self._poll_frame = -1
        for line in script:
            self._at(round(line.seconds * sample_rate), line)

    def run(self, seconds: float) -> Report:
        """Play ``seconds`` of virtual time and report."""
        end = round(seconds * self.sample_rate)
        sample_frames = 2 * self.sample_rate
        next_sample = sample_frames
        self._do(self.conductor.start(0), 0)
        self._ear.hear(self._mixer.pull(1))  # the limiter's look-ahead is mixed by the first pull
        now = self._mixer.horizon
        while now < end:
            wakeup = self.conductor.next_wakeup(now)
            due = [self._renderer.next_frame(), next_sample, end]
            due += [wakeup] if wakeup is not None else []
            due += [self._events[0][0]] if self._events else []
            now = max(now, min(due))
            self._pull_until(now)
            self._hear_player(now)
            self._happen(now)
            if wakeup is not None and wakeup <= now:
                self._do(self.conductor.tick(now), now)
            if now >= next_sample:
                next_sample += sample_frames
                self._look(now)
        return self._finish(now)

    # --- one frame --------------------------------------------------------------------------------------------------

    def _pull_until(self, frame: int) -> None:
        while (missing := frame - self._mixer.horizon) > 0:
            self._ear.hear(self._mixer.pull(min(missing, self._block_frames)))

    def _hear_player(self, now: int) -> None:
        for message in self._mixer.reports():
            self._expected_answers -= 1
            if isinstance(message, LoopFreed):
                self._store.freed(message)
            else:
                self.report.landings.append((getattr(message, "deck", ""), getattr(message, "frame", 0)))
            self._do(self.conductor.reported(now, message), now)

    def _happen(self, now: int) -> None:
        while self._events and self._events[0][0] <= now:
            _, _, event = heapq.heappop(self._events)
            if isinstance(event, Line):
                replies, actions = self.conductor.submit_all(event.commands, now)
                self.report.replies += replies
                self._do(actions, now)
            elif isinstance(event, Cancelled):
                self._do(self.conductor.cancelled(now, event), now)
            elif isinstance(event, bool):
                self._ear.want(event)
            else:
                self._poll_frame = -1
                self._expect(0, now)
        while self._renderer.next_frame() <= now:
            self._do(self._hear_renderer(self._renderer.happen(now), now), now)

    def _hear_renderer(self, message: FromRenderer | None, now: int) -> list[Action]:
        if message is None:
            return self.conductor.renderer_lost(now)
        if isinstance(message, Ready):
            return self.conductor.renderer_ready(now, message)
        if isinstance(message, Failed):
            return self.conductor.failed(now, message)
        assert isinstance(message, Delivery)
        self.report.repeated_renders += self.conductor.holds(message.request)
        return self.conductor.delivered(now, message)

    def _do(self, actions: Sequence[Action], now: int) -> None:
        for action in actions:
            if isinstance(action, ToPlayerMessage):
                self._tell_player(action.message, now)
            elif isinstance(action, ToRendererMessage):
                for answer in self._renderer.tell(action.message, now):
                    self._at(now + round(0.03 * self.sample_rate), answer)  # one denoising step
            elif isinstance(action, Announce):
                self.report.announced.append(action)
            elif isinstance(action, Log):
                self.report.logs[action.kind] = self.report.logs.get(action.kind, 0) + 1

    def _tell_player(self, message: ToPlayer, now: int) -> None:
        self._store.watch(message)
        self._mixer.schedule(message)
        if isinstance(message, LaunchBank | FreeLoop):
            self._expect(1, now)
        if isinstance(message, SetControl) and message.name == "fade":
            if message.value > 0.0:
                begins = now if message.at_frame is None else message.at_frame
                self._at(begins + message.ramp_frames + MIX_AHEAD_FRAMES, True)
            else:
                self._ear.want(False)

    def _expect(self, answers: int, now: int) -> None:
        self._expected_answers += answers
        if self._expected_answers > 0 and self._poll_frame < 0:
            self._poll_frame = now + max(1, round(_POLL_SECONDS * self.sample_rate))
            self._at(self._poll_frame, None)

    def _at(self, frame: int, event: Line | FromRenderer | bool | None) -> None:
        heapq.heappush(self._events, (frame, self._order, event))
        self._order += 1

    # --- the report -------------------------------------------------------------------------------------------------

    def _look(self, now: int) -> None:
        for deck in self.conductor.status(now).decks:
            if deck.sounding:
                self.report.runway_min_seconds = min(self.report.runway_min_seconds, deck.runway_seconds)

    def _finish(self, now: int) -> Report:
        report, status, counters = self.report, self.conductor.status(now), self._mixer.counters
        report.digest = self._ear.finish(report.landings)
        report.famines = status.famines
        report.landing_error_frames_max = status.landing_error_frames_max
        report.landings_moved = status.landings_moved
        report.late_messages = counters.late_messages
        report.refused_messages = counters.refused_messages
        report.renders_started = status.jobs_started
        report.renders_delivered = status.jobs_delivered
        report.renders_heard = status.jobs_heard
        report.renders_cancelled = status.jobs_cancelled
        report.renders_failed = status.jobs_failed
        report.renders_lost = status.jobs_lost
        report.crashes = self._renderer.crashes
        return report
