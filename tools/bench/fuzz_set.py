"""FuzzedSet, the base of the fuzzers: a set on virtual time whose surface also receives data from other senders.

The set is played twice, with and without the fuzz, and both must give the same samples. A separately written judge says
of each piece of fuzz whether it could set anything. A piece that could not and yet gives a command is a failure. A
command from a piece that could is only checked, not played.
"""

from __future__ import annotations

import json
import os
import platform
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from riffengine.clock import VirtualClock
from riffengine.errors import ParameterError
from riffengine.performance.command import Accepted, Command, Rejected, Reply
from riffengine.performance.parameter_tree import ParameterTree
from riffengine.rehearsal import Rehearsal, RendererScript, ScriptLine

DECKS = ("a", "b")
_RSS_WARM = 100_000  # pieces until all caches are full
_RSS_EVERY = 10_000  # pieces
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


@dataclass
class Findings:
    """Counts of the effects of the fuzz."""

    pieces: int = 0
    could_set: int = 0
    commands: int = 0
    crashes: int = 0
    unjust: int = 0  # commands from a piece that could not set anything
    changed: int = 0  # pieces that changed the state of the set
    first: str = ""  # crash or unjust command
    rss_early_kib: int = 0
    rss_late_kib: int = 0


class FuzzedSet(Rehearsal, ABC):
    """A rehearsal whose commands come through a real surface, which also gets ``fuzz``.

    ``pieces_per_step`` pieces are sent before every step. ``performer`` is the source of the commands that are played.
    """

    def __init__(
        self, tree: ParameterTree, seconds: float, fuzz: Iterator[bytes], pieces_per_step: int, performer: str
    ) -> None:
        super().__init__(tree, tree.initial_state(), performed_script(seconds), RendererScript(seed=1))
        self.findings = Findings()
        self.tree, self.clock, self.rng = tree, VirtualClock(), random.Random(9)
        self.verdict = True  # whether the current piece may give a command
        self._fuzz, self._pieces_per_step, self._performer = fuzz, pieces_per_step, performer
        self._now = 0

    @abstractmethod
    def perform(self, command: Command) -> None:
        """Send ``command`` to the surface as the performer."""

    @abstractmethod
    def send_fuzz(self, piece: bytes) -> None:
        """Set ``verdict`` and send ``piece`` to the surface as another sender."""

    def submit(self, command: Command) -> Reply:
        """Take a command of the surface."""
        if command.source == self._performer:
            reply, actions = self.conductor.submit(command, self._now)
            self.report.replies.append(reply)
            self._carry_out(actions, self._now)
            return reply
        self.findings.commands += 1
        self.findings.unjust += not self.verdict
        try:
            value, _ = self.tree.check(command.path, command.value)
        except ParameterError as error:  # the surface had checked it
            self.findings.unjust += 1
            return Rejected(command, str(error))
        return Accepted(command, value)

    def feed(self, piece: bytes) -> None:
        """Send ``piece`` and count the result."""
        found = self.findings
        found.pieces += 1
        before, unjust = self.conductor.state, found.unjust
        try:
            self.send_fuzz(piece)
        except Exception as error:  # noqa: BLE001 (the fuzzer counts exceptions)
            found.crashes += 1
            found.first = found.first or f"{type(error).__name__}: {error} at {piece!r}"
        if found.unjust > unjust:
            found.first = found.first or f"a command from {piece!r}"
        found.changed += self.conductor.state is not before
        if found.pieces % _RSS_EVERY == 0:
            found.rss_late_kib = _rss_kib()
            if found.pieces <= _RSS_WARM:
                found.rss_early_kib = found.rss_late_kib

    def digest(self, seconds: float) -> str:
        """The digest of the samples of the whole set; the rest of the fuzz is sent after it."""
        report = self.run(seconds)
        for piece in self._fuzz:
            self.feed(piece)
        return report.digest

    def _handle_due_events(self, now: int) -> None:
        self._now = now
        for _ in range(self._pieces_per_step):
            piece = next(self._fuzz, None)
            if piece is None:
                break
            self.feed(piece)
        while self._events and self._events[0][0] <= now and isinstance(self._events[0][2], ScriptLine):
            line = self._events[0][2]
            self._events.pop(0)
            self._events.sort()
            for command in line.commands:
                self.perform(command)
        super()._handle_due_events(now)


def performed_script(seconds: float) -> list[ScriptLine]:
    """A script of random commands, always the same."""
    rng, lines, at = random.Random("hands"), [], 5.0
    while at < seconds:
        deck = rng.choice(DECKS)
        commands = (
            Command(f"deck/{deck}/prompt", rng.choice(("techno", "jazz piano", "dub"))),
            Command(f"deck/{deck}/alpha", round(rng.random(), 3)),
            Command("crossfader", round(rng.random(), 2)),
            Command(f"deck/{deck}/gain", -float(rng.randrange(12))),
            Command("next", True),
        )
        lines.append(ScriptLine((rng.choice(commands),), at))
        at += rng.expovariate(0.5)
    return lines


Fuzzed = TypeVar("Fuzzed", bound=FuzzedSet)


@dataclass(frozen=True)
class Comparison(Generic[Fuzzed]):
    """The set ``alone`` and ``fuzzed``, with the figures of both."""

    alone: Fuzzed
    fuzzed: Fuzzed
    figures: dict[str, Any]


def compare(prepare: Callable[[bool], Fuzzed], seconds: float) -> Comparison[Fuzzed]:
    """Play the set without and with fuzz; ``prepare`` gets whether there is fuzz."""
    began = time.perf_counter()
    alone, fuzzed = prepare(False), prepare(True)
    digest_alone, digest = alone.digest(seconds), fuzzed.digest(seconds)
    figures = {
        **asdict(fuzzed.findings),
        "digest_alone": digest_alone,
        "digest": digest,
        "same_sound": digest_alone == digest,
        "set_seconds": seconds,
        "wall_seconds": round(time.perf_counter() - began, 1),
        "machine": {"cores": os.cpu_count(), "load": os.getloadavg()[0], "python": platform.python_version()},
    }
    return Comparison(alone, fuzzed, figures)


def printed(figures: dict[str, Any]) -> int:
    """Print ``figures`` and return the exit status."""
    print(json.dumps(figures, indent=1))
    return int(bool(figures["crashes"] or figures["unjust"] or figures["changed"] or not figures["same_sound"]))


def _rss_kib() -> int:
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * _PAGE_KIB if statm.exists() else 0
