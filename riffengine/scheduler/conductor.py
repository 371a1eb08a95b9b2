"""Conductor: hears what is wanted, knows what is there, and says what happens next.

A pure object: no I/O, no thread, no clock, no random source. A shell (the engine in real time, the Rehearsal on virtual
time) calls it with the frame it is now and carries out the actions that come back, in order. After each call everything
is decided anew from the state: what each deck aims at, what is launched, what is placed, what is rendered next. Nothing
is queued, so newer intent supersedes older by itself. It belongs to the engine process and to one thread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from riffengine.errors import LoopStoreError
from riffengine.performance.command import Accepted, Command, Rejected, Reply
from riffengine.performance.parameters import ParameterTree
from riffengine.performance.state import PerformanceState
from riffengine.processes.player_messages import BankLanded, FromPlayer, LoopFreed, SetGrid
from riffengine.processes.render_messages import Alive, Cancelled, Delivery, Failed, Ready, RenderRequest
from riffengine.scheduler.actions import (
    Action,
    Announce,
    Applied,
    ConductorStatus,
    Log,
    Policy,
    RestartRenderer,
    ToPlayerMessage,
)
from riffengine.scheduler.deck_state import DeckState
from riffengine.scheduler.drift import DriftStepper
from riffengine.scheduler.idle import IdleCheck
from riffengine.scheduler.immediate import ImmediateActions, give_up
from riffengine.scheduler.landings import LandingAnswers
from riffengine.scheduler.launcher import Launcher
from riffengine.scheduler.loop_pool import LoopPool
from riffengine.scheduler.mixer_controls import MixerControls
from riffengine.scheduler.morph_bank import FileHashes, NoFileHashes, SessionFacts, bank_key
from riffengine.scheduler.render_jobs import RenderJobs
from riffengine.scheduler.render_queue import RenderQueue
from riffengine.scheduler.state import SchedulerState
from riffengine.scheduler.status import conductor_status, landing_logs, runway_seconds
from riffengine.scheduler.targets import LandingTargets
from riffengine.scheduler.tempo_follow import TempoFollow
from riffengine.transport.beat_grid import BeatGrid, Moment
from riffengine.transport.timeline import Timeline

# For each deck: two loops that sound, two of the bank that is launched, the one rendered, two on their way back.
_SLOTS_PER_DECK = 7

_FOR_ALL = ("chords",)  # what every deck follows, and all on one frame; tempo and key find together by themselves


class Conductor:
    """Turns commands and reports into actions for the renderer, the player and the senders of commands.

    ``frame`` is the earliest output frame on which a message to the player could still act. Every call may move the
    music on, so calls must come in order of ``frame``. ``slots`` is the number of slots of the loop store; the
    Conductor alone decides who may touch them. ``stamps`` tells files of one name apart.
    """

    def __init__(
        self,
        tree: ParameterTree,
        state: PerformanceState,
        grid: BeatGrid,
        decks: Sequence[str],
        slots: int,
        policy: Policy | None = None,
        model: str = "bundled",
        stamps: FileHashes | None = None,
    ) -> None:
        if slots < _SLOTS_PER_DECK * len(decks):
            raise LoopStoreError(
                f"{slots} slots are too few for {len(decks)} decks; use {_SLOTS_PER_DECK * len(decks)} or more"
            )
        policy = policy or Policy()
        facts = SessionFacts(policy.loop_beats, grid.sample_rate, model, stamps or NoFileHashes())
        parts = {name: DeckState(name, bank_key(state.deck(name), state, facts)) for name in decks}
        rate = grid.sample_rate
        self._scheduler = SchedulerState(
            tree=tree,
            state=state,
            facts=facts,
            timeline=Timeline(grid),
            decks=parts,
            loops=LoopPool(slots),
            renders=RenderJobs(policy, rate),
            mixer_controls=MixerControls(round(policy.panic_seconds * rate), round(policy.fade_in_seconds * rate)),
            policy=policy,
        )
        self._launching = Launcher(self._scheduler)
        self._aiming = LandingTargets(self._scheduler, self._launching)
        self._walking = DriftStepper(self._scheduler, self._launching)
        self._dispatch = RenderQueue(self._scheduler, self._launching, self._walking)
        self.pacing = TempoFollow(self._scheduler, self._aiming)
        self._calm = IdleCheck(self._scheduler)
        self._effects = ImmediateActions(self._scheduler, self._aiming, self.pacing)
        self._answers = LandingAnswers(self._scheduler, self._aiming)

    # --- what the shell calls ---------------------------------------------------------------------------------------

    @property
    def state(self) -> PerformanceState:
        """What the performer wants now."""
        return self._scheduler.state

    @property
    def tree(self) -> ParameterTree:
        """What the performer may ask for."""
        return self._scheduler.tree

    @property
    def grid(self) -> BeatGrid:
        """The grid that rules now."""
        return self._scheduler.timeline.grid

    @property
    def scheduler(self) -> SchedulerState:
        """All that is known now, for those who decide beside the Conductor; to be read."""
        return self._scheduler

    def moment(self, frame: int) -> Moment:
        """``frame`` in every unit."""
        return self._scheduler.timeline.moment(frame)

    def holds(self, request: RenderRequest) -> bool:
        """Whether a loop as fine as ``request`` or finer is there already."""
        loop = self._scheduler.loops.best(request.loop_id())
        return loop is not None and loop.steps >= request.steps

    def serials(self) -> dict[str, int]:
        """The number of the newest change of each deck that must be rendered; ``LaunchBank`` carries it too."""
        return {name: part.serial for name, part in self._scheduler.decks.items()}

    def start(self, frame: int) -> list[Action]:
        """The first call: sets the player's grid and every control, silent until the first loop is there."""
        for part in self._scheduler.decks.values():
            part.want = self._scheduler.wanted_key(part)  # loops of the last set may have told of their dreams
        messages = self._scheduler.mixer_controls.initial(self._scheduler.state)
        actions: list[Action] = [ToPlayerMessage(SetGrid(self._scheduler.timeline.grid, frame))]
        return [*actions, *(ToPlayerMessage(message) for message in messages), *self._advance(frame)]

    def submit(self, command: Command, frame: int) -> tuple[Reply, list[Action]]:
        """Apply one command; the reply says where its change lands."""
        replies, actions = self.submit_all((command,), frame)
        return replies[0], actions

    def submit_all(
        self, commands: Sequence[Command], frame: int, as_one: bool = False
    ) -> tuple[list[Reply], list[Action]]:
        """Apply commands that belong together (a scene, a rollover): they land together, alpha too.

        ``as_one``: no hand that may still be moving, and all decks launch on one frame (a scene, undo).
        """
        scheduler = self._scheduler
        self._settle(frame)
        serials = self.serials()
        actions: list[Action] = []
        replies: list[Reply] = []
        moved: list[Command] = []
        for command in commands:
            reply = scheduler.apply(command)
            made = scheduler.made_by(command) if isinstance(reply, Accepted) and reply.value else []
            reply = made if isinstance(made, Rejected) else reply
            replies.append(reply)
            if not isinstance(reply, Accepted) or isinstance(made, Rejected):
                continue
            moved.append(replace(command, value=reply.value))
            actions += [Applied(c, scheduler.apply(c), self.moment(frame)) for c in made]
            moved += made
        for part in scheduler.decks.values():
            want = scheduler.wanted_key(part)
            if want != part.want:
                part.retarget(want, frame - scheduler.settle_frames * as_one, scheduler.settle_frames)
                part.bound = as_one or any(command.path in _FOR_ALL for command in moved)
        changed = {name for name, part in scheduler.decks.items() if part.serial != serials[name]}
        for command in moved:
            actions += self._effects.of(command, changed, frame)
        if changed and not scheduler.anything_sounds:
            actions += self._effects.retune_in_silence(frame)
        actions += self._advance(frame)
        replies = [self._answers.with_landing(r, changed, frame) if isinstance(r, Accepted) else r for r in replies]
        return replies, actions

    def tick(self, frame: int) -> list[Action]:
        """Time has passed. Call it every 20 ms, or exactly at ``next_wakeup``."""
        if not self._calm.lasts(frame):
            return self._advance(frame)
        actions = self._walking.step(frame)
        return [*actions, *self._advance(frame)] if self._walking.eventful else actions

    def next_wakeup(self, frame: int) -> int | None:
        """The first frame after ``frame`` on which ``tick`` may have something to do; ``None`` when only news can."""
        scheduler = self._scheduler
        if self._calm.lasts(frame):
            return min([self._calm.until, *self._walking.next_wakeup()])
        wakeups = [
            *self._aiming.next_wakeup(frame),
            *self._walking.next_wakeup(),
            *self._dispatch.next_wakeup(frame),
            scheduler.renders.next_hang_frame() or 0,
            *(part.launching.frame for part in scheduler.decks.values() if part.launching is not None),
        ]
        return min((wakeup for wakeup in wakeups if wakeup > frame), default=None)

    def renderer_ready(self, frame: int, ready: Ready) -> list[Action]:
        """A renderer has loaded its model and takes jobs."""
        self._scheduler.renders.ready = True
        self._aiming.estimate_anew(frame)  # landings had been put off for the time a start takes
        self._dispatch.reconsider()
        text = f"renderer ready: {ready.model}, loaded in {ready.load_seconds:.1f} s"
        return [Log("renderer ready", text, {"model": ready.model}), *self._advance(frame)]

    def delivered(self, frame: int, delivery: Delivery) -> list[Action]:
        """A rendition is finished and lies in its slot."""
        scheduler = self._scheduler
        job = scheduler.renders.finished(delivery.job, frame, scheduler.fineness)
        if job is None:
            return [Log("stray delivery", f"job {delivery.job} belongs to a renderer that is gone")]
        shape = (delivery.frames, delivery.channels, delivery.stems, scheduler.facts.beats)
        scheduler.loops.put(job.wish.loop_id, job.wish.steps, delivery.slot, shape)
        actions = self._advance(frame)
        if delivery.unknown_words:
            words = ", ".join(delivery.unknown_words)
            actions.append(Log("unknown words", f"deck {job.wish.deck}: the model does not know: {words}"))
        return actions

    def failed(self, frame: int, failure: Failed) -> list[Action]:
        """A rendition could not be made; it is tried again after a musical pause, three times."""
        scheduler = self._scheduler
        outcome = scheduler.renders.failed(failure.job, scheduler.timeline.beat_at(frame), failure.hopeless)
        if outcome is None:
            return [Log("stray failure", f"job {failure.job} belongs to a renderer that is gone")]
        job, given_up = outcome
        scheduler.loops.release(job.slot)
        self._dispatch.reconsider()
        actions: list[Action] = [Log("render failed", f"deck {job.wish.deck}: {failure.reason}")]
        if given_up:
            actions.append(give_up(scheduler.decks[job.wish.deck], job.wish.purpose, failure.reason))
        return [*actions, *self._advance(frame)]

    def cancelled(self, frame: int, cancelled: Cancelled) -> list[Action]:
        """The renderer has dropped a job on request."""
        job = self._scheduler.renders.stopped(cancelled.job)
        if job is not None:
            self._scheduler.loops.release(job.slot)
        return self._advance(frame)

    def renderer_alive(self, frame: int, sign: Alive) -> list[Action]:
        """The renderer says what the job in hand has cost so far: slow is not stuck."""
        self._scheduler.renders.alive(sign, frame)
        return self._end_what_hangs(frame)

    def renderer_lost(self, frame: int) -> list[Action]:
        """The renderer process has ended: nobody writes its slots any more. The music goes on with what there is."""
        scheduler = self._scheduler
        lost = scheduler.renders.lost()
        actions: list[Action] = [Log("renderer lost", f"the renderer ended with {len(lost)} jobs in hand")]
        for job in lost:
            scheduler.loops.release(job.slot)
            if scheduler.renders.refuses(job.wish):
                part = scheduler.decks[job.wish.deck]
                actions.append(give_up(part, job.wish.purpose, "the renderer died over it"))
        self._dispatch.reconsider()
        return [*actions, *self._advance(frame)]

    def reported(self, frame: int, message: FromPlayer) -> list[Action]:
        """The player tells what really happened."""
        scheduler = self._scheduler
        actions: list[Action] = []
        if isinstance(message, LoopFreed):
            scheduler.loops.freed(message.slot)
        elif isinstance(message, BankLanded):
            error = 0 if message.asked_frame is None else message.frame - message.asked_frame
            scheduler.counters.landing_error_frames_max = max(scheduler.counters.landing_error_frames_max, abs(error))
            beat = scheduler.timeline.beat_at(message.frame)
            bank = self._launching.landed(message.deck, message.bank)
            actions += landing_logs(message, bank, beat, error)
        else:
            return actions
        return [*actions, *self._advance(frame)]

    def status(self, frame: int) -> ConductorStatus:
        """Everything a status line shows; changes nothing."""
        return conductor_status(self._scheduler, self._walking, frame)

    def runways(self) -> list[float]:
        """Seconds of finished music ahead on each deck that sounds; infinite where no deck does."""
        parts = [part for part in self._scheduler.decks.values() if part.current is not None]
        return [math.inf, *(runway_seconds(self._scheduler, self._walking, part) for part in parts)]

    # --- deciding ---------------------------------------------------------------------------------------------------

    def _settle(self, frame: int) -> None:
        self._scheduler.timeline.settle(frame)
        self._launching.settle(frame)

    def _advance(self, frame: int) -> list[Action]:
        self._settle(frame)
        actions = self._end_what_hangs(frame)
        actions += self._walking.step(frame)
        actions += self._aiming.step(frame)
        actions += self._launching.arrange(frame)
        actions += self._dispatch.step(frame)
        actions += self._effects.land_stranded_alphas()
        self._launching.mark_heard()
        self._calm.reckon(frame)
        announced = [action for action in actions if isinstance(action, Announce)]
        if len(announced) > 1:  # decks that land together move together: the sender hears it once
            rest = [action for action in actions if not isinstance(action, Announce)]
            actions = [*rest, *dict.fromkeys(announced)]
        return actions

    def _end_what_hangs(self, frame: int) -> list[Action]:
        job = self._scheduler.renders.hanging(frame)
        if job is None:
            return []
        seconds = (frame - job.sent_frame) / self._scheduler.facts.sample_rate
        return [RestartRenderer(f"the renderer has hung over a loop for {seconds:.0f} s; it is started anew")]
