"""ScenePlayer: scenes, scene morphs, undo, redo and prompt pads, as commands that the Conductor applies together.

The commands of all surfaces pass through it. Pure like the Conductor: no I/O, no clock; the frame is passed in. Belongs
to the engine process and to one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from random import Random

from riffengine.errors import ParameterError
from riffengine.performance import drift
from riffengine.performance.command import FOLLOW_SOURCE, Accepted, Command, Landing, Rejected, Reply, Value
from riffengine.performance.parameter_tree import Checked
from riffengine.performance.prompt_lists import PromptLists
from riffengine.performance.prompt_picker import PromptPicker
from riffengine.performance.routing import Handler, handler_of
from riffengine.performance.scene_morph import SceneMorph, plan_scene_morph
from riffengine.performance.scenes import Scene, SceneBook, snapshot
from riffengine.performance.state import PerformanceState
from riffengine.performance.undo import UndoHistory
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import SetControl
from riffengine.scheduler.actions import Action, Applied, ToPlayerMessage
from riffengine.scheduler.conductor import Conductor

Answer = tuple[Reply, list[Action]]


class ScenePlayer:
    """Turns commands into those that ``conductor`` applies. ``scenes`` is the setlist at the start, in order."""

    def __init__(self, conductor: Conductor, scenes: Sequence[Scene] = (), picker: PromptPicker | None = None) -> None:
        self._conductor = conductor
        self._picker = picker or PromptPicker(PromptLists(), Random(0))
        self._history = UndoHistory()
        self._morph: SceneMorph | None = None
        self._step_beat = 0.0
        self._step_frame = 0  # when it was set
        self.book = SceneBook(tuple(scenes))
        self._by_handler: Mapping[Handler, Callable[[Checked, int], Answer]] = {
            Handler.RECALL_SCENE: self._recall,
            Handler.NEXT_SCENE: self._recall,
            Handler.PREVIOUS_SCENE: self._recall,
            Handler.STORE_SCENE: self._store,
            Handler.LEARN: self._learn,
            Handler.UNDO: lambda checked, frame: self._go_to(self._history.undo(), checked, frame),
            Handler.REDO: lambda checked, frame: self._go_to(self._history.redo(), checked, frame),
            Handler.PROMPT_LIST: self._pick,
        }

    @property
    def morphing(self) -> bool:
        """Whether a morph to a scene is running."""
        return self._morph is not None

    def files_in_use(self) -> frozenset[str]:
        """The files that decks start from now, or would by a scene, an undo or a redo."""
        scenes = (scene.values for scene in self.book.scenes)
        named = (
            str(value)
            for values in (self._conductor.state.values, *scenes, *self._history.values())
            for path, value in values.items()
            if path.endswith("/init") and value and handler_of(path) is Handler.INIT
        )
        return frozenset(named)

    def also_sets(self, command: Command) -> tuple[str, ...]:
        """The parameters that ``command``, which was checked, would set besides its own; nothing is set."""
        state, handler = self._conductor.state, handler_of(command.path)
        if handler is Handler.PROMPT_LIST:
            return (f"deck/{parse_path(command.path).deck}/prompt",)
        paths = [each.path for each in self._restored(command, handler)]
        if not paths:
            return ()
        if handler not in (Handler.UNDO, Handler.REDO) and state.number("scene/morph_bars") > 0.0:  # by alpha
            parsed = [parse_path(path) for path in paths]
            paths += [
                f"deck/{each.deck}/{name}" for each in parsed if each.control == "prompt" for name in ("to", "alpha")
            ]
        return tuple(paths)

    def files_of(self, command: Command) -> tuple[str, ...]:
        """The files that decks would start from by ``command``, which was checked; nothing is set."""
        handler = handler_of(command.path)
        if handler is Handler.INIT:
            return (str(command.value),) if command.value else ()
        restored = self._restored(command, handler)
        named = (str(each.value) for each in restored if each.value and handler_of(each.path) is Handler.INIT)
        return tuple(dict.fromkeys(named))

    def _restored(self, command: Command, handler: Handler) -> Sequence[Command]:
        """What a scene, an undo or a redo would change; empty for any other command, and where it is refused."""
        try:
            match handler:
                case Handler.RECALL_SCENE | Handler.NEXT_SCENE | Handler.PREVIOUS_SCENE:
                    values = self._scene_of(command).values
                case Handler.UNDO:
                    values = self._history.next_undo() or {}
                case Handler.REDO:
                    values = self._history.next_redo() or {}
                case _:
                    return ()
        except ParameterError:  # it is refused for that
            return ()
        return Scene(command.path, values).commands(self._conductor.state, command.source)

    def submit(self, command: Command, frame: int) -> Answer:
        """Check and apply one command from outside; the reply says where its change lands."""
        checked = self._conductor.tree.checked(command)
        return (checked, []) if isinstance(checked, Rejected) else self.handle(checked, frame)

    def handle(self, checked: Checked, frame: int) -> Answer:
        """Apply one command that was checked; the reply says where its change lands."""
        command = checked.command
        released = not command.value and self._conductor.tree[command.path].kind == "trigger"
        act = None if released else self._by_handler.get(handler_of(command.path))
        try:
            return (act or self._pass_on)(checked, frame)
        except ParameterError as error:
            return Rejected(checked.asked, str(error)), []

    def tick(self, frame: int) -> list[Action]:
        """Time has passed: take every sixteenth note of a morph that is due, and whatever the Conductor decides."""
        actions: list[Action] = []
        if self._morph is not None and (jump := self._beats_jumped(frame)):  # what is left of it begins here
            self._morph, self._step_beat, self._step_frame = self._morph.shifted(jump), self._step_beat + jump, frame
        while self._morph is not None and self._due_frame() <= frame:
            actions += self._step(self._morph, frame)
        return [*actions, *self._conductor.tick(frame)]

    def next_wakeup(self, frame: int) -> int | None:
        """The first frame after ``frame`` on which ``tick`` may have something to do."""
        wakeup = self._conductor.next_wakeup(frame)
        if self._morph is None:
            return wakeup
        mine = frame + 1 if self._beats_jumped(frame) else max(self._due_frame(), frame + 1)
        return mine if wakeup is None else min(mine, wakeup)

    # --- what is asked ----------------------------------------------------------------------------------------------

    def _pass_on(self, checked: Checked, frame: int) -> Answer:
        before, path = self._conductor.state, checked.command.path
        (reply,), actions = self._conductor.apply_all((checked,), frame)
        if isinstance(reply, Accepted):
            if self._morph is not None:
                self._morph = self._morph.without(path)
            made = [a.command.path for a in actions if isinstance(a, Applied) and a.command.source != drift.SOURCE]
            if checked.command.source != FOLLOW_SOURCE:  # undo takes back what a person did
                self._remember(before, {path, *made}, frame)
        return reply, actions

    def _learn(self, checked: Checked, frame: int) -> Answer:
        if path := str(checked.command.value):
            _ = self._conductor.tree[path]  # refused, with the nearest name, where there is no such parameter
        return self._pass_on(checked, frame)

    def _scene_of(self, command: Command) -> Scene:
        """The scene that ``command`` recalls; ``ParameterError`` where there is none."""
        match handler_of(command.path):
            case Handler.NEXT_SCENE:
                return self.book.neighbour(1)
            case Handler.PREVIOUS_SCENE:
                return self.book.neighbour(-1)
            case _:
                return self.book.find(str(command.value))

    def _recall(self, checked: Checked, frame: int) -> Answer:
        conductor, before, command = self._conductor, self._conductor.state, checked.command
        scene = self._scene_of(command)
        bars = before.number("scene/morph_bars")
        named = Command("scene/recall", scene.name, command.source, command.stamp_ns)
        if bars <= 0.0:
            self._morph = None
            commands = scene.commands(before, command.source, command.stamp_ns)
            reply, actions = self._together(checked, [named, *commands], frame)
            self._remember(before, scene.values, frame)
        else:
            moment = conductor.moment(frame)
            morph, opening = plan_scene_morph(scene, before, conductor.tree, moment.beat, bars, command.source)
            reply, actions = self._together(checked, [named, *opening], frame)
            self._morph = morph
            self._step_beat, self._step_frame = drift.next_step_beat(moment.beat), frame
            paths = {*scene.values, *(c.path for c in opening)} & before.values.keys()
            after = {path: scene.values.get(path, before[path]) for path in paths}
            self._history.record({path: before[path] for path in paths}, after, moment.seconds)
            if isinstance(reply, Accepted):
                seconds = (morph.end_beat - moment.beat) * 60.0 / moment.bpm
                reply = replace(reply, landing=Landing(command.path, morph.end_beat, seconds))
        self.book = self.book.with_current(scene.name)
        return reply, actions

    def _pick(self, checked: Checked, frame: int) -> Answer:
        """A pad of a prompt list: apply the prompt it stands for, answered as the pad."""
        before, command = self._conductor.state, checked.command
        prompts = self._picker.commands(command, before)
        reply, actions = self._together(checked, [command, *prompts], frame, as_one=False)
        paths = {prompt.path for prompt in prompts}
        if self._morph is not None:
            for path in paths:
                self._morph = self._morph.without(path)
        self._remember(before, paths, frame)
        return reply, actions

    def _store(self, checked: Checked, frame: int) -> Answer:
        scene = snapshot(str(checked.command.value), self._conductor.state, self._conductor.tree)
        book = self.book.with_scene(scene)
        (reply,), actions = self._conductor.apply_all((checked,), frame)
        self.book = book
        return reply, actions

    def _go_to(self, values: Mapping[str, Value] | None, checked: Checked, frame: int) -> Answer:
        command = checked.command
        if values is None:
            return Rejected(checked.asked, f"there is nothing to {command.path}"), []
        self._morph = None
        commands = Scene(command.path, values).commands(self._conductor.state, command.source, command.stamp_ns)
        return self._together(checked, [command, *commands], frame)

    # --- as one change ----------------------------------------------------------------------------------------------

    def _together(self, checked: Checked, commands: Sequence[Command], frame: int, as_one: bool = True) -> Answer:
        """Apply ``commands`` as one change; the reply to the first answers what was asked.

        Scenes may come from a file of an earlier run, so their values are checked here, the first time they are used.
        """
        asked, tree = checked.asked, self._conductor.tree
        replies, actions = self._conductor.apply_all([tree.checked(command) for command in commands], frame, as_one)
        moment = self._conductor.moment(frame)
        made: list[Action] = [Applied(r.command, r, moment) for r in replies[1:]]
        first = replies[0]
        if isinstance(first, Accepted):
            value: Value = True if asked.path != first.command.path else first.value
            landing = first.landing and replace(first.landing, path=asked.path)
            if first.command.path != asked.path:
                made.insert(0, Applied(first.command, first, moment))
            first = replace(first, command=asked, value=value, landing=landing)
        return first, [*made, *actions]

    def _remember(self, before: PerformanceState, paths: Iterable[str], frame: int) -> None:
        after = self._conductor.state
        moved = [p for p in paths if p in before.values and before[p] != after[p] and _can_be_undone(p)]
        seconds = self._conductor.moment(frame).seconds
        self._history.record({p: before[p] for p in moved}, {p: after[p] for p in moved}, seconds)

    # --- morphing ----------------------------------------------------------------------------------------------------

    def _beats_jumped(self, frame: int) -> float:
        """How far the beat has jumped since the last step, as in a DAW that repeats some bars or skips some; else 0.

        Steps that are late, because the engine stood still, are no jump: as many beats have passed.
        """
        scheduler = self._conductor.scheduler
        ahead = drift.next_step_beat(scheduler.timeline.beat_at(frame + scheduler.lead_frames)) - self._step_beat
        passed = (frame - self._step_frame) / scheduler.timeline.latest.frames_per_beat
        # One sixteenth note back may be the rounding to frames, and a beat ahead a tempo that has just changed.
        return ahead if ahead < -drift.STEP_BEATS or ahead > passed + 1.0 else 0.0

    def _due_frame(self) -> int:
        scheduler = self._conductor.scheduler
        return scheduler.timeline.frame_of(self._step_beat) - scheduler.lead_frames

    def _step(self, morph: SceneMorph, frame: int) -> list[Action]:
        """Take one sixteenth note: every fader ramps to where it must be at the next one."""
        scheduler, beat = self._conductor.scheduler, self._step_beat
        for name in sorted(morph.waiting):
            deck = scheduler.decks[name]
            if deck.settled and deck.launching is None:
                morph = morph.begun(name, beat)
        next_beat = beat + drift.STEP_BEATS
        at_frame = scheduler.timeline.frame_of(beat)
        ramp_frames = scheduler.timeline.frame_of(next_beat) - at_frame
        commands = morph.commands(next_beat)
        replies, actions = self._conductor.submit_all(commands, frame)
        moment = scheduler.timeline.moment(at_frame)
        made: list[Action] = [Applied(c, r, moment) for c, r in zip(commands, replies, strict=True)]
        made += [_ramped(action, morph, at_frame, ramp_frames) for action in actions]
        self._morph, self._step_beat, self._step_frame = morph, next_beat, frame
        if next_beat >= morph.end_beat:
            self._morph = None
            last = morph.scene.commands(self._conductor.state, morph.source)
            if last:
                replies, actions = self._conductor.submit_all(last, frame, as_one=True)
                made += [Applied(c, r, moment) for c, r in zip(last, replies, strict=True)]
                made += actions
        return made


def _can_be_undone(path: str) -> bool:
    return not parse_path(path).is_scene and handler_of(path) is not Handler.LEARN


def _ramped(action: Action, morph: SceneMorph, at_frame: int, ramp_frames: int) -> Action:
    """A control that travels begins on the sixteenth note and takes all of it, or one would hear steps."""
    if isinstance(action, ToPlayerMessage) and isinstance(action.message, SetControl):
        message = action.message
        if str(message.target) in morph.moves and message.at_frame is None:
            return ToPlayerMessage(replace(message, at_frame=at_frame, ramp_frames=ramp_frames))
    return action
