"""Rehearsal: drives Conductor, Mixer and a scripted renderer on virtual time."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from riffengine.performance.command import Command
from riffengine.performance.parameter_tree import ParameterTree
from riffengine.performance.state import PerformanceState
from riffengine.playback.mixer import MIX_AHEAD_FRAMES, Mixer
from riffengine.processes.parameter_path import decks_of, stems_of
from riffengine.processes.player_messages import FADE, FreeLoop, LaunchBank, LoopFreed, SetControl, ToPlayer
from riffengine.processes.render_messages import Cancelled, Delivery, Failed, FromRenderer, Ready
from riffengine.rehearsal.report import OutputAnalyser, Report
from riffengine.rehearsal.scripted_renderer import RendererScript, ScriptedRenderer, WatchedStore
from riffengine.scheduler.actions import (
    Action,
    Announce,
    ChangeLanded,
    DeckLanded,
    Log,
    Policy,
    RenderGivenUp,
    RestartRenderer,
    ToPlayerMessage,
    ToRendererMessage,
)
from riffengine.scheduler.conductor import Conductor
from riffengine.transport.beat_grid import BeatGrid

_POLL_SECONDS = 0.1  # interval at which the player's reports are read while any is expected


@dataclass(frozen=True)
class ScriptLine:
    """One line of the script: ``commands`` are sent together at ``seconds`` of virtual time."""

    commands: tuple[Command, ...]
    seconds: float = 0.0


class Rehearsal:
    """Plays ``script`` from ``state`` on virtual time, on all decks of ``tree``.

    ``sample_rate`` may be far below that of real sound (1000 Hz and less), because no decision depends on it. One
    instance plays once.
    """

    def __init__(
        self,
        tree: ParameterTree,
        state: PerformanceState,
        script: Sequence[ScriptLine] = (),
        renderer: RendererScript | None = None,
        sample_rate: int = 1000,
        block_frames: int = 256,
        slots: int = 48,
        policy: Policy | None = None,
    ) -> None:
        self.sample_rate = sample_rate
        self.report = Report()
        self._block_frames = block_frames
        decks = decks_of(tree.parameters)
        grid = BeatGrid(sample_rate, state.number("transport/tempo"))
        self._store = WatchedStore(slots)
        self._renderer = ScriptedRenderer(
            renderer or RendererScript(), sample_rate, self._store, stems_of(state.values, decks[0])
        )
        self._mixer = Mixer(sample_rate, grid, self._store.view, decks, 1, compare_ahead=False)
        self.conductor = Conductor(tree, state, grid, decks, slots, policy)
        self._analyser = OutputAnalyser(sample_rate, self.report)
        self._events: list[tuple[int, int, ScriptLine | FromRenderer | bool | None]] = []
        self._order = 0
        self._expected_reports = 0
        self._poll_frame = -1
        for line in script:
            self._add_event(round(line.seconds * sample_rate), line)

    def run(self, seconds: float) -> Report:
        """Play ``seconds`` of virtual time and return the report."""
        end = round(seconds * self.sample_rate)
        sample_frames = 2 * self.sample_rate
        next_sample = sample_frames
        self._carry_out(self.conductor.start(0), 0)
        self._analyser.add(self._mixer.pull(1))  # the limiter's look-ahead is mixed by the first pull
        now = self._mixer.horizon
        while now < end:
            wakeup = self.conductor.next_wakeup(now)
            due = [self._renderer.next_frame(), next_sample, end]
            due += [wakeup] if wakeup is not None else []
            due += [self._events[0][0]] if self._events else []
            now = max(now, min(due))
            if self._expected_reports > 0:
                self._pull_until(now)
                self._read_player_reports(now)
            self._handle_due_events(now)
            if wakeup is not None and wakeup <= now:
                self._carry_out(self.conductor.tick(now), now)
            if now >= next_sample:
                next_sample += sample_frames
                self._sample_runway()
        return self._finished_report(now)

    # --- one frame --------------------------------------------------------------------------------------------------

    def _pull_until(self, frame: int) -> None:
        # The mixer is pulled only when something needs its output: its messages carry their own frames.
        while (missing := frame - self._mixer.horizon) > 0:
            self._analyser.add(self._mixer.pull(min(missing, self._block_frames)))

    def _read_player_reports(self, now: int) -> None:
        for message in self._mixer.reports():
            self._expected_reports -= 1
            if isinstance(message, LoopFreed):
                self._store.freed(message)
            else:
                self.report.landings.append((getattr(message, "deck", ""), getattr(message, "frame", 0)))
            self._carry_out(self.conductor.reported(now, message), now)

    def _handle_due_events(self, now: int) -> None:
        while self._events and self._events[0][0] <= now:
            _, _, event = heapq.heappop(self._events)
            if isinstance(event, ScriptLine):
                replies, actions = self.conductor.submit_all(event.commands, now)
                self.report.replies += replies
                self._carry_out(actions, now)
            elif isinstance(event, Cancelled):
                self._carry_out(self.conductor.cancelled(now, event), now)
            elif isinstance(event, bool):
                self._pull_until(now)
                self._analyser.expect_sound(event)
            else:
                self._poll_frame = -1
                self._expect_reports(0, now)
        while self._renderer.next_frame() <= now:
            self._carry_out(self._handle_renderer_message(self._renderer.advance(now), now), now)

    def _handle_renderer_message(self, message: FromRenderer | None, now: int) -> list[Action]:
        if message is None:
            return self.conductor.renderer_lost(now)
        if isinstance(message, Ready):
            return self.conductor.renderer_ready(now, message)
        if isinstance(message, Failed):
            return self.conductor.failed(now, message)
        assert isinstance(message, Delivery)
        self.report.repeated_renders += self.conductor.holds(message.request)
        return self.conductor.delivered(now, message)

    def _carry_out(self, actions: Sequence[Action], now: int) -> None:
        for action in actions:
            if isinstance(action, ToPlayerMessage):
                self._send_to_player(action.message, now)
            elif isinstance(action, ToRendererMessage):
                for reply in self._renderer.send(action.message, now):
                    self._add_event(now + round(0.03 * self.sample_rate), reply)  # one denoising step
            elif isinstance(action, RestartRenderer):
                self.report.restarts += 1
                self._renderer.kill(now)
            elif isinstance(action, Announce):
                self.report.announced.append(action)
            elif isinstance(action, Log | DeckLanded | ChangeLanded | RenderGivenUp):
                kind = action.kind if isinstance(action, Log) else type(action).__name__
                if isinstance(action, Log) and action.kind == "walk":
                    self.report.walk.append(action.text)
                self.report.logs[kind] = self.report.logs.get(kind, 0) + 1

    def _send_to_player(self, message: ToPlayer, now: int) -> None:
        if getattr(message, "at_frame", None) is None:  # it takes effect now, so the mixer must be at this frame
            self._pull_until(now)
        self._store.sent(message)
        self._mixer.schedule(message)
        if isinstance(message, LaunchBank | FreeLoop):
            self._expect_reports(1, now)
        if isinstance(message, SetControl) and message.target == FADE:
            if message.value > 0.0:
                begins = now if message.at_frame is None else message.at_frame
                self._add_event(begins + message.ramp_frames + MIX_AHEAD_FRAMES, True)
            else:
                self._pull_until(now)
                self._analyser.expect_sound(False)

    def _expect_reports(self, count: int, now: int) -> None:
        self._expected_reports += count
        if self._expected_reports > 0 and self._poll_frame < 0:
            self._poll_frame = now + max(1, round(_POLL_SECONDS * self.sample_rate))
            self._add_event(self._poll_frame, None)

    def _add_event(self, frame: int, event: ScriptLine | FromRenderer | bool | None) -> None:
        heapq.heappush(self._events, (frame, self._order, event))
        self._order += 1

    # --- the report -------------------------------------------------------------------------------------------------

    def _sample_runway(self) -> None:
        self.report.runway_min_s = min(self.report.runway_min_s, *self.conductor.runways())

    def _finished_report(self, now: int) -> Report:
        self._pull_until(now)
        report, status, counters = self.report, self.conductor.status(now), self._mixer.counters
        report.digest = self._analyser.digest(report.landings)
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
