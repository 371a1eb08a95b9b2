"""Random MIDI bytes against a whole set on virtual time: ``python -m tools.bench.fuzz_midi [--bytes 1000000]``.

A performer plays a set by MIDI; meanwhile other controllers, of every map that ships, send random bytes. The set is
played twice, with and without them, and must give the same samples. A judge that is written apart says of each message
whether it is one and whether a line of a map could answer it; one that could not and yet gives a command is a failure.
What could is kept from the music and only checked.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from riffengine.clock import VirtualClock
from riffengine.control.binding import Binding
from riffengine.control.controller_map import ControllerMap
from riffengine.control.midi import MidiSetup, MidiSurface
from riffengine.errors import ParameterError
from riffengine.midimap import SHIPPED, read_map, shipped_names
from riffengine.performance.command import Accepted, Command, Rejected, Reply
from riffengine.performance.parameters import ParameterTree, standard_tree
from riffengine.rehearsal import Line, Rehearsal, RendererScript
from tools.bench.fuzz_osc import DECKS, RSS_EVERY, RSS_WARM, _rss_kib, a_set

HANDS = "hands"
PROMPTS = ("techno", "jazz piano", "dub")
KNOBS = {
    path: number
    for number, path in enumerate(
        ["crossfader", *(f"deck/{deck}/{name}" for deck in DECKS for name in ("alpha", "gain"))]
    )
}
OWN = (
    *(Binding(path, "cc14", number, port=HANDS) for path, number in KNOBS.items()),
    *(Binding(f"deck/{d}/prompt", "note", 40 + 10 * n, port=HANDS, values=PROMPTS) for n, d in enumerate(DECKS)),
    Binding("next", "note", 70, port=HANDS),
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


def messages(count: int, chance: random.Random) -> Iterator[bytes]:
    """``count`` random bytes, cut as a driver would or would not: half of the pieces begin with a status byte."""
    left = count
    while left > 0:
        size = min(left, chance.choice((1, 2, 2, 3, 3, 3, 3, 4, 9)))
        message = bytearray(chance.randbytes(size))
        if chance.random() < 0.6:
            message[0] |= 0x80
            message[0] &= 0xF0 if chance.random() < 0.5 else 0xFF  # controllers are on channel 1 more than on others
            for at in range(1, size):
                message[at] &= 0x7F if chance.random() < 0.9 else 0xFF
        left -= size
        yield bytes(message)


def maps() -> tuple[ControllerMap, ...]:
    """Every map that ships, the one for every controller last."""
    found = [read_map(SHIPPED / f"{name}.yaml") for name in shipped_names()]
    return tuple(sorted(found, key=lambda one: one.match == ("*",)))


class Judge:
    """Whether a message could set anything; lenient, so that its no is certain."""

    def __init__(self, found: Sequence[ControllerMap]) -> None:
        self._any = found[-1].bindings
        self._lines = {m.match[0]: m.bindings for m in found[:-1]} | {"wild": (*WILD, *self._any)}

    def may_set(self, message: bytes, label: str) -> bool:
        """Whether ``message`` is one, of a control that a line of its controller is about."""
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


@dataclass
class Findings:
    """What came of the random bytes."""

    bytes: int = 0
    messages: int = 0
    could_set: int = 0
    commands: int = 0
    crashes: int = 0
    unjust: int = 0  # commands from a message that could not set anything
    changed: int = 0  # messages that changed the state of the set
    first: str = ""
    rss_early_kib: int = 0
    rss_late_kib: int = 0


class HeckledSet(Rehearsal):
    """A rehearsal whose commands come over MIDI, between the bytes of other controllers."""

    def __init__(self, *facts: Any, hecklers: Iterator[bytes], each: int, tree: ParameterTree, **more: Any) -> None:
        super().__init__(tree, *facts, **more)
        self.findings = Findings()
        self._hecklers, self._each, self._chance = hecklers, each, random.Random(9)
        shipped = maps()
        self._judge, self._tree, self._clock = Judge(shipped), tree, VirtualClock()
        self._labels = [
            *(m.match[0] for m in shipped if m.match != ("*",)),
            "wild",
            "wild",
            "no map but the general one",
        ]
        self._now, self._heard, self._verdict = 0, 0, True
        setup = MidiSetup(bindings=(*OWN, *WILD), maps=shipped)
        self.surface = MidiSurface(setup, tree, self._submit, lambda: self.conductor.state, self._clock)

    def _submit(self, command: Command) -> Reply:
        if command.source == f"midi:{HANDS}":
            reply, actions = self.conductor.submit(command, self._now)
            self.report.replies.append(reply)
            self._do(actions, self._now)
            return reply
        self.findings.commands += 1
        self.findings.unjust += not self._verdict
        try:
            value, _ = self._tree.check(command.path, command.value)
        except ParameterError as error:  # a binding never gives what its parameter does not take
            self.findings.unjust += 1
            return Rejected(command, str(error))
        return Accepted(command, value)

    def _happen(self, now: int) -> None:
        self._now = now
        for _ in range(self._each):
            message = next(self._hecklers, None)
            if message is None:
                break
            self.heckle(message)
        while self._events and self._events[0][0] <= now and isinstance(self._events[0][2], Line):
            line = self._events[0][2]
            self._events.pop(0)
            self._events.sort()
            for command in line.commands:
                for message in played(command):
                    self.surface.take(message, HANDS, 0)
        super()._happen(now)

    def heckle(self, message: bytes) -> None:
        """Another controller sends ``message``."""
        found, label = self.findings, self._chance.choice(self._labels)
        found.bytes += len(message)
        found.messages += 1
        self._verdict = self._judge.may_set(message, label)
        found.could_set += self._verdict
        before = self.conductor.state
        try:
            self.surface.take(message, label, self._heard)
            if found.messages % 16 == 0:
                self._verdict = True  # a chord is of the keys that went before
                self._heard += 50_000_000
                self.surface.settle(self._heard)
        except Exception as error:  # noqa: BLE001 (that there is none is what is measured)
            found.crashes += 1
            found.first = found.first or f"{type(error).__name__}: {error} at {message.hex(' ')} from {label}"
        found.changed += self.conductor.state is not before
        if found.messages % RSS_EVERY == 0:
            found.rss_late_kib = _rss_kib()
            if found.messages <= RSS_WARM:
                found.rss_early_kib = found.rss_late_kib


def played(command: Command) -> list[tuple[int, int, int]]:
    """The messages by which the performer's controller says ``command``."""
    if command.path == "next":
        return [(0x90, 70, 100), (0x80, 70, 0)]
    if command.path.endswith("/prompt"):
        key = 40 + 10 * DECKS.index(command.path.split("/")[1]) + PROMPTS.index(str(command.value))
        return [(0x90, key, 100), (0x80, key, 0)]
    low, high = (-60.0, 6.0) if command.path.endswith("/gain") else (0.0, 1.0)
    value = round((float(command.value) - low) / (high - low) * 16383)
    return [(0xB0, KNOBS[command.path], value >> 7), (0xB0, KNOBS[command.path] + 32, value & 127)]


