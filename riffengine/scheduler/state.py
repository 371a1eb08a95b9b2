"""SchedulerState: everything the Conductor knows at one moment, read by all modules of the scheduler.

Each of its parts is written by its own module only; ``state`` by ``apply``, ``externally_timed`` and ``standing``
by ``tempo_follow``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from riffengine.errors import AudioFileError, ParameterError
from riffengine.performance import drift
from riffengine.performance.command import Command, Rejected, Reply, Value
from riffengine.performance.parameter_tree import Checked, Parameter, ParameterTree
from riffengine.performance.routing import Handler, handler_of
from riffengine.performance.state import PerformanceState
from riffengine.processes.parameter_path import parse_path, stems_of
from riffengine.scheduler.actions import Policy
from riffengine.scheduler.deck_state import DeckState
from riffengine.scheduler.loop_pool import FinishedLoop, LoopPool
from riffengine.scheduler.master_fade import MasterFade
from riffengine.scheduler.morph_bank import BankKey, SessionFacts, bank_key
from riffengine.scheduler.quantise import landing_beats
from riffengine.scheduler.render_jobs import RenderJobs
from riffengine.scheduler.render_plan import RenderQuality
from riffengine.transport.beat_grid import quantum_beats
from riffengine.transport.timeline import Timeline

_RETUNE_BEATS = 1.0  # loops that bend with an external tempo are replaced within this


@dataclass
class Counters:
    """What happened so far, for the status line and the Report."""

    famines: int = 0
    launches: int = 0
    landings_moved: int = 0
    landing_error_frames_max: int = 0


@dataclass
class SchedulerState:
    """The performance state, the decks, the loops and the render jobs, with the figures every module needs."""

    tree: ParameterTree
    state: PerformanceState
    facts: SessionFacts
    timeline: Timeline
    decks: dict[str, DeckState]
    loops: LoopPool
    renders: RenderJobs
    master_fade: MasterFade
    policy: Policy
    counters: Counters = field(default_factory=Counters)
    externally_timed: bool = False  # an external source sets the tempo of the grid (see tempo_follow)
    standing: bool = False  # that source stands on a beat: nothing is heard, and nothing is interrupted by a change

    def __post_init__(self) -> None:
        self.set_plugin_lead(0)
        self.settle_frames = self.frames(self.policy.settle_seconds)
        self.fade_frames = self.frames(self.policy.fade_seconds)

    def set_plugin_lead(self, frames: int) -> None:
        """The player reads loops ``frames`` ahead of its faders, for plugins that delay the sound."""
        lead_frames = self.frames(self.policy.lead_seconds)
        self.lead_frames = lead_frames + frames
        # What is decided later than this before its frame might reach the player late.
        self.margin_frames = lead_frames // 2 + frames

    def join(self, parameters: Sequence[Parameter], values: Mapping[str, Value]) -> None:
        """The parameters of a plugin and their values join the tree and the state."""
        self.tree.join(parameters)
        changed = {**self.state.values, **values}
        self.state = PerformanceState(MappingProxyType(changed), self.state.revision + 1)

    def leave(self, paths: Sequence[str]) -> None:
        """The parameters at ``paths`` leave the tree and the state."""
        self.tree.leave(paths)
        left = {path: value for path, value in self.state.values.items() if path not in frozenset(paths)}
        self.state = PerformanceState(MappingProxyType(left), self.state.revision + 1)

    def frames(self, seconds: float) -> int:
        """``seconds`` in whole frames."""
        return round(seconds * self.facts.sample_rate)

    @property
    def quality(self) -> RenderQuality:
        """The denoising steps that loops are rendered with now."""
        values = self.state.values
        return RenderQuality(int(values["draft_steps"]), int(values["steps"]), self.policy.alphas)

    @property
    def quantum(self) -> float:
        """Beats between two boundaries, for what has no quantum of its own.

        0 while nothing sounds, because then nothing is interrupted.
        """
        if not self.anything_sounds or self.standing:
            return 0.0
        return quantum_beats(self.state.text("transport/quantum"), self.facts.beats)

    @property
    def anything_sounds(self) -> bool:
        """Whether the player was told to sound any bank."""
        return any(deck.current is not None for deck in self.decks.values())

    def alpha(self, deck: DeckState) -> float:
        """The alpha of ``deck``."""
        return float(self.state.values[f"deck/{deck.name}/alpha"])

    def drift(self, deck: DeckState) -> float:
        """Alpha per loop that ``deck`` drifts."""
        return float(self.state.values[f"deck/{deck.name}/drift"])

    def wanted_key(self, deck: DeckState) -> BankKey:
        """The bank that the performance state asks for on ``deck``."""
        return deck.source_tempos.settled(bank_key(self.state.deck(deck.name), self.state, self.facts))

    def quantum_of(self, deck: DeckState, key: BankKey) -> float:
        """Beats between two boundaries on which ``deck`` may come to sound ``key``; 0 is at once.

        Loops that bend with an external tempo are replaced on the next beat: the same music in phase is no change.
        """
        if deck.current is None or not self.anything_sounds or self.standing:
            return self.quantum
        beats = landing_beats(key, deck.current.key, self.state.values, self.facts.beats)
        retuned = self.externally_timed and key.differs_in_tempo_alone(deck.current.key)
        return min(beats, _RETUNE_BEATS) if retuned else beats

    def apply(self, checked: Checked) -> Reply:
        """Change the performance state; a file to start from must exist, and its content is looked at now."""
        command, before = checked.command, self.state
        handler = handler_of(command.path)
        if handler is Handler.INIT and command.value:
            try:
                self.facts.file_hashes.look(str(command.value))
            except AudioFileError as error:
                return Rejected(checked.asked, f"{command.path}: {error}")
        self.state, reply = self.tree.apply_checked(before, checked)
        if handler is Handler.ALPHA:
            travel = self.state.number(command.path) - before.number(command.path)
            self.decks[parse_path(command.path).deck].move_alpha(before.number(command.path), travel)
        return reply

    def consequences(self, command: Command) -> list[Command] | Rejected:
        """What else ``command`` changes where it is a trigger that fires: prompts and seeds, or takes.

        Rejected where everything is frozen and nothing may be generated again.
        """
        handler = handler_of(command.path)
        if handler is Handler.NEXT:
            decks = self.decks
            return [c for name in decks for c in drift.rollover(name, self.state.deck(name), command.source)]
        if handler is not Handler.AGAIN:
            return []
        path = parse_path(command.path)
        deck, stems = self.decks[path.deck], (path.stem,) if path.stem else stems_of(self.state.values, path.deck)
        try:
            text = deck.next_take(self.state.values, stems, self.facts.beats)
        except ParameterError as error:
            return Rejected(command, str(error))
        return [Command(f"deck/{deck.name}/takes", text, command.source)]

    def in_use(self, loop: FinishedLoop) -> bool:
        """Whether a bank that sounds or is about to has ``loop``."""
        return any(
            loop in bank.placed.values()
            for deck in self.decks.values()
            for bank in (deck.sounding, deck.launching)
            if bank is not None
        )
