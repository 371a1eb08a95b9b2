"""TempoSync: follows the tempo and beat of a leader (MIDI clock, Link, or our own tempo) with the Conductor's grid.

It connects the pure parts (sources, frame clock, follower) with the Conductor; the engine calls it at every tick and
carries out the actions that it returns. One thread, the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from riffengine.clock import Clock
from riffengine.engine.sync.daw_leader import DawLeader
from riffengine.errors import ControlError
from riffengine.performance.command import Accepted, Command, Landing, Rejected, Reply
from riffengine.performance.parameter_tree import Checked
from riffengine.performance.routing import Handler, handler_of
from riffengine.processes.player_messages import HostTimeline, PlayerReady, Status
from riffengine.scheduler.actions import Action, Applied, Log
from riffengine.scheduler.conductor import Conductor
from riffengine.transport.sync.follower import ChangeGrid, Follower
from riffengine.transport.sync.frame_clock import FrameClock
from riffengine.transport.sync.internal import InternalSource, TapTempo
from riffengine.transport.sync.source import BeatPosition, SyncSource

GRID_LEAD_SECONDS = 0.05
"""A new grid is decided this long before it applies: one tick of 20 ms, the pipe, and a block."""

SOURCE = "sync"
"""Of the commands that are made here because an external clock says so."""


class Leader(SyncSource, Protocol):
    """A source outside this program, behind an adapter."""

    name: str

    @property
    def problem(self) -> str:
        """Why it cannot be followed any more, or could not be opened after all; "" otherwise."""

    def align(self, beat: float, host_ns: int) -> None:
        """Our beat is ``beat`` at ``host_ns``; a leader that is free to choose adopts it, so that nothing jumps."""

    def propose(self, bpm: float) -> bool:
        """Ask for another tempo; false when this leader does not accept one."""

    def close(self) -> None:
        """Leave the session or close the port, without waiting for either."""


class TempoSync:
    """Follows the leader that ``transport/sync`` names.

    ``leaders`` opens each by name, without waiting; it is given the present tempo, and raises ``ControlError`` when
    there is no such leader here.
    ``start_stop``: fade out when the leader stops, in when it starts.
    """

    def __init__(
        self,
        conductor: Conductor,
        sample_rate: int,
        loop_beats: int,
        clock: Clock,
        leaders: Mapping[str, Callable[[float], Leader]],
        start_stop: bool = False,
    ) -> None:
        self.frames = FrameClock(sample_rate)
        self.follower = Follower(sample_rate, loop_beats)
        self._conductor, self._rate, self._clock = conductor, sample_rate, clock
        self._leaders, self._start_stop = leaders, start_stop
        self._internal = InternalSource()
        self._taps = TapTempo()
        self._mode = "internal"
        self._leader: Leader | None = None
        self._following = False  # whether the grid follows a source now
        self._stopped = False
        self._nudged_seconds = 0.0
        self._host: HostTimeline | None = None

    @property
    def paused(self) -> bool:
        """Whether the leader has stopped, and the sound with it."""
        return self._stopped or (
            isinstance(self._leader, DawLeader) and self._host is not None and not self._host.rolling
        )

    @property
    def offline(self) -> bool:
        """Whether a DAW renders as fast as it can, and waits for what is decided here."""
        return isinstance(self._leader, DawLeader) and self._host is not None and self._host.offline

    # --- from the player -----------------------------------------------------------------------------------------

    def player_ready(self, ready: PlayerReady) -> None:
        """A block is heard for its length, and begins ``latency_seconds`` after the device received it."""
        self.frames.delay_seconds = ready.latency_seconds + ready.block_frames / ready.sample_rate

    def player_status(self, status: Status) -> None:
        """The player's report of frame and host time."""
        self.frames.mark(status.frame, status.host_ns)

    def player_host(self, timeline: HostTimeline | None) -> None:
        """The player's report of where its DAW is; ``None`` when there is none any more."""
        self._host = timeline

    # --- from the performer --------------------------------------------------------------------------------------

    def answer(self, command: Command, frame: int) -> tuple[Reply, list[Action]] | None:
        """The reply to a checked ``transport/tempo`` that ramps or that a leader decides; ``None`` for every other."""
        if command.source == SOURCE:
            return None
        if self._leader is not None and self._following and not self._accepted_by_leader(command):
            reason = (
                f"transport/tempo: the {self._leader.name} sets the tempo; "
                "set transport/sync to internal to choose one yourself"
            )
            return Rejected(command, reason), []
        beats = self._conductor.state.number("transport/ramp")
        if self._leader is not None or not self.frames.known or (beats <= 0.0 and not self._internal.active):
            return None
        self._start_internal(frame)
        bpm = float(command.value)
        self._internal.ramp(self._heard_ns(frame), bpm, beats)
        moment = self._conductor.moment(frame)
        seconds = beats * 120.0 / (moment.bpm + bpm)
        _, accepted = self._conductor.tree.apply_checked(self._conductor.state, Checked.valid(command))
        return replace(accepted, landing=Landing(command.path, moment.beat + beats, seconds)), []

    def applied(self, reply: Reply, frame: int) -> list[Action]:
        """A command was accepted: a tap, a nudge."""
        if not isinstance(reply, Accepted):
            return []
        command = reply.command
        handler = handler_of(command.path)
        if handler is Handler.TAP and reply.value:
            bpm = self._taps.tap(command.stamp_ns or self._clock.now_ns())
            return [] if bpm is None else self._set_tempo(round(bpm, 1), command.source, frame)
        if handler is Handler.NUDGE:
            seconds = float(reply.value) / 1000.0
            if self._leader is not None:
                self._nudged_seconds += seconds
            elif self.frames.known:
                self._start_internal(frame)
                self._internal.nudge(seconds)
        return []

    # --- at every tick -------------------------------------------------------------------------------------------

    def tick(self, frame: int) -> list[Action]:
        """Compare our beat with the source's and correct it; ``frame`` is the first that can still be changed."""
        actions = self._change_leader(frame)
        if isinstance(self._leader, DawLeader):
            return actions + self._follow_daw(self._leader, frame)
        if not self.frames.known or not self._conductor.tempo.free_at(frame):
            return actions
        at_frame = frame + round(GRID_LEAD_SECONDS * self._rate)
        source: SyncSource = self._leader or self._internal
        position = source.position(self._heard_ns(at_frame))
        if position is None:
            return actions + self._stop_following(at_frame)
        actions += self._start_or_stop(position)
        if not self._following:
            self._following = True
            self.follower.reset()
            if self._leader is not None:
                actions.append(Log("sync", f"following the {self._leader.name}: {position.bpm:.2f} bpm"))
        grid = self._conductor.tempo.grid_at(frame)
        tempo = self._conductor.state.number("transport/tempo")
        for action in self.follower.decide(at_frame, grid, position, tempo):
            if isinstance(action, ChangeGrid):
                actions += self._conductor.tempo.follow(action.grid, action.jumps, frame)
            else:
                actions += self._set_tempo(action.bpm, SOURCE, frame)
        if self._leader is None and self._internal.arrived(self._heard_ns(frame), self.follower.error_seconds):
            self._internal.end()
            actions += self._set_tempo(self._internal.goal_bpm, SOURCE, frame)
        return actions

    def close(self) -> None:
        """Close the leader."""
        if self._leader is not None:
            self._leader.close()
            self._leader = None

    def _heard_ns(self, frame: int) -> int:
        ahead = self._nudged_seconds + self._conductor.state.number("transport/offset") / 1000.0
        return self.frames.heard_ns(frame) + (round(ahead * 1e9) if self._leader is not None else 0)

    def _start_internal(self, frame: int) -> None:
        """Start the internal source at the present beat and tempo."""
        if not self._internal.active:
            grid = self._conductor.tempo.grid_at(frame)
            frame = max(frame, grid.anchor_frame)
            self._internal.begin(self._heard_ns(frame), grid.beat_at(frame), grid.bpm)

    def _accepted_by_leader(self, command: Command) -> bool:
        return self._leader is not None and self._leader.propose(float(command.value))

    def _set_tempo(self, bpm: float, source: str, frame: int) -> list[Action]:
        if self._conductor.state.number("transport/tempo") == bpm:
            return []
        checked = self._conductor.tree.checked(Command("transport/tempo", bpm, source))
        if isinstance(checked, Rejected):
            return [Applied(checked.command, checked, self._conductor.moment(frame))]
        command = checked.command
        answered = self.answer(command, frame)
        reply, actions = answered if answered is not None else self._conductor.submit(command, frame)
        return [Applied(command, reply, self._conductor.moment(frame)), *actions]

    def _change_leader(self, frame: int) -> list[Action]:
        actions = []
        if self._leader is not None and (problem := self._leader.problem):
            actions = self._say_no_sync(problem, frame)
        mode = self._conductor.state.text("transport/sync")
        if mode == self._mode:
            return actions
        self.close()
        self._internal.end()
        self._mode = mode
        self._nudged_seconds = 0.0
        actions += self._stop_following(frame + round(GRID_LEAD_SECONDS * self._rate))
        if self._stopped:
            self._stopped = False
            actions += self._conductor.tempo.silence(silent=False)
        if mode != "internal":
            try:
                self._leader = self._leaders[mode](self._conductor.moment(frame).bpm)
                if self.frames.known:
                    self._leader.align(self._conductor.tempo.grid_at(frame).beat_at(frame), self._heard_ns(frame))
            except ControlError as error:
                self._mode = "internal"
                actions += self._say_no_sync(str(error), frame)
        return actions

    def _say_no_sync(self, reason: str, frame: int) -> list[Action]:
        """Say that the leader cannot be followed, and set ``transport/sync`` to internal."""
        command = Command("transport/sync", "internal", SOURCE)
        reply, actions = self._conductor.submit(command, frame)
        return [Log("sync", f"no sync: {reason}"), Applied(command, reply, self._conductor.moment(frame)), *actions]

    def _follow_daw(self, leader: DawLeader, frame: int) -> list[Action]:
        """The player has placed the music; know where, and have loops rendered at the host's tempo."""
        timeline = leader.timeline = self._host
        if timeline is None:
            gone = leader.told is not None
            leader.told = None
            actions = self._conductor.tempo.take_over(frame) if gone else []
            return actions + self._stop_following(frame + round(GRID_LEAD_SECONDS * self._rate))
        actions = []
        if not self._following:
            self._following = True
            self.follower.reset()
            actions.append(Log("sync", f"following the DAW: {timeline.host_bpm:.2f} bpm"))
        before, leader.told = leader.told, timeline
        if before is not timeline:
            moved = before is None or (before.jumps, before.rolling) != (timeline.jumps, timeline.rolling)
            self._conductor.tempo.placed(timeline.grid, moved, not timeline.rolling, frame)
        if timeline.known:
            tempo = self._conductor.state.number("transport/tempo")
            for change in self.follower.retune(frame, timeline.grid.bpm, tempo):
                actions += self._set_tempo(change.bpm, SOURCE, frame)
        return actions

    def _stop_following(self, at_frame: int) -> list[Action]:
        if not self._following:
            return []
        self._following = False
        actions = self._conductor.tempo.release(at_frame)
        if self._leader is not None:
            actions.append(Log("sync", f"the {self._leader.name} has stopped; the beat continues by itself"))
        return actions

    def _start_or_stop(self, position: BeatPosition) -> list[Action]:
        if not self._start_stop or self._leader is None or position.playing == (not self._stopped):
            return []
        self._stopped = not position.playing
        return self._conductor.tempo.silence(silent=self._stopped)
