"""SchedulerState: everything the Conductor knows at one moment, shared by those who decide for it."""

from __future__ import annotations

from dataclasses import dataclass, field

from riffengine.errors import AudioFileError, ParameterError
from riffengine.performance import drift, takes
from riffengine.performance.command import Accepted, Command, Rejected, Reply
from riffengine.performance.parameters import ParameterTree
from riffengine.performance.state import PerformanceState
from riffengine.scheduler.actions import Policy
from riffengine.scheduler.deck_state import DeckState
from riffengine.scheduler.loop_pool import FinishedLoop, LoopPool
from riffengine.scheduler.mixer_controls import MixerControls
from riffengine.scheduler.morph_bank import BankKey, SessionFacts, bank_key
from riffengine.scheduler.quantise import landing_beats
from riffengine.scheduler.render_jobs import RenderJobs
from riffengine.scheduler.render_plan import RenderQuality
from riffengine.transport.quantum import quantum_beats
from riffengine.transport.timeline import Timeline

BENT_BEATS = 1.0


@dataclass
class Counters:
    """What happened so far, for the status line and the Report."""

    famines: int = 0
    launches: int = 0
    landings_moved: int = 0
    landing_error_frames_max: int = 0


@dataclass
class SchedulerState:
    """The state, the decks, the loops and the renderer, with the figures everybody needs."""

    tree: ParameterTree
    state: PerformanceState
    facts: SessionFacts
    timeline: Timeline
    decks: dict[str, DeckState]
    loops: LoopPool
    renders: RenderJobs
    mixer_controls: MixerControls
    policy: Policy
    counters: Counters = field(default_factory=Counters)
    led: bool = False  # somebody else sets the pace of the grid (see pacing)

    def __post_init__(self) -> None:
        self.lead_frames = self.frames(self.policy.lead_seconds)
        # What is decided later than this before its frame might reach the player late.
        self.margin_frames = self.lead_frames // 2
        self.settle_frames = self.frames(self.policy.settle_seconds)
        self.fade_frames = self.frames(self.policy.fade_seconds)

    def frames(self, seconds: float) -> int:
        """``seconds`` in whole frames."""
        return round(seconds * self.facts.sample_rate)

    @property
    def fineness(self) -> RenderQuality:
        """How fine loops are to be rendered now."""
        values = self.state.values
        return RenderQuality(int(values["draft_steps"]), int(values["steps"]), self.policy.alphas)

    @property
    def quantum(self) -> float:
        """Beats between two boundaries, for what has no quantum of its own.

        0 while nothing sounds, because then nothing is interrupted.
        """
        if not self.anything_sounds:
            return 0.0
        return quantum_beats(self.state.text("transport/quantum"), self.facts.beats)

    @property
    def anything_sounds(self) -> bool:
        """Whether the player was told to sound any bank."""
        return any(part.current is not None for part in self.decks.values())

    def alpha(self, part: DeckState) -> float:
        """Where the part's knob stands."""
        return float(self.state.values[f"deck/{part.name}/alpha"])

    def drift(self, part: DeckState) -> float:
        """Alpha per loop that the part walks."""
        return float(self.state.values[f"deck/{part.name}/drift"])

    def wanted_key(self, part: DeckState) -> BankKey:
        """The bank the state asks for on this deck."""
        return part.source_tempos.settled(bank_key(self.state.deck(part.name), self.state, self.facts))

    def quantum_of(self, part: DeckState, key: BankKey) -> float:
        """Beats between two boundaries on which ``part`` may come to sound ``key``; 0 is at once.

        What bends with a leader's grid is put in tune again on the next beat: the same music in phase is no change.
        """
        if part.current is None or not self.anything_sounds:
            return self.quantum
        beats = landing_beats(key, part.current.key, self.state.values, self.facts.beats)
        return min(beats, BENT_BEATS) if self.led and key.differs_in_tempo_alone(part.current.key) else beats

    def apply(self, command: Command) -> Reply:
        """Change the state; a file to start from must be there, and is looked at as it is now."""
        before = self.state
        if command.path.endswith("/init") and command.value and isinstance(command.value, str):
            try:
                self.facts.stamps.look(command.value)
            except AudioFileError as error:
                return Rejected(command, f"{command.path}: {error}")
        self.state, reply = self.tree.apply(before, command)
        if isinstance(reply, Accepted) and command.path.endswith("/alpha"):
            part = self.decks[command.path.split("/")[1]]
            travel = self.state.number(command.path) - before.number(command.path)
            part.direction = (travel > 0) - (travel < 0) or part.direction
        return reply

    def made_by(self, command: Command) -> list[Command] | Rejected:
        """What else ``command``, a trigger that fires, changes: ``next`` the prompts and seeds, ``again`` the takes.

        Rejected where nothing may be dreamt again.
        """
        words = command.path.split("/")
        if command.path == "next":
            return [c for p in self.decks for c in drift.rollover(p, self.state.deck(p), command.source)]
        if words[0] != "deck" or words[-1] != "again":
            return []
        values, part = self.state.values, self.decks[words[1]]
        wanted = (words[3],) if words[2] == "stem" else takes.stems_of(values, part.name)
        number = max(part.last_take, takes.last_number(values, part.name)) + 1
        try:
            text = takes.again(values, part.name, wanted, number, self.facts.beats)
        except ParameterError as error:
            return Rejected(command, str(error))
        part.last_take = number  # never the same noise again, not even after an undo
        return [Command(f"deck/{part.name}/takes", text, command.source)]

    def on_stage(self, loop: FinishedLoop) -> bool:
        """Whether a bank that sounds or is about to has ``loop``."""
        return any(
            loop in bank.placed.values()
            for part in self.decks.values()
            for bank in (part.sounding, part.launching)
            if bank is not None
        )
