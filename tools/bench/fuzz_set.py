"""What the fuzzers share: a set on virtual time that one performs, and hecklers who send anything in between.

The set is played twice, with and without the hecklers, and must give the same samples. A judge that is written apart
says of each piece whether it could set anything; one that could not and yet gives a command is a failure. What could is
kept from the music and only checked.
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
from riffengine.performance.parameters import ParameterTree
from riffengine.rehearsal import Line, Rehearsal, RendererScript

DECKS = ("a", "b")
_RSS_WARM = 100_000  # pieces until every cache is full
_RSS_EVERY = 10_000  # pieces
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


@dataclass
class Findings:
    """What came of the pieces."""

    pieces: int = 0
    could_set: int = 0
    commands: int = 0
    crashes: int = 0
    unjust: int = 0  # commands from a piece that could not set anything
    changed: int = 0  # pieces that changed the state of the set
    first: str = ""  # crash or unjust command
    rss_early_kib: int = 0
    rss_late_kib: int = 0


class HeckledSet(Rehearsal, ABC):
    """A rehearsal whose commands come over a real surface, between the pieces of ``hecklers``, ``each`` at a time.

    ``performer`` is the source of the commands that are the music.
    """

    def __init__(
        self, tree: ParameterTree, seconds: float, hecklers: Iterator[bytes], each: int, performer: str
    ) -> None:
        super().__init__(tree, tree.initial_state(), a_set(seconds), RendererScript(seed=1))
        self.findings = Findings()
        self.tree, self.clock, self.chance = tree, VirtualClock(), random.Random(9)
        self.verdict = True  # whether what is heard just now may give a command
        self._hecklers, self._each, self._performer = hecklers, each, performer
        self._now = 0

    @abstractmethod
    def perform(self, command: Command) -> None:
        """The performer says ``command`` to the surface."""

    @abstractmethod
    def throw(self, piece: bytes) -> None:
        """A heckler says ``piece``; sets ``verdict`` first."""

    def submit(self, command: Command) -> Reply:
        """What the surface calls with every command."""
        if command.source == self._performer:
            reply, actions = self.conductor.submit(command, self._now)
            self.report.replies.append(reply)
            self._do(actions, self._now)
            return reply
        self.findings.commands += 1
        self.findings.unjust += not self.verdict
        try:
            value, _ = self.tree.check(command.path, command.value)
        except ParameterError as error:  # the surface had checked it
            self.findings.unjust += 1
            return Rejected(command, str(error))
        return Accepted(command, value)

    def heckle(self, piece: bytes) -> None:
        """Somebody else sends ``piece``."""
        found = self.findings
        found.pieces += 1
        before, unjust = self.conductor.state, found.unjust
        try:
            self.throw(piece)
        except Exception as error:  # noqa: BLE001 (that there is none is what is measured)
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
        """Of the samples of the whole set, after which the hecklers go on until they have nothing left to say."""
        report = self.run(seconds)
        for piece in self._hecklers:
            self.heckle(piece)
        return report.digest

    def _happen(self, now: int) -> None:
        self._now = now
        for _ in range(self._each):
            piece = next(self._hecklers, None)
            if piece is None:
                break
            self.heckle(piece)
        while self._events and self._events[0][0] <= now and isinstance(self._events[0][2], Line):
            line = self._events[0][2]
            self._events.pop(0)
            self._events.sort()
            for command in line.commands:
                self.perform(command)
        super()._happen(now)


def a_set(seconds: float) -> list[Line]:
    """Somebody plays, always the same."""
    chance, lines, at = random.Random("hands"), [], 5.0
    while at < seconds:
        deck = chance.choice(DECKS)
        commands = (
            Command(f"deck/{deck}/prompt", chance.choice(("techno", "jazz piano", "dub"))),
            Command(f"deck/{deck}/alpha", round(chance.random(), 3)),
            Command("crossfader", round(chance.random(), 2)),
            Command(f"deck/{deck}/gain", -float(chance.randrange(12))),
            Command("next", True),
        )
        lines.append(Line((chance.choice(commands),), at))
        at += chance.expovariate(0.5)
    return lines


Heckled = TypeVar("Heckled", bound=HeckledSet)


@dataclass(frozen=True)
class Verdict(Generic[Heckled]):
    """The set ``alone`` and ``heckled``, with the figures of both."""

    alone: Heckled
    heckled: Heckled
    figures: dict[str, Any]


def compare(prepare: Callable[[bool], Heckled], seconds: float) -> Verdict[Heckled]:
    """Play the set without hecklers and with them; ``prepare`` is told whether they are there."""
    began = time.perf_counter()
    alone, heckled = prepare(False), prepare(True)
    digest_alone, digest = alone.digest(seconds), heckled.digest(seconds)
    figures = {
        **asdict(heckled.findings),
        "digest_alone": digest_alone,
        "digest": digest,
        "same_sound": digest_alone == digest,
        "set_seconds": seconds,
        "wall_seconds": round(time.perf_counter() - began, 1),
        "machine": {"cores": os.cpu_count(), "load": os.getloadavg()[0], "python": platform.python_version()},
    }
    return Verdict(alone, heckled, figures)


def printed(figures: dict[str, Any]) -> int:
    """The exit status, after ``figures`` have been printed."""
    print(json.dumps(figures, indent=1))
    return int(bool(figures["crashes"] or figures["unjust"] or figures["changed"] or not figures["same_sound"]))


def _rss_kib() -> int:
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * _PAGE_KIB if statm.exists() else 0
