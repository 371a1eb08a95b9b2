"""Mangled OSC against a whole set on virtual time: ``python -m tools.bench.fuzz_osc [--datagrams 1000000] [--seed 1]``.

A performer plays a set by OSC; meanwhile others send datagrams that are mangled in every way. The set is played
twice, with and without them, and must give the same samples. A judge that is written apart says of each datagram
whether it could set anything; one that could not and yet gives a command is a failure. What could is kept from the
music and only checked.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import random
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pythonosc.osc_message import OscMessage

from riffengine.clock import VirtualClock
from riffengine.control.osc import OscServer
from riffengine.control.osc_inbox import Sender
from riffengine.control.osc_wire import encode, time_tag
from riffengine.errors import ControlError, ParameterError
from riffengine.performance.command import Accepted, Command, Landing, Rejected, Reply
from riffengine.performance.parameters import ParameterTree, standard_tree
from riffengine.rehearsal import Line, Rehearsal, RendererScript

DECKS = ("a", "b")
PERFORMER: Sender = ("127.0.0.1", 9001)
HECKLERS = [("127.0.0.1", 20000 + number) for number in range(40)]
RSS_WARM = 100_000  # datagrams until every cache is full
RSS_EVERY = 10_000  # datagrams
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


def bundle(tag: int, *messages: bytes) -> bytes:
    return b"#bundle\0" + struct.pack(">Q", tag) + b"".join(struct.pack(">i", len(m)) + m for m in messages)


def seeds(tree: ParameterTree) -> list[bytes]:
    """Well-formed datagrams of every kind, from which the mangled ones are made."""
    plain = [encode(f"/riff/{path}", 0.25) for path in tree.parameters]
    asked = [encode(f"/riff/{path}") for path in list(tree.parameters)[::3]]
    alpha, prompt = encode("/riff/deck/a/alpha", 0.25), encode("/riff/deck/b/prompt", "techno, dark")
    meta = [encode(f"/riff/{name}", 1) for name in ("notify", "sync", "status", "help", "ok", "error", "synced")]
    return [
        *plain,
        *asked,
        *meta,
        prompt,
        encode("/riff/deck/*/alpha", 0.5),
        encode("/riff/deck/{a,b}/gain", -6.0, 3, "x", True),
        encode("/riff/notify", 1, 7400),
        encode("/riff/deck/a/alpha", float("nan")),
        encode("/riff/deck/a/seed", 2**40),
        bundle(1, alpha, prompt),
        bundle(1, bundle(5 << 60, encode("/riff/sync", 7)), alpha),
        bundle(time_tag(1_800_000_000.0), alpha),
        bundle(1, *[encode("/riff/next")] * 20),
    ]


def mangled(pool: list[bytes], chance: random.Random) -> bytes:
    """One datagram: random bytes, or a good one with bytes changed, cut, added, doubled or moved."""
    if chance.random() < 0.05:
        return chance.randbytes(chance.randrange(64))
    datagram = bytearray(chance.choice(pool))
    for _ in range(chance.choice((0, 1, 1, 2, 3))):
        at = chance.randrange(len(datagram) + 1)
        match chance.randrange(6):
            case 0 if at < len(datagram):
                datagram[at] = chance.randrange(256)
            case 1:
                del datagram[at:]
            case 2:
                datagram[at:at] = chance.randbytes(4)
            case 3:
                datagram += datagram[: at // 4 * 4]
            case 4:
                datagram[at // 4 * 4 : at // 4 * 4] = struct.pack(">i", chance.choice((-1, 0, 4, 2**31 - 1, -(2**31))))
            case _ if at < len(datagram):
                datagram[at] ^= 1 << chance.randrange(8)
    return bytes(datagram)


class Judge:
    """Whether a datagram could set anything, by python-osc and the tree; lenient, so that its no is certain."""

    def __init__(self, tree: ParameterTree) -> None:
        self._tree = tree
        self._names = [f"/riff/{path}".encode() + b"\0" for path in tree.parameters]

    def may_set(self, datagram: bytes) -> bool:
        if datagram.startswith(b"#bundle\0"):
            special = any(letter in datagram for letter in (b"*", b"?", b"[", b"{"))
            return b"/riff/" in datagram and (special or any(name in datagram for name in self._names))
        if len(datagram) % 4 or not datagram.startswith(b"/riff/"):
            return False
        try:
            message = OscMessage(datagram)
            address, values = str(message.address), list(message)
        except Exception:  # noqa: BLE001 (whatever python-osc stumbles over)
            return False
        path = address.removeprefix("/riff/")
        if any(letter in path for letter in "*?[]{}"):
            return True
        if path not in self._tree:
            return False
        parameter = self._tree[path]
        if parameter.kind == "trigger":
            return len(values) <= 1
        if parameter.kind == "str" and len(values) > 1:
            return all(isinstance(value, str) for value in values)
        if len(values) != 1:
            return False
        value = int(values[0]) if isinstance(values[0], bool) else values[0]
        try:
            parameter.check(value, clip=True)
        except ParameterError:
            return False
        return True


@dataclass
class Findings:
    """What came of the mangled datagrams."""

    datagrams: int = 0
    could_set: int = 0
    commands: int = 0
    crashes: int = 0
    unjust: int = 0  # commands from a datagram that could not set anything
    changed: int = 0  # datagrams that changed the state of the set
    first: str = ""
    rss_early_kib: int = 0
    rss_late_kib: int = 0


class HeckledSet(Rehearsal):
    """A rehearsal whose commands come over OSC, between the datagrams of hecklers."""

    def __init__(self, *facts: Any, hecklers: Iterator[bytes], each: int, tree: ParameterTree, **more: Any) -> None:
        super().__init__(tree, *facts, **more)
        self.findings = Findings()
        self._hecklers, self._each, self._chance = hecklers, each, random.Random(9)
        self._judge, self._tree = Judge(tree), tree
        self._clock = VirtualClock()
        self._now = 0
        self._verdict = True
        self.server = OscServer(
            tree, self._submit, lambda: self.conductor.state, self._clock, None, dict, self._schedule
        )
        self.server.send = lambda datagram, to: True

    def _submit(self, command: Command) -> Reply:
        if command.source == f"osc:{PERFORMER[0]}:{PERFORMER[1]}":
            reply, actions = self.conductor.submit(command, self._now)
            self.report.replies.append(reply)
            self._do(actions, self._now)
            return reply
        self.findings.commands += 1
        self.findings.unjust += not self._verdict
        try:
            value, _ = self._tree.check(command.path, command.value)
        except ParameterError as error:  # the server had clipped and checked it
            self.findings.unjust += 1
            return Rejected(command, str(error))
        return Accepted(command, value)

    def _schedule(self, command: Command, seconds: float, tell: object) -> Landing | None:
        self.findings.unjust += not self._verdict
        if seconds < 0:
            return None
        if seconds > 2e9:
            raise ControlError("too far ahead")
        return Landing(command.path, 0.0, seconds)

    def _happen(self, now: int) -> None:
        self._now = now
        for _ in range(self._each):
            datagram = next(self._hecklers, None)
            if datagram is None:
                break
            self._heckle(datagram)
        while self._events and self._events[0][0] <= now and isinstance(self._events[0][2], Line):
            line = self._events[0][2]
            self._events.pop(0)
            self._events.sort()
            for command in line.commands:
                # Between others that wait: all of them must be worked off, and in the performer's order.
                for sender in HECKLERS[:20]:
                    self.server.hear(b"/riff/not/there\0,\0\0\0", sender)
                self.server.hear(encode(f"/riff/{command.path}", command.value), PERFORMER)
                self._work_off()
        super()._happen(now)

    def _heckle(self, datagram: bytes) -> None:
        found = self.findings
        found.datagrams += 1
        self._verdict = self._judge.may_set(datagram)
        found.could_set += self._verdict
        before = self.conductor.state
        try:
            self.server.hear(datagram, self._chance.choice(HECKLERS))
            self._work_off()
        except Exception as error:  # noqa: BLE001 (that there is none is what is measured)
            found.crashes += 1
            found.first = found.first or f"{type(error).__name__}: {error} at {datagram!r}"
        found.changed += self.conductor.state is not before
        if found.datagrams % RSS_EVERY == 0:
            found.rss_late_kib = _rss_kib()
            if found.datagrams <= RSS_WARM:
                found.rss_early_kib = found.rss_late_kib

    def _work_off(self) -> None:
        while self.server.waiting:
            self.server.work_off(0)


def _rss_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_KIB if Path("/proc/self/statm").exists() else 0


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


def play(seconds: float, datagrams: int, seed: int) -> tuple[str, Findings, OscServer]:
    """One set with ``datagrams`` mangled ones in it: the digest of its samples, and what was found."""
    tree = standard_tree(DECKS)
    chance = random.Random(seed)
    pool = seeds(tree)
    hecklers = (mangled(pool, chance) for _ in range(datagrams))
    heckled = HeckledSet(
        tree.initial_state(),
        a_set(seconds),
        RendererScript(seed=1),
        hecklers=hecklers,
        each=1 + int(datagrams / (seconds * 8)),
        tree=tree,
    )
    report = heckled.run(seconds)
    while (datagram := next(hecklers, None)) is not None:
        heckled._heckle(datagram)
    return report.digest, heckled.findings, heckled.server


def measure(datagrams: int, seed: int, seconds: float) -> dict[str, Any]:
    """Play it with and without them, and say what was found."""
    began = time.perf_counter()
    alone, _, _ = play(seconds, 0, seed)
    digest, found, server = play(seconds, datagrams, seed)
    return {
        **asdict(found),
        "digest_alone": alone,
        "digest": digest,
        "same_sound": alone == digest,
        "garbage": server.counters.garbage,
        "rejected": server.counters.rejected,
        "set_seconds": seconds,
        "wall_seconds": round(time.perf_counter() - began, 1),
        "machine": {"cores": os.cpu_count(), "load": os.getloadavg()[0], "python": platform.python_version()},
    }


def main() -> int:
    logging.disable(logging.WARNING)  # python-osc's, about every type tag it does not know
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--datagrams", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1800.0, help="of the set, on virtual time")
    arguments = parser.parse_args()
    result = measure(arguments.datagrams, arguments.seed, arguments.seconds)
    print(json.dumps(result, indent=1))
    return int(bool(result["crashes"] or result["unjust"] or result["changed"] or not result["same_sound"]))


if __name__ == "__main__":
    sys.exit(main())
