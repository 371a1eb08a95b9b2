"""ScenePlayer: scenes, glides, undo and redo, as commands to the Conductor that belong together.

Every surface's command comes through here. Pure like the Conductor: no I/O, no clock; the frame is passed in. Belongs
to the engine process and to one thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from random import Random

from riffengine.errors import ParameterError
from riffengine.performance import drift
from riffengine.performance.command import Accepted, Command, Landing, Rejected, Reply, Value
from riffengine.performance.prompt_lists import PromptLists
from riffengine.performance.prompt_picker import PromptPicker
from riffengine.performance.scene_morph import SceneMorph, plan_scene_morph
from riffengine.performance.scenes import Scene, SceneBook, snapshot
from riffengine.performance.state import PerformanceState
from riffengine.performance.undo import UndoHistory
from riffengine.processes.player_messages import SetControl
from riffengine.scheduler.actions import Action, Applied, ToPlayerMessage
from riffengine.scheduler.conductor import Conductor

_RECALLS = {"scene/next": 1, "scene/previous": -1}


class ScenePlayer:
    """Stands before ``conductor``. ``scenes`` is the setlist at the start, in order."""

    def __init__(self, conductor: Conductor, scenes: Sequence[Scene] = (), picker: PromptPicker | None = None) -> None:
        self._conductor = conductor
        self._picker = picker or PromptPicker(PromptLists(), Random(0))
        self._history = UndoHistory()
        self._glide: SceneMorph | None = None
        self._step_beat = 0.0
        self.book = SceneBook(tuple(scenes))

    @property
    def gliding(self) -> bool:
        """Whether a scene is on its way."""
        return self._glide is not None

    def submit(self, command: Command, frame: int) -> tuple[Reply, list[Action]]:
        """Apply one command; the reply says where its change lands."""
        conductor = self._conductor
        try:
            value, _ = conductor.scheduler.tree.check(command.path, command.value)
            if not value and conductor.scheduler.tree[command.path].kind == "trigger":
                return conductor.submit(command, frame)
            match command.path:
                case "scene/recall":
                    return self._recall(self.book.find(str(value)), command, frame)
                case "scene/next" | "scene/previous":
                    return self._recall(self.book.beside(_RECALLS[command.path]), command, frame)
                case "scene/store":
                    return self._store(str(value), command, frame)
                case "learn" if value:
                    _ = conductor.tree[str(value)]  # refused, with the nearest name, where there is no such parameter
                case "undo":
                    return self._go_to(self._history.undo(), command, frame)
                case "redo":
                    return self._go_to(self._history.redo(), command, frame)
            if self._picker.answers(command.path):
                return self._pick(replace(command, value=value), frame)
        except ParameterError as error:
            return Rejected(command, str(error)), []
        return self._pass_on(command, frame)

    def tick(self, frame: int) -> list[Action]:
        """Time has passed: every sixteenth note of a glide that is due, and whatever the Conductor decides."""
        actions: list[Action] = []
        while self._glide is not None and self._due_frame() <= frame:
            actions += self._step(self._glide, frame)
        return [*actions, *self._conductor.tick(frame)]

    def next_wakeup(self, frame: int) -> int | None:
        """The first frame after ``frame`` on which ``tick`` may have something to do."""
        wakeup = self._conductor.next_wakeup(frame)
        if self._glide is None:
            return wakeup
        mine = max(self._due_frame(), frame + 1)
        return mine if wakeup is None else min(mine, wakeup)

    # --- what is asked ----------------------------------------------------------------------------------------------

    def _pass_on(self, command: Command, frame: int) -> tuple[Reply, list[Action]]:
        before = self._conductor.state
        reply, actions = self._conductor.submit(command, frame)
        if isinstance(reply, Accepted):
            if self._glide is not None:
                self._glide = self._glide.without(command.path)
            made = [a.command.path for a in actions if isinstance(a, Applied) and a.command.source != drift.SOURCE]
            self._remember(before, {command.path, *made}, frame)
        return reply, actions

    def _recall(self, scene: Scene, command: Command, frame: int) -> tuple[Reply, list[Action]]:
        conductor, before = self._conductor, self._conductor.state
        bars = before.number("scene/morph_bars")
        named = Command("scene/recall", scene.name, command.source, command.stamp_ns)
        if bars <= 0.0:
            self._glide = None
            reply, actions = self._together(
                command, [named, *scene.commands(before, command.source, command.stamp_ns)], frame
            )
            self._remember(before, scene.values, frame)
        else:
            moment = conductor.moment(frame)
            glide, opening = plan_scene_morph(
                scene, before, conductor.scheduler.tree, moment.beat, bars, command.source
            )
            reply, actions = self._together(command, [named, *opening], frame)
            self._glide = glide
            self._step_beat = drift.next_step_beat(moment.beat)
            paths = {*scene.values, *(c.path for c in opening)} & before.values.keys()
            after = {path: scene.values.get(path, before[path]) for path in paths}
            self._history.record({path: before[path] for path in paths}, after, moment.seconds)
            if isinstance(reply, Accepted):
                seconds = (glide.end_beat - moment.beat) * 60.0 / moment.bpm
                reply = replace(reply, landing=Landing(command.path, glide.end_beat, seconds))
        self.book = self.book.at(scene.name)
        return reply, actions

    def _pick(self, command: Command, frame: int) -> tuple[Reply, list[Action]]:
        """A pad of a prompt list: the prompt it stands for, answered as the pad."""
        before = self._conductor.state
        prompts = self._picker.commands(command, before)
        reply, actions = self._together(command, [command, *prompts], frame, as_one=False)
        paths = {prompt.path for prompt in prompts}
        if self._glide is not None:
            for path in paths:
                self._glide = self._glide.without(path)
        self._remember(before, paths, frame)
        return reply, actions

    def _store(self, name: str, command: Command, frame: int) -> tuple[Reply, list[Action]]:
        book = self.book.stored(snapshot(name, self._conductor.state, self._conductor.scheduler.tree))
        reply, actions = self._conductor.submit(command, frame)
        self.book = book
        return reply, actions

    def _go_to(self, values: Mapping[str, Value] | None, command: Command, frame: int) -> tuple[Reply, list[Action]]:
        if values is None:
            return Rejected(command, f"there is nothing to {command.path}"), []
        self._glide = None
        state = self._conductor.state
        scene = Scene(command.path, values)
        return self._together(command, [command, *scene.commands(state, command.source, command.stamp_ns)], frame)

    # --- as one -----------------------------------------------------------------------------------------------------

    def _together(
        self, asked: Command, commands: Sequence[Command], frame: int, as_one: bool = True
    ) -> tuple[Reply, list[Action]]:
        """Submit ``commands`` as one change; the first of them answers what was ``asked``."""
        replies, actions = self._conductor.submit_all(commands, frame, as_one)
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
        moved = [
            p for p in paths if p in before.values and before[p] != after[p] and not p.startswith(("scene/", "learn"))
        ]
        seconds = self._conductor.moment(frame).seconds
        self._history.record({p: before[p] for p in moved}, {p: after[p] for p in moved}, seconds)

    # --- gliding ----------------------------------------------------------------------------------------------------

    def _due_frame(self) -> int:
        scheduler = self._conductor.scheduler
        return scheduler.timeline.frame_of(self._step_beat) - scheduler.lead_frames

    def _step(self, glide: SceneMorph, frame: int) -> list[Action]:
        """One sixteenth note: every fader ramps to where it is to be at the next one."""
        scheduler, beat = self._conductor.scheduler, self._step_beat
        for deck in sorted(glide.waiting):
            part = scheduler.decks[deck]
            if part.settled and part.launching is None:
                glide = glide.begun(deck, beat)
        next_beat = beat + drift.STEP_BEATS
        at_frame = scheduler.timeline.frame_of(beat)
        ramp_frames = scheduler.timeline.frame_of(next_beat) - at_frame
        commands = glide.commands(next_beat)
        replies, actions = self._conductor.submit_all(commands, frame)
        moment = scheduler.timeline.moment(at_frame)
        made: list[Action] = [Applied(c, r, moment) for c, r in zip(commands, replies, strict=True)]
        made += [_ramped(action, glide, at_frame, ramp_frames) for action in actions]
        self._glide, self._step_beat = glide, next_beat
        if next_beat >= glide.end_beat:
            self._glide = None
            last = glide.scene.commands(self._conductor.state, glide.source)
            if last:
                replies, actions = self._conductor.submit_all(last, frame, as_one=True)
                made += [Applied(c, r, moment) for c, r in zip(last, replies, strict=True)]
                made += actions
        return made


def _ramped(action: Action, glide: SceneMorph, at_frame: int, ramp_frames: int) -> Action:
    """A control that travels begins on the sixteenth note and takes all of it, or one would hear steps."""
    if isinstance(action, ToPlayerMessage) and isinstance(action.message, SetControl):
        message = action.message
        if message.name in glide.moves and message.at_frame is None:
            return ToPlayerMessage(replace(message, at_frame=at_frame, ramp_frames=ramp_frames))
    return action
