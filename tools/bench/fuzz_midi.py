"""Fuzzes MIDI during a whole set on virtual time: ``python -m tools.bench.fuzz_midi [--bytes 1000000]``.

A performer plays a set by MIDI while other controllers, one for every shipped map, send random bytes (see
``fuzz_set``).
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from riffengine.control.midi.binding import Binding
from riffengine.control.midi.controller_map import ControllerMap
from riffengine.control.midi.controllers import MidiSetup
from riffengine.control.midi.server import MidiServer
from riffengine.control.surface import SurfaceContext
from riffengine.performance.command import Command
from riffengine.performance.parameters import standard_tree
from riffengine.session.controller_map import read_map
from riffengine.session.named_files import MAPS, map_names
from tools.bench import fuzz_set
from tools.bench.fuzz_set import DECKS

OWN_PORT = "hands"
PROMPTS = ("techno", "jazz piano", "dub")
KNOBS = {
    path: number
    for number, path in enumerate(
        ["crossfader", *(f"deck/{deck}/{name}" for deck in DECKS for name in ("alpha", "gain"))]
    )
}
OWN = (
    *(Binding(path, "cc14", number, port=OWN_PORT) for path, number in KNOBS.items()),
    *(Binding(f"deck/{d}/prompt", "note", 40 + 10 * n, port=OWN_PORT, values=PROMPTS) for n, d in enumerate(DECKS)),
    Binding("next", "note", 70, port=OWN_PORT),
)
WILD = (
    Binding("deck/a/alpha", "nrpn", 300, port="wild"),
    Binding("deck/b/alpha", "nrpn", 5, port="wild", takeover="pickup"),
    Binding("crossfader", "cc14", 2, port="wild", takeover="scale"),
    Binding("deck/a/gain", "pitchbend", port="wild", takeover="pickup"),
    Binding("deck/b/gain", "aftertouch", port="wild"),
    Binding("deck/a/filter", "polytouch", 60, port="wild"),
    Binding("scene/recall", "program", 0, port="wild", values=("1", "2", "3")),
    Binding("chords", "chord", 0, to=127, port="wild", channel=2),
    Binding("deck/a/guidance", "cc", 20, port="wild", mode="relative-signed-bit"),
    Binding("deck/b/guidance", "cc", 21, port="wild", mode="relative-signed-bit-2"),
    Binding("transport/quantum", "cc", 22, port="wild", mode="relative-twos-complement"),
    Binding("transport/nudge", "cc", 23, port="wild", mode="relative-binary-offset", step=1.0),
)
LENGTHS = {0x80: 3, 0x90: 3, 0xA0: 3, 0xB0: 3, 0xC0: 2, 0xD0: 2, 0xE0: 3}
PARTS_OF_WIDE = {*range(64), *range(96, 102)}  # controllers that may complete fourteen bits or an NRPN


def messages(count: int, rng: random.Random) -> Iterator[bytes]:
    """``count`` random bytes in valid and invalid messages; most of them begin with a status byte."""
    left = count
    while left > 0:
        size = min(left, rng.choice((1, 2, 2, 3, 3, 3, 3, 4, 9)))
        message = bytearray(rng.randbytes(size))
        if rng.random() < 0.6:
            message[0] |= 0x80
            message[0] &= 0xF0 if rng.random() < 0.5 else 0xFF  # half of the messages are on channel 1
            for at in range(1, size):
                message[at] &= 0x7F if rng.random() < 0.9 else 0xFF
        left -= size
        yield bytes(message)


def maps() -> tuple[ControllerMap, ...]:
    """All shipped maps; the last one is for any controller."""
    found = [read_map(MAPS / f"{name}.yaml") for name in map_names()]
    return tuple(sorted(found, key=lambda one: one.match == ("*",)))


class Judge:
    """Decides whether a message could set anything; lenient, so a no is certain."""

    def __init__(self, found: Sequence[ControllerMap]) -> None:
        self._any = found[-1].bindings
        self._lines = {m.match[0]: m.bindings for m in found[:-1]} | {"wild": (*WILD, *self._any)}

    def may_set(self, message: bytes, label: str) -> bool:
        """Whether ``message`` is valid and belongs to a control in the map of its controller."""
        kind = message[0] & 0xF0
        if LENGTHS.get(kind) != len(message) or max(message[1:]) > 127:
            return False
        lines = self._lines.get(label, self._any)
        number = message[1]
        if kind == 0xB0:
            return number in PARTS_OF_WIDE or any(b.kind == "cc" and b.number == number for b in lines)
        kinds = {0x80: "note", 0x90: "note", 0xA0: "polytouch", 0xC0: "program", 0xD0: "aftertouch", 0xE0: "pitchbend"}
        if kind in (0xD0, 0xE0):
            return any(b.kind == kinds[kind] for b in lines)
        return any(
            kinds[kind] == ("note" if b.kind == "chord" else b.kind) and b.number <= number < b.number + b.span
            for b in lines
        )


class FuzzedSet(fuzz_set.FuzzedSet):
    """A set that is played by MIDI, with random bytes from other controllers."""

    def __init__(self, seconds: float, count: int, seed: int) -> None:
        tree = standard_tree(DECKS, ("drums", "bass", "harmony"), cue=True)
        pieces_per_step = 1 + int(count / 3 / (seconds * 8))
        super().__init__(tree, seconds, messages(count, random.Random(seed)), pieces_per_step, f"midi:{OWN_PORT}")
        shipped = maps()
        self._judge, self._heard = Judge(shipped), 0
        self._labels = [
            *(m.match[0] for m in shipped if m.match != ("*",)),
            "wild",
            "wild",
            "no map but the general one",
        ]
        setup = MidiSetup(bindings=(*OWN, *WILD), maps=shipped)
        context = SurfaceContext(tree, self.clock, self.submit, lambda: self.conductor.state)
        self.surface = MidiServer(context, setup)

    def perform(self, command: Command) -> None:
        for message in played(command):
            self.surface.handle(message, OWN_PORT, 0)

    def send_fuzz(self, piece: bytes) -> None:
        label = self.rng.choice(self._labels)
        self.verdict = self._judge.may_set(piece, label)
        self.findings.could_set += self.verdict
        self.surface.handle(piece, label, self._heard)
        if self.findings.pieces % 16 == 0:
            self.verdict = True  # a chord belongs to earlier keys
            self._heard += 50_000_000
            self.surface.tick(self._heard)


def played(command: Command) -> list[tuple[int, int, int]]:
    """The messages of the performer's controller for ``command``."""
    if command.path == "next":
        return [(0x90, 70, 100), (0x80, 70, 0)]
    if command.path.endswith("/prompt"):
        key = 40 + 10 * DECKS.index(command.path.split("/")[1]) + PROMPTS.index(str(command.value))
        return [(0x90, key, 100), (0x80, key, 0)]
    low, high = (-60.0, 6.0) if command.path.endswith("/gain") else (0.0, 1.0)
    value = round((float(command.value) - low) / (high - low) * 16383)
    return [(0xB0, KNOBS[command.path], value >> 7), (0xB0, KNOBS[command.path] + 32, value & 127)]


def measure(count: int, seed: int, seconds: float) -> dict[str, Any]:
    """Play the set with and without fuzz and return the figures."""
    verdict = fuzz_set.compare(lambda there: FuzzedSet(seconds, count * there, seed), seconds)
    counters = verdict.fuzzed.surface.counters
    return {
        "bytes": count,
        **verdict.figures,
        "performed": verdict.alone.surface.counters.accepted,
        "garbage": counters.garbage,
        "unbound": counters.unbound,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--bytes", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1800.0, help="of the set, on virtual time")
    arguments = parser.parse_args()
    return fuzz_set.printed(measure(arguments.bytes, arguments.seed, arguments.seconds))


if __name__ == "__main__":
    sys.exit(main())
