"""Conductor: receives what is wanted, knows what is finished, and decides what happens next.

A pure object: no I/O, no thread, no clock, no random source. The engine (in real time) or the Rehearsal (on virtual
time) calls it with the present frame and carries out the actions that come back, in order. After each call all is
decided again from the state: what each deck works towards, what is launched, what is placed, what is rendered next.
Nothing is queued, so newer intent supersedes older by itself. It belongs to the engine process and to one thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from riffengine.errors import LoopStoreError
from riffengine.performance.command import Accepted, Command, Rejected, Reply
from riffengine.performance.parameter_tree import Checked, ParameterTree
from riffengine.performance.progress import PerformanceProgress
from riffengine.performance.routing import Handler, handler_of
from riffengine.performance.scenes import SceneBook
from riffengine.performance.state import PerformanceState
from riffengine.processes.parameter_path import stems_of
from riffengine.processes.player_messages import BankLanded, FromPlayer, LoopFreed, LoopRef, SetGrid, ToPlayer
from riffengine.processes.render_messages import Alive, Cancelled, Delivery, Failed, Ready, SeatsChanged
from riffengine.processes.render_request import DEFAULT_MODEL, RenderRequest
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
from riffengine.scheduler.immediate import ImmediateActions
from riffengine.scheduler.landings import Landings
from riffengine.scheduler.launcher import Launcher
from riffengine.scheduler.loop_pool import LoopPool
from riffengine.scheduler.master_fade import MasterFade
from riffengine.scheduler.morph_bank import FileHashes, NoFileHashes, SessionFacts, bank_key
from riffengine.scheduler.render_jobs import RenderJobs
from riffengine.scheduler.render_plan import Purpose
from riffengine.scheduler.render_queue import RenderQueue
from riffengine.scheduler.state import SchedulerState
from riffengine.scheduler.status import (
    conductor_status,
    landed_actions,
    performance_progress,
    render_given_up,
    runways,
)
from riffengine.scheduler.tempo_follow import TempoFollow
from riffengine.transport.beat_grid import BeatGrid, Moment
from riffengine.transport.timeline import Timeline

SLOTS_PER_DECK = 7
"""The least a deck plays with: two loops that sound, two of the next bank, one rendered, two being freed."""


class Conductor:
    """Turns commands and reports into actions for the renderer, the player and the senders of commands.

    ``frame`` is the earliest output frame on which a message to the player could still act. Every call may move the
    music on, so calls must come in order of ``frame``. ``slots`` is the number of slots of the loop store; the
    Conductor alone decides who may touch them. ``file_hashes`` tells apart two files of one name by their content.
    """

    def __init__(
        self,
        tree: ParameterTree,
        state: PerformanceState,
        grid: BeatGrid,
        decks: Sequence[str],
        slots: int,
        policy: Policy | None = None,
        model: str = DEFAULT_MODEL,
        file_hashes: FileHashes | None = None,
    ) -> None:
        if slots < SLOTS_PER_DECK * len(decks):
            raise LoopStoreError(
                f"{slots} slots are too few for {len(decks)} decks; use {SLOTS_PER_DECK * len(decks)} or more"
            )
        policy = policy or Policy()
        stems = stems_of(state.values, decks[0])
        facts = SessionFacts(policy.loop_beats, grid.sample_rate, model, file_hashes or NoFileHashes(), stems)
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
            master_fade=MasterFade(round(policy.panic_seconds * rate), round(policy.fade_in_seconds * rate)),
            policy=policy,
        )
        self._launcher = Launcher(self._scheduler)
        self._landings = Landings(self._scheduler, self._launcher)
        self._drift = DriftStepper(self._scheduler, self._launcher)
        self._queue = RenderQueue(self._scheduler, self._launcher, self._drift)
        self.tempo = TempoFollow(self._scheduler, self._landings, self._drift)
        self._idle = IdleCheck(self._scheduler)
        self._immediate = ImmediateActions(self._scheduler, self._landings, self._drift, self.tempo)

    # --- state ------------------------------------------------------------------------------------------------

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
        """Everything that is known now; to be read, not written."""
        return self._scheduler

    def moment(self, frame: int) -> Moment:
        """``frame`` in every unit."""
        return self._scheduler.timeline.moment(frame)

    def holds(self, request: RenderRequest) -> bool:
        """Whether a loop as fine as ``request`` or finer is finished."""
        loop = self._scheduler.loops.best(request.loop_id())
        return loop is not None and loop.steps >= request.steps

    def serials(self) -> dict[str, int]:
        """The number of the newest change of each deck that must be rendered; ``LaunchBank`` carries it too."""
        return {name: deck.serial for name, deck in self._scheduler.decks.items()}

    def progress(self, book: SceneBook) -> PerformanceProgress:
        """How far each deck is with what is wanted, and the setlist in ``book``."""
        return performance_progress(self._scheduler, book)

    # --- loops of the last set --------------------------------------------------------------------------------------

    def sounding_loops(self) -> tuple[LoopRef, ...]:
        """The loops that are heard now or are about to be, each once."""
        scheduler = self._scheduler
        loops = [loop for deck in scheduler.decks.values() for loop in deck.sounding_loops(scheduler.alpha(deck))]
        return tuple(dict.fromkeys(loop.ref for loop in loops))

    def reserve_slot(self) -> int | None:
        """A slot for a loop that exists already, to be filled before ``restore_loop``; ``None`` when there is none."""
        return self._scheduler.loops.reserve()

    def restore_loop(self, request: RenderRequest, slot: int, shape: tuple[int, int, tuple[str, ...], int]) -> None:
        """The loop of ``request`` is in the reserved ``slot``; ``shape`` is frames, channels, stems, beats.

        From now on it is used as any loop that was rendered, whether or not a renderer is ready.
        """
        self._scheduler.loops.put(request.loop_id(), request.steps, slot, shape)
        for deck in self._scheduler.decks.values():
            deck.learn_source_tempo(request)

    # --- commands ---------------------------------------------------------------------------------------------------

    def start(self, frame: int) -> list[Action]:
        """The first call: sets the player's grid and every control, silent until the first loop is finished."""
        scheduler = self._scheduler
        for deck in scheduler.decks.values():
            deck.set_want(scheduler.wanted_key(deck))  # restored loops may have set their source tempos
        messages = self._immediate.initial_controls()
        actions: list[Action] = [ToPlayerMessage(SetGrid(scheduler.timeline.grid, frame))]
        return [*actions, *(ToPlayerMessage(message) for message in messages), *self._advance(frame)]

    def submit(self, command: Command, frame: int) -> tuple[Reply, list[Action]]:
        """Check and apply one command from outside; the reply says where its change lands."""
        replies, actions = self.submit_all((command,), frame)
        return replies[0], actions

    def submit_all(
        self, commands: Sequence[Command], frame: int, as_one: bool = False
    ) -> tuple[list[Reply], list[Action]]:
        """Check and apply commands from outside that belong together; see ``apply_all``."""
        return self.apply_all([self.tree.checked(command) for command in commands], frame, as_one)

    def apply_all(
        self, commands: Sequence[Checked | Rejected], frame: int, as_one: bool = False
    ) -> tuple[list[Reply], list[Action]]:
        """Apply checked commands that belong together (a scene, a rollover): they land together, alpha too.

        ``as_one``: no control is still being moved, and all decks launch on one frame (a scene, undo). A rejected one
        is its own reply.
        """
        scheduler = self._scheduler
        self._settle(frame)
        serials = self.serials()
        actions: list[Action] = []
        replies: list[Reply] = []
        applied: list[Command] = []
        for checked in commands:
            reply = checked if isinstance(checked, Rejected) else scheduler.apply(checked)
            if isinstance(checked, Checked) and isinstance(reply, Accepted):
                made = scheduler.consequences(checked.command) if reply.value else []
                if isinstance(made, Rejected):
                    reply = made
                else:
                    actions += [Applied(c, scheduler.apply(Checked.valid(c)), self.moment(frame)) for c in made]
                    applied += [checked.command, *made]
            replies.append(reply)
        self._retarget(applied, frame, as_one)
        changed = {name for name, deck in scheduler.decks.items() if deck.serial != serials[name]}
        for command in applied:
            actions += self._immediate.of(command, changed, frame)
        if changed and not scheduler.anything_sounds:
            actions += self._immediate.retune_in_silence(frame)
        actions += self._advance(frame)
        return [self._landings.answer(r, changed, frame) if isinstance(r, Accepted) else r for r in replies], actions

    def _retarget(self, applied: Sequence[Command], frame: int, as_one: bool) -> None:
        """Have every deck want what the state asks for now. Tempo and key land together by themselves."""
        scheduler = self._scheduler
        together = as_one or any(handler_of(command.path) is Handler.CHORDS for command in applied)
        for deck in scheduler.decks.values():
            want = scheduler.wanted_key(deck)
            if want != deck.want:
                moved_frame = frame - scheduler.settle_frames * as_one
                deck.retarget(want, moved_frame, scheduler.settle_frames, together)

    # --- time -------------------------------------------------------------------------------------------------------

    def tick(self, frame: int) -> list[Action]:
        """Time has passed. Call it every 20 ms, or exactly at ``next_wakeup``."""
        if not self._idle.lasts(frame):
            return self._advance(frame)
        actions = self._drift.step(frame)
        return [*actions, *self._advance(frame)] if self._drift.eventful else actions

    def next_wakeup(self, frame: int) -> int | None:
        """The first frame after ``frame`` on which ``tick`` may have work; ``None`` when only a message brings any."""
        scheduler = self._scheduler
        if self._idle.lasts(frame):
            return min([self._idle.until, *self._drift.next_wakeup()])
        wakeups = [
            *self._landings.next_wakeup(frame),
            *self._drift.next_wakeup(),
            *self._queue.next_wakeup(frame),
            scheduler.renders.next_hang_frame() or 0,
            *(deck.launching.frame for deck in scheduler.decks.values() if deck.launching is not None),
        ]
        return min((wakeup for wakeup in wakeups if wakeup > frame), default=None)

    # --- messages of the renderer and the player ----------------------------------------------------------------------

    def renderer_ready(self, frame: int, ready: Ready) -> list[Action]:
        """A renderer has loaded its model and takes jobs."""
        self._scheduler.renders.begin(ready.seats)
        self._landings.estimate_again(frame)  # landings were estimated with the time that a start takes
        self._queue.reconsider()
        text = f"renderer ready: {ready.model}, loaded in {ready.load_seconds:.1f} s"
        return [Log("renderer ready", text, {"model": ready.model}), *self._advance(frame)]

    def seats_changed(self, frame: int, change: SeatsChanged) -> list[Action]:
        """The renderer takes more jobs at the same time than before, or fewer."""
        if self._scheduler.renders.staff(change.seats):
            self._landings.estimate_again(frame)
        self._queue.reconsider()
        said = [Log("seats changed", change.reason, {"seats": change.seats})] if change.reason else []
        return [*said, *self._advance(frame)]

    def delivered(self, frame: int, delivery: Delivery) -> list[Action]:
        """A rendition is finished and is in its slot."""
        scheduler = self._scheduler
        job = scheduler.renders.finished(delivery.job, frame, scheduler.quality)
        if job is None:
            return [Log("stray delivery", f"job {delivery.job} belongs to a renderer that has ended")]
        shape = (delivery.frames, delivery.channels, delivery.stems, scheduler.facts.beats)
        scheduler.loops.put(job.planned.loop_id, job.planned.steps, delivery.slot, shape)
        actions = self._advance(frame)
        if delivery.unknown_words:
            words = ", ".join(delivery.unknown_words)
            actions.append(Log("unknown words", f"deck {job.planned.deck}: the model does not know: {words}"))
        return actions

    def failed(self, frame: int, failure: Failed) -> list[Action]:
        """A rendition could not be made; it is tried again after a musical pause, three times."""
        scheduler = self._scheduler
        beat = scheduler.timeline.beat_at(frame)
        outcome = scheduler.renders.failed(failure.job, beat, failure.reason, failure.hopeless)
        if outcome is None:
            return [Log("stray failure", f"job {failure.job} belongs to a renderer that has ended")]
        job, given_up = outcome
        scheduler.loops.release(job.slot)
        self._queue.reconsider()
        actions: list[Action] = [Log("render failed", f"deck {job.planned.deck}: {failure.reason}")]
        if given_up and job.planned.purpose is not Purpose.LAUNCH:
            actions.append(render_given_up(scheduler.decks[job.planned.deck], failure.reason))
        return [*actions, *self._advance(frame)]

    def cancelled(self, frame: int, cancelled: Cancelled) -> list[Action]:
        """The renderer has dropped a job on request."""
        job = self._scheduler.renders.stopped(cancelled.job)
        if job is not None:
            self._scheduler.loops.release(job.slot)
        return self._advance(frame)

    def renderer_alive(self, frame: int, sign: Alive) -> list[Action]:
        """The renderer says what its present job has cost so far: slow is not stuck."""
        self._scheduler.renders.heartbeat(sign, frame)
        return self._end_what_hangs(frame)

    def renderer_lost(self, frame: int) -> list[Action]:
        """The renderer process has ended and writes no slot any more. The music goes on with the loops there are."""
        scheduler = self._scheduler
        lost = scheduler.renders.lost()
        actions: list[Action] = [Log("renderer lost", f"the renderer ended with {len(lost)} unfinished jobs")]
        for job in lost:
            scheduler.loops.release(job.slot)
            planned = job.planned
            if planned.purpose is not Purpose.LAUNCH and scheduler.renders.refuses(planned.loop_id, planned.steps):
                reason = scheduler.renders.failure_reason(planned.loop_id, planned.steps)
                actions.append(render_given_up(scheduler.decks[planned.deck], reason))
        self._queue.reconsider()
        return [*actions, *self._advance(frame)]

    def reported(self, frame: int, message: FromPlayer) -> list[Action]:
        """The player reports what really happened."""
        scheduler = self._scheduler
        actions: list[Action] = []
        if isinstance(message, LoopFreed):
            scheduler.loops.freed(message.slot)
        elif isinstance(message, BankLanded) and not self._launcher.was_relaunched(message.bank):
            error = 0 if message.asked_frame is None else message.frame - message.asked_frame
            scheduler.counters.landing_error_frames_max = max(scheduler.counters.landing_error_frames_max, abs(error))
            beat = scheduler.timeline.beat_at(message.frame)
            bank = self._launcher.landed(message.deck, message.bank)
            actions += landed_actions(message, bank, beat, error)
        else:
            return actions
        return [*actions, *self._advance(frame)]

    def restore_player(self, frame: int) -> list[Action]:
        """A new player process runs and knows nothing: send it grid, controls and banks, and let it fade in."""
        scheduler = self._scheduler
        self._settle(frame)
        scheduler.loops.forget_player()
        timeline = scheduler.timeline
        grids = [SetGrid(timeline.grid, frame)]
        if timeline.upcoming is not None:
            grids.append(SetGrid(timeline.upcoming, timeline.upcoming.anchor_frame))
        controls = [*self._immediate.initial_controls(), *scheduler.master_fade.reopen(scheduler.fade_frames)]
        messages: list[ToPlayer] = [*grids, *controls]
        actions: list[Action] = [ToPlayerMessage(message) for message in messages]
        actions += self._launcher.relaunch(frame)
        self._queue.reconsider()
        return [*actions, *self._advance(frame)]

    def status(self, frame: int) -> ConductorStatus:
        """Everything a status line shows; changes nothing."""
        return conductor_status(self._scheduler, self._drift, frame)

    def runways(self) -> list[float]:
        """Seconds of finished music ahead on each deck that sounds; infinite where no deck does."""
        return runways(self._scheduler, self._drift)

    # --- deciding ---------------------------------------------------------------------------------------------------

    def _settle(self, frame: int) -> None:
        self._scheduler.timeline.settle(frame)
        self._launcher.settle(frame)

    def _advance(self, frame: int) -> list[Action]:
        self._settle(frame)
        actions = self._end_what_hangs(frame)
        actions += self._drift.step(frame)
        actions += self._landings.step(frame)
        actions += self._launcher.arrange(frame)
        actions += self._queue.step(frame)
        actions += self._immediate.release_waiting_alphas()
        self._launcher.mark_heard()
        self._idle.update(frame)
        announced = [action for action in actions if isinstance(action, Announce)]
        if len(announced) > 1:  # decks that land together move together: the sender is told once
            rest = [action for action in actions if not isinstance(action, Announce)]
            actions = [*rest, *dict.fromkeys(announced)]
        return actions

    def _end_what_hangs(self, frame: int) -> list[Action]:
        job = self._scheduler.renders.hanging(frame)
        if job is None:
            return []
        seconds = (frame - job.sent_frame) / self._scheduler.facts.sample_rate
        return [RestartRenderer(f"the renderer has not finished a loop for {seconds:.0f} s; it is restarted")]
