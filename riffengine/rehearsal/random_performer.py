"""RandomPerformer: plays a preset for hours with random gestures, which are always the same for one seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from riffengine.performance.command import Command
from riffengine.performance.state import PerformanceState
from riffengine.rehearsal.rehearsal import ScriptLine
from riffengine.transport.sync.source import FASTEST_BPM, SLOWEST_BPM

SOURCE = "performer"
_WORDS = ("techno", "ambient, pad", "drum and bass", "jazz, piano", "dub, harmonica", "house, organ", "lo-fi")
# Factors of the preset's tempo at which loops are still whole frames.
_TEMPI = (8 / 9, 9 / 10, 15 / 16, 1.0, 16 / 15, 10 / 9, 9 / 8)
_QUANTA = ("off", "beat", "bar", "2bars", "loop")
_WEIGHTS = {
    "prompt": 6,
    "to": 3,
    "seed": 4,
    "alpha": 5,
    "slide": 3,
    "scrub": 2,
    "drift": 1,
    "tempo": 1,
    "key": 1,
    "quantum": 1,
    "mix": 4,
    "next": 2,
    "scene": 2,
    "panic": 0.3,
}
_FADER_HZ = 50.0  # messages per second while a fader moves


class RandomPerformer:
    """Plays the ``decks`` of a preset with the initial ``state``; ``prompts`` are more texts that it may type.

    A gesture follows every ``every_seconds`` on average. Pure: the script depends only on the arguments.
    """

    def __init__(
        self,
        state: PerformanceState,
        decks: Sequence[str],
        seed: int,
        every_seconds: float = 30.0,
        prompts: Sequence[str] = (),
    ) -> None:
        self._state, self._decks = state, tuple(decks)
        self._every_seconds = every_seconds
        self._rng = random.Random(f"performer {seed}")
        typed = {state.text(f"deck/{deck}/{end}") for deck in decks for end in ("prompt", "to")}
        self._prompts = tuple(sorted({*typed, *prompts, *_WORDS} - {""}))

    def lines(self, seconds: float) -> Iterator[ScriptLine]:
        """All gestures of the first ``seconds``, in order of time."""
        at = 3.0
        while (at := at + self._rng.expovariate(1.0 / self._every_seconds)) < seconds - 3.0:
            kind = self._rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
            for line in self._gesture(kind, at):
                yield line
                at = line.seconds  # one person plays: a gesture ends before the next one starts

    def _gesture(self, kind: str, at: float) -> list[ScriptLine]:
        rng = self._rng
        deck = f"deck/{rng.choice(self._decks)}"
        match kind:
            case "prompt" | "to":
                return [self._set(f"{deck}/{kind}", rng.choice(self._prompts), at)]
            case "seed":
                return [self._set(f"{deck}/seed", rng.randrange(10_000), at)]
            case "alpha":
                return [self._set(f"{deck}/alpha", round(rng.random(), 3), at)]
            case "slide":
                return self._fader(f"{deck}/alpha", 0.0, 1.0, at)
            case "scrub":
                return self._fader(f"{deck}/guidance", 1.0, 9.0, at)
            case "drift":
                return [self._set(f"{deck}/drift", rng.choice((0.0, 0.05, 0.125, 0.5)), at)]
            case "tempo":
                bpm = self._state.number("transport/tempo") * rng.choice(_TEMPI)
                return [self._set("transport/tempo", min(max(bpm, SLOWEST_BPM), FASTEST_BPM), at)]
            case "key":
                return [self._set("key", rng.choice(("", "A minor", "G minor", "D major")), at)]
            case "quantum":
                return [self._set("transport/quantum", rng.choice(_QUANTA), at)]
            case "mix":
                return self._mix(deck, at)
            case "scene":  # several changes in one bundle
                commands = [self._command(f"deck/{d}/prompt", rng.choice(self._prompts)) for d in self._decks]
                commands.append(self._command(f"{deck}/seed", rng.randrange(10_000)))
                return [ScriptLine(tuple(commands), at)]
            case "panic":  # on and off again
                return [self._set("panic", True, at), self._set("panic", True, at + rng.uniform(0.3, 3.0))]
        return [self._set("next", True, at)]

    def _mix(self, deck: str, at: float) -> list[ScriptLine]:
        rng = self._rng
        paths = {
            f"{deck}/gain": (-12.0, 0.0),
            "master/gain": (-9.0, 0.0),
            f"{deck}/filter": (-0.5, 0.0),
            "crossfader": (0.2, 0.8),
        }
        path, (low, high) = rng.choice(list(paths.items()))
        return self._fader(path, low, high, at)

    def _fader(self, path: str, low: float, high: float, at: float) -> list[ScriptLine]:
        """A fader move of up to three seconds, with a message every 20 ms."""
        rng = self._rng
        start, goal = rng.uniform(low, high), rng.uniform(low, high)
        moves = rng.randrange(5, 150)
        return [
            self._set(path, start + (goal - start) * move / moves, at + move / _FADER_HZ) for move in range(moves + 1)
        ]

    @staticmethod
    def _set(path: str, value: float | str | bool, at: float) -> ScriptLine:
        return ScriptLine((RandomPerformer._command(path, value),), at)

    @staticmethod
    def _command(path: str, value: float | str | bool) -> Command:
        return Command(path, value, SOURCE)