def play(seconds: float, count: int, seed: int) -> tuple[str, Findings, MidiSurface]:
    """One set with ``count`` random bytes in it: the digest of its samples, and what was found."""
    tree = standard_tree(DECKS, ("drums", "bass", "harmony"), cue=True)
    hecklers = messages(count, random.Random(seed))
    heckled = HeckledSet(
        tree.initial_state(),
        a_set(seconds),
        RendererScript(seed=1),
        hecklers=hecklers,
        each=1 + int(count / 3 / (seconds * 8)),
        tree=tree,
    )
    report = heckled.run(seconds)
    while (message := next(hecklers, None)) is not None:
        heckled.heckle(message)
    return report.digest, heckled.findings, heckled.surface


def measure(count: int, seed: int, seconds: float) -> dict[str, Any]:
    """Play it with and without them, and say what was found."""
    began = time.perf_counter()
    alone, _, hands = play(seconds, 0, seed)
    digest, found, surface = play(seconds, count, seed)
    return {
        **asdict(found),
        "performed": hands.counters.accepted,
        "digest_alone": alone,
        "digest": digest,
        "same_sound": alone == digest,
        "garbage": surface.counters.garbage,
        "unbound": surface.counters.unbound,
        "set_seconds": seconds,
        "wall_seconds": round(time.perf_counter() - began, 1),
        "machine": {"cores": os.cpu_count(), "load": os.getloadavg()[0], "python": platform.python_version()},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--bytes", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1800.0, help="of the set, on virtual time")
    arguments = parser.parse_args()
    result = measure(arguments.bytes, arguments.seed, arguments.seconds)
    print(json.dumps(result, indent=1))
    return int(bool(result["crashes"] or result["unjust"] or result["changed"] or not result["same_sound"]))


if __name__ == "__main__":
    sys.exit(main())
