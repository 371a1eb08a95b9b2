"""Conductor: hears what is wanted, knows what is there, and says what happens next.

A pure object: no I/O, no thread, no clock, no random source. A shell (the engine in real time, the Rehearsal on virtual
time) calls it with the frame it is now and carries out the actions that come back, in order. After each call everything
is decided anew from the state: what each deck aims at, what is launched, what is placed, what is rendered next. Nothing
is queued, so newer intent supersedes older by itself. It belongs to the engine process and to one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from riffengine.errors import LoopStoreError
from riffengine.performance import walk
from riffengine.performance.command import Accepted, Command, Landing, Reply
from riffengine.performance.parameters import ControlClass, ParameterTree
from riffengine.performance.state import PerformanceState
from riffengine.playback.messages import BankLanded, FromPlayer, LoopFreed, SetControl, SetGrid
from riffengine.renderer.request import Cancelled, Delivery, Failed, Ready, RenderRequest
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
from riffengine.scheduler.aiming import Aiming
from riffengine.scheduler.bank import Kept, SessionFacts, bank_key
from riffengine.scheduler.console import Console, control_message
from riffengine.scheduler.desk import RenderDesk
from riffengine.scheduler.dispatch import Dispatch
from riffengine.scheduler.launching import Launching
from riffengine.scheduler.pacing import Pacing
from riffengine.scheduler.part import Part
from riffengine.scheduler.plan import Purpose
from riffengine.scheduler.shelf import Shelf, SlotState
from riffengine.scheduler.stage import Stage
from riffengine.scheduler.telling import deck_status, landing_logs
from riffengine.scheduler.walking import Walking
from riffengine.transport.grid import BeatGrid, Moment
from riffengine.transport.timeline import Timeline

# For each deck: two loops that sound, two of the bank that is launched, the one rendered, two on their way back.
_SLOTS_PER_DECK = 7


class Conductor:
    """Turns commands and reports into actions for the renderer, the player and the senders of commands.

    ``frame`` is the earliest output frame on which a message to the player could still act. Every call may move the
    music on, so calls must come in order of ``frame``. ``slots`` is the number of slots of the loop store; the
    Conductor alone decides who may touch them.
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
    ) -> None:
        if slots < _SLOTS_PER_DECK * len(decks):
            raise LoopStoreError(
                f"{slots} slots are too few for {len(decks)} decks; use {_SLOTS_PER_DECK * len(decks)} or more"
            )
        policy = policy or Policy()
        facts = SessionFacts(policy.loop_beats, grid.sample_rate, model)
        parts = {name: Part(name, bank_key(state.deck(name), state, facts)) for name in decks}
        rate = grid.sample_rate
        self._stage = Stage(
            tree=tree,
            state=state,
            facts=facts,
            timeline=Timeline(grid),
            parts=parts,
            shelf=Shelf(slots),
            desk=RenderDesk(policy, rate),
            console=Console(round(policy.panic_seconds * rate), round(policy.fade_in_seconds * rate)),
            policy=policy,
        )
        self._launching = Launching(self._stage)
        self._aiming = Aiming(self._stage, self._launching)
        self._walking = Walking(self._stage, self._launching)
        self._dispatch = Dispatch(self._stage, self._launching, self._walking)
        self.pacing = Pacing(self._stage, self._aiming)

    # --- what the shell calls ---------------------------------------------------------------------------------------

    @property
    def state(self) -> PerformanceState:
        """What the performer wants now."""
        return self._stage.state

    @property
    def tree(self) -> ParameterTree:
        """What the performer may ask for."""
        return self._stage.tree

    @property
    def grid(self) -> BeatGrid:
        """The grid that rules now."""
        return self._stage.timeline.grid

    @property
    def stage(self) -> Stage:
        """All that is known now, for those who decide beside the Conductor; to be read."""
        return self._stage

    def moment(self, frame: int) -> Moment:
        """``frame`` in every unit."""
        return self._stage.timeline.moment(frame)

    def holds(self, request: RenderRequest) -> bool:
        """Whether a loop as fine as ``request`` or finer is there already."""
        loop = self._stage.shelf.best(replace(request, steps=0).digest())
        return loop is not None and loop.steps >= request.steps

    def serials(self) -> dict[str, int]:
        """The number of the newest change of each deck that must be rendered; ``LaunchBank`` carries it too."""
        return {name: part.serial for name, part in self._stage.parts.items()}

    def start(self, frame: int) -> list[Action]:
        """The first call: sets the player's grid and every control, silent until the first loop is there."""
        messages = self._stage.console.initial(self._stage.state)
        actions: list[Action] = [ToPlayerMessage(SetGrid(self._stage.timeline.grid, frame))]
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
        stage = self._stage
        self._settle(frame)
        serials = self.serials()
        actions: list[Action] = []
        replies: list[Reply] = []
        moved: list[Command] = []
        for command in commands:
            reply = stage.apply(command)
            replies.append(reply)
            if not isinstance(reply, Accepted):
                continue
            moved.append(replace(command, value=reply.value))
            if command.path == "next" and reply.value:
                made = [c for p in stage.parts for c in walk.rollover(p, stage.state.deck(p), command.source)]
                actions += [Applied(c, stage.apply(c), self.moment(frame)) for c in made]
                moved += made
        for part in stage.parts.values():
            want = stage.wanted_key(part)
            if want != part.want:
                part.retarget(want, frame - stage.settle_frames * as_one, stage.settle_frames)
                part.bound = as_one
        changed = {name for name, part in stage.parts.items() if part.serial != serials[name]}
        for command in moved:
            actions += self._take_effect(command, changed, frame)
        if changed and not stage.anything_sounds:
            actions += self._retune_in_silence(frame)
        actions += self._advance(frame)
        replies = [self._with_landing(r, changed, frame) if isinstance(r, Accepted) else r for r in replies]
        return replies, actions

    def tick(self, frame: int) -> list[Action]:
        """Time has passed. Call it every 20 ms, or exactly at ``next_wakeup``."""
        return self._advance(frame)

    def next_wakeup(self, frame: int) -> int | None:
        """The first frame after ``frame`` on which ``tick`` may have something to do; ``None`` when only news can."""
        stage = self._stage
        wakeups = [
            *self._aiming.next_wakeup(frame),
            *self._walking.next_wakeup(),
            *self._dispatch.next_wakeup(frame),
            stage.desk.next_hang_frame() or 0,
            *(part.launching.frame for part in stage.parts.values() if part.launching is not None),
        ]
        return min((wakeup for wakeup in wakeups if wakeup > frame), default=None)

    def renderer_ready(self, frame: int, ready: Ready) -> list[Action]:
        """A renderer has loaded its model and takes jobs."""
        self._stage.desk.ready = True
        self._aiming.estimate_anew(frame)  # landings had been put off for the time a start takes
        self._dispatch.reconsider()
        text = f"renderer ready: {ready.model}, loaded in {ready.load_seconds:.1f} s"
        return [Log("renderer ready", text, {"model": ready.model}), *self._advance(frame)]

    def delivered(self, frame: int, delivery: Delivery) -> list[Action]:
        """A rendition is finished and lies in its slot."""
        stage = self._stage
        job = stage.desk.finished(delivery.job, frame, stage.fineness)
        if job is None:
            return [Log("stray delivery", f"job {delivery.job} belongs to a renderer that is gone")]
        shape = (delivery.frames, delivery.channels, delivery.stems, stage.facts.beats)
        stage.shelf.put(job.wish.motif, job.wish.steps, delivery.slot, shape)
        actions = self._advance(frame)
        if delivery.unknown_words:
            words = ", ".join(delivery.unknown_words)
            actions.append(Log("unknown words", f"deck {job.wish.deck}: the model does not know: {words}"))
        return actions

    def failed(self, frame: int, failure: Failed) -> list[Action]:
        """A rendition could not be made; it is tried again after a musical pause, three times."""
        stage = self._stage
        outcome = stage.desk.failed(failure.job, stage.timeline.beat_at(frame), failure.hopeless)
        if outcome is None:
            return [Log("stray failure", f"job {failure.job} belongs to a renderer that is gone")]
        job, given_up = outcome
        stage.shelf.release(job.slot)
        self._dispatch.reconsider()
        actions: list[Action] = [Log("render failed", f"deck {job.wish.deck}: {failure.reason}")]
        if given_up:
            actions.append(self._give_up(stage.parts[job.wish.deck], job.wish.purpose, failure.reason))
        return [*actions, *self._advance(frame)]

    def cancelled(self, frame: int, cancelled: Cancelled) -> list[Action]:
        """The renderer has dropped a job on request."""
        job = self._stage.desk.stopped(cancelled.job)
        if job is not None:
            self._stage.shelf.release(job.slot)
        return self._advance(frame)

    def renderer_lost(self, frame: int) -> list[Action]:
        """The renderer process has ended: nobody writes its slots any more. The music goes on with what there is."""
        stage = self._stage
        lost = stage.desk.lost()
        actions: list[Action] = [Log("renderer lost", f"the renderer ended with {len(lost)} jobs in hand")]
        for job in lost:
            stage.shelf.release(job.slot)
            if stage.desk.refuses(job.wish):
                part = stage.parts[job.wish.deck]
                actions.append(self._give_up(part, job.wish.purpose, "the renderer died over it"))
        self._dispatch.reconsider()
        return [*actions, *self._advance(frame)]

    def reported(self, frame: int, message: FromPlayer) -> list[Action]:
        """The player tells what really happened."""
        stage = self._stage
        actions: list[Action] = []
        if isinstance(message, LoopFreed):
            stage.shelf.freed(message.slot)
        elif isinstance(message, BankLanded):
            error = 0 if message.asked_frame is None else message.frame - message.asked_frame
            stage.counters.landing_error_frames_max = max(stage.counters.landing_error_frames_max, abs(error))
            beat = stage.timeline.beat_at(message.frame)
            bank = self._launching.landed(message.deck, message.bank)
            actions += landing_logs(message, bank, beat, error)
        else:
            return actions
        return [*actions, *self._advance(frame)]

    def status(self, frame: int) -> ConductorStatus:
        """Everything a status line shows; changes nothing."""
        stage = self._stage
        draft = stage.desk.times(stage.fineness.urgent, stage.fineness)
        full = stage.desk.times(stage.fineness.full_steps, stage.fineness)
        counts, counters = stage.desk.counts, stage.counters
        return ConductorStatus(
            moment=self.moment(frame),
            decks=tuple(deck_status(stage, self._walking, part) for part in stage.parts.values()),
            renderer_ready=stage.desk.ready,
            draft_p50_seconds=draft.p50,
            draft_p95_seconds=draft.p95,
            full_p50_seconds=full.p50,
            full_p95_seconds=full.p95,
            jobs_started=counts.started,
            jobs_delivered=counts.delivered,
            jobs_heard=counts.heard,
            jobs_cancelled=counts.cancelled,
            jobs_failed=counts.failed,
            jobs_lost=counts.lost,
            famines=counters.famines,
            launches=counters.launches,
            landings_moved=counters.landings_moved,
            landing_error_frames_max=counters.landing_error_frames_max,
            slots_free=stage.shelf.count(SlotState.FREE),
            panicked=stage.console.panicked,
        )

    # --- deciding ---------------------------------------------------------------------------------------------------

    def _settle(self, frame: int) -> None:
        self._stage.timeline.settle(frame)
        self._launching.settle(frame)

    def _advance(self, frame: int) -> list[Action]:
        self._settle(frame)
        actions = self._end_what_hangs(frame)
        actions += self._walking.step(frame)
        actions += self._aiming.step(frame)
        actions += self._launching.arrange(frame)
        actions += self._dispatch.step(frame)
        actions += self._land_stranded_alphas()
        self._launching.mark_heard()
        announced = [action for action in actions if isinstance(action, Announce)]
        if len(announced) > 1:  # decks that land together move together: the sender hears it once
            rest = [action for action in actions if not isinstance(action, Announce)]
            actions = [*rest, *dict.fromkeys(announced)]
        return actions

    def _end_what_hangs(self, frame: int) -> list[Action]:
        job = self._stage.desk.hanging(frame)
        if job is None:
            return []
        seconds = (frame - job.sent_frame) / self._stage.facts.sample_rate
        return [RestartRenderer(f"the renderer has not answered for {seconds:.0f} s; it is started anew")]

    def _take_effect(self, command: Command, changed: set[str], frame: int) -> list[Action]:
        stage = self._stage
        if command.path == "panic":
            messages = stage.console.panic(command.stamp_ns) if command.value else []
            return [ToPlayerMessage(message) for message in messages]
        if command.path == "transport/quantum":
            self._aiming.estimate_anew(frame)
            return []
        ramp_frames = stage.frames(stage.policy.control_ramp_seconds)
        if (message := control_message(command.path, command.value, ramp_frames, command.stamp_ns)) is None:
            return []
        actions: list[Action] = [ToPlayerMessage(message)]
        if command.path == "master/gain":
            actions += [ToPlayerMessage(m) for m in stage.console.restore(command.stamp_ns)]
        if command.path.endswith("/alpha"):
            part = stage.parts[command.path.split("/")[1]]
            if part.name in changed and stage.anything_sounds:
                part.jump = True
                return []
            if part.sent_step_frame >= frame:  # the walk's next step is on its way and would undo the gesture
                actions.append(ToPlayerMessage(SetControl(message.name, message.value, part.sent_step_frame, 0)))
        return actions

    def _retune_in_silence(self, frame: int) -> list[Action]:
        """Nothing sounds, so nothing can be torn: a new tempo rules at once."""
        actions = [] if self._stage.led else self.pacing.release(frame)
        self._stage.timeline.settle(frame)
        return actions

    def _land_stranded_alphas(self) -> list[Action]:
        """An alpha that should have moved with a launch moves now if that launch will not come."""
        actions: list[Action] = []
        for part in self._stage.parts.values():
            if part.jump and part.target is None and (part.settled or part.want == part.refused):
                part.jump = False
                path, alpha = f"deck/{part.name}/alpha", self._stage.alpha(part)
                actions.append(ToPlayerMessage(SetControl(path, alpha, None, self._stage.fade_frames)))
        return actions

    def _give_up(self, part: Part, purpose: Purpose, reason: str) -> Log:
        if purpose is Purpose.LAUNCH and part.target is not None:
            part.refused, part.target = part.target.key, None
            part.promises.clear()
            part.unheard_since = None
        if part.current is not None:
            text = f"deck {part.name} stays with what it has: {reason}"
        else:
            cure = "init" if part.want.init else "its prompt or seed"
            text = f"deck {part.name}: {reason}; nothing can play until you change {cure}"
        return Log("render given up", text, {"deck": part.name})

    # --- telling ----------------------------------------------------------------------------------------------------

    def _with_landing(self, reply: Accepted, changed: set[str], frame: int) -> Accepted:
        stage, command = self._stage, reply.command
        control = stage.tree[command.path].control
        now = Landing(command.path, stage.timeline.beat_at(frame), 0.0)
        words = command.path.split("/")
        parts = [stage.parts[words[1]]] if words[0] == "deck" else list(stage.parts.values())
        jumps = control is ControlClass.MORPH and any(part.jump for part in parts)
        if control is not ControlClass.QUANTISED and not jumps:
            return replace(reply, landing=now)
        if command.path in ("steps", "draft_steps"):
            seconds = stage.desk.times(stage.fineness.full_steps, stage.fineness).p95
            beat = stage.timeline.beat_at(frame + stage.frames(seconds))
            return replace(reply, landing=Landing(command.path, beat, seconds), note="loops are refined in place")
        landings = [
            self._aiming.landing(part, command.path, command.source, frame, _brought(part, command, stage))
            for part in parts
            if part.name in changed
        ]
        return replace(reply, landing=max(landings, key=lambda landing: landing.beat, default=now))


def _brought(part: Part, command: Command, stage: Stage) -> tuple[Kept, ...]:
    """What ``next`` changes on a deck, for those who want to know when each of it landed."""
    if command.path != "next":
        return ()
    paths = (f"deck/{part.name}/{name}" for name in ("prompt", "to", "seed", "to_seed"))
    return tuple(Kept(path, stage.state[path], command.source) for path in paths)
