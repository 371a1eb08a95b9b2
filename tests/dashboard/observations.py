"""A performance without processes: the real ScenePlayer and Conductor on virtual time; renders never fail."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from riffengine.engine.snapshot import figures
from riffengine.performance.command import Command, Reply
from riffengine.performance.latency import LatencyHistogram
from riffengine.performance.parameters import standard_tree
from riffengine.performance.scenes import Scene
from riffengine.processes.player_messages import BankLanded, FreeLoop, LaunchBank, LoopFreed, LoopRef, PlaceLoop, Status
from riffengine.processes.render_messages import Cancel, Cancelled, Delivery, Ready, Render, RenderCost
from riffengine.scheduler.actions import Action, ToPlayerMessage, ToRendererMessage
from riffengine.scheduler.conductor import Conductor
from riffengine.scheduler.scene_player import ScenePlayer
from riffengine.telemetry.observation import Observation, Pending
from riffengine.transport.beat_grid import BeatGrid

RATE = 44100
TICK = RATE // 50
STEMS = ("drums", "bass", "harmony")


class SimulatedSet:
    """A set of the named decks (two by default) with two scenes; ``play`` advances the time."""

    def __init__(self, decks: tuple[str, ...] = ("a", "b")) -> None:
        tree = standard_tree(decks, STEMS)
        self.conductor = Conductor(tree, tree.initial_state(), BeatGrid(RATE, 120.0), decks, 48)
        scenes = (Scene("intro", {"deck/a/prompt": "pad"}), Scene("drop", {"deck/a/prompt": "techno"}))
        self.scene_player = ScenePlayer(self.conductor, scenes)
        self.frame = 0
        self.commands: list[Command] = []
        self.underruns = 0
        self.recording = ""
        self.activity = {"OSC": 0, "MIDI": 0}
        self.latency = LatencyHistogram()
        self._jobs: deque[Render | Cancel] = deque()
        self._launches: list[LaunchBank] = []
        self._loops: dict[int, LoopRef] = {}
        self._carry_out(self.scene_player.tick(0))
        self._carry_out(self.conductor.start(0))
        self._carry_out(self.conductor.renderer_ready(0, Ready("scripted", STEMS, 2, (), 0.1, "")))

    def submit(self, command: Command) -> Reply:
        self.commands.append(command)
        reply, actions = self.scene_player.submit(command, self.frame)
        self._carry_out(actions)
        self.latency.add(8.0)
        return reply

    def play(self, seconds: float) -> None:
        end = self.frame + round(seconds * RATE)
        while self.frame < end:
            self.frame += TICK
            if self._jobs:
                self._render(self._jobs.popleft())
            due = [launch for launch in self._launches if (launch.at_frame or 0) <= self.frame]
            self._launches = [launch for launch in self._launches if launch not in due]
            for launch in due:
                at = launch.at_frame if launch.at_frame is not None else self.frame
                landed = BankLanded(launch.deck, launch.bank, at, launch.at_frame)
                self._carry_out(self.conductor.reported(self.frame, landed))
            self._carry_out(self.scene_player.tick(self.frame))

    def observation(self) -> Observation:
        status = self.conductor.status(self.frame)
        decks = self.conductor.scheduler.decks.values()
        pending = tuple(Pending(p.path, p.beat, 1.0) for deck in decks for p in deck.promises.values())
        return Observation(
            host_ns=0,
            name="Tonight",
            conductor=status,
            player=Status(self.frame, 0, self.underruns, 0, 0.5, 0.04),
            sounding=any(deck.sounding for deck in status.decks),
            output="paced",
            values=dict(self.conductor.state.values),
            latency={"immediate": figures(self.latency)},
            pending=pending,
            scenes=tuple(scene.name for scene in self.scene_player.book.scenes),
            scene=self.scene_player.book.current,
            activity=dict(self.activity),
            recording=self.recording,
        )

    def _render(self, message: Render | Cancel) -> None:
        if isinstance(message, Cancel):
            self._carry_out(self.conductor.cancelled(self.frame, Cancelled(message.job)))
            return
        request = message.request
        frames = BeatGrid(RATE, request.bpm).loop_frames(request.beats)
        delivery = Delivery(message.job, message.slot, request, frames, 2, STEMS, -14.0, 0.25, RenderCost())
        self._carry_out(self.conductor.delivered(self.frame, delivery))

    def _carry_out(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, ToRendererMessage):
                if isinstance(action.message, Cancel):
                    self._jobs = deque(j for j in self._jobs if j.job != action.message.job)
                self._jobs.append(action.message)
            elif isinstance(action, ToPlayerMessage):
                message = action.message
                if isinstance(message, LaunchBank):
                    self._launches = [w for w in self._launches if w.deck != message.deck]
                    self._launches.append(message)
                elif isinstance(message, PlaceLoop):
                    self._loops[message.loop.loop] = message.loop
                elif isinstance(message, FreeLoop) and message.loop in self._loops:
                    loop = self._loops.pop(message.loop)
                    self._carry_out(self.conductor.reported(self.frame, LoopFreed(loop.loop, loop.slot)))
