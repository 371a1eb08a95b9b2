"""Fuzzes OSC during a whole set on virtual time: ``python -m tools.bench.fuzz_osc [--datagrams 1000000] [--seed 1]``.

A performer plays a set by OSC while other clients send mutated datagrams (see ``fuzz_set``).
"""

from __future__ import annotations

import argparse
import logging
import random
import struct
import sys
from typing import Any

from riffengine.control.osc.server import OscServer
from riffengine.control.osc.subscribers import Sender
from riffengine.control.osc.wire import encode, time_tag
from riffengine.control.surface import SurfaceContext
from riffengine.errors import ControlError
from riffengine.performance.command import Command, Landing
from riffengine.performance.parameter_tree import ParameterTree
from riffengine.performance.parameters import standard_tree
from tools.bench import fuzz_set
from tools.bench.fuzz_set import DECKS

PERFORMER: Sender = ("127.0.0.1", 9001)
FUZZ_SENDERS = [("127.0.0.1", 20000 + number) for number in range(40)]


def bundle(tag: int, *messages: bytes) -> bytes:
    return b"#bundle\0" + struct.pack(">Q", tag) + b"".join(struct.pack(">i", len(m)) + m for m in messages)


def seeds(tree: ParameterTree) -> list[bytes]:
    """Well-formed datagrams of every kind, which are mutated."""
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
        b"/riff/deck/a/alpha\0\0,[f]\0\0\0\0?\0\0\0",
        b"/riff/next\0\0,I\0\0",
        encode("/riff/key", "A", "minor"),
        bundle(1, alpha, prompt),
        bundle(1, bundle(5 << 60, encode("/riff/sync", 7)), alpha),
        bundle(time_tag(1_800_000_000.0), alpha),
        bundle(1, *[encode("/riff/next")] * 20),
    ]


def mutated(pool: list[bytes], rng: random.Random) -> bytes:
    """One datagram: random bytes, or a valid one with bytes changed, cut, added, doubled or moved."""
    if rng.random() < 0.05:
        return rng.randbytes(rng.randrange(64))
    datagram = bytearray(rng.choice(pool))
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        at = rng.randrange(len(datagram) + 1)
        match rng.randrange(6):
            case 0 if at < len(datagram):
                datagram[at] = rng.randrange(256)
            case 1:
                del datagram[at:]
            case 2:
                datagram[at:at] = rng.randbytes(4)
            case 3:
                datagram += datagram[: at // 4 * 4]
            case 4:
                datagram[at // 4 * 4 : at // 4 * 4] = struct.pack(">i", rng.choice((-1, 0, 4, 2**31 - 1, -(2**31))))
            case _ if at < len(datagram):
                datagram[at] ^= 1 << rng.randrange(8)
    return bytes(datagram)


class Judge:
    """Decides by itself whether a datagram could set anything; lenient, so a no is certain.

    A message sets something only where its address is that of a parameter, or a pattern, and it brings a value: a
    single one for a number or a switch, which is a number or text that spells one.
    """

    def __init__(self, tree: ParameterTree) -> None:
        self._tree = tree
        self._names = [f"/riff/{path}".encode() for path in tree.parameters]

    def may_set(self, datagram: bytes) -> bool:
        if datagram.startswith(b"#bundle\0"):
            special = any(letter in datagram for letter in (b"*", b"?", b"[", b"{"))
            return b"/riff/" in datagram and (special or any(name in datagram for name in self._names))
        name, zero, _ = datagram.partition(b"\0")
        if not zero or len(datagram) % 4 or not name.startswith(b"/riff/"):
            return False
        path = name.rstrip(b"/").removeprefix(b"/riff/").decode("utf-8", "replace")
        at = len(name) + 4 - len(name) % 4  # the bytes that fill up the address may be any
        tags = datagram[at:].partition(b"\0")[0].removeprefix(b",").replace(b"[", b"").replace(b"]", b"")
        if any(letter in path for letter in "*?[]{}"):
            return bool(tags)  # without a value a pattern asks
        if path not in self._tree:
            return False
        kind = self._tree[path].kind
        if kind == "trigger":
            return len(tags) <= 1
        if kind in ("str", "choice"):
            return bool(tags) and all(tag in b"sSifhdcrt" for tag in tags)
        return len(tags) == 1 and tags in (*(b"%c" % tag for tag in b"ifhdsSrctTFI"),)


class FuzzedSet(fuzz_set.FuzzedSet):
    """A set that is played by OSC, with fuzz between the datagrams."""

    def __init__(self, seconds: float, datagrams: int, seed: int) -> None:
        tree, rng = standard_tree(DECKS), random.Random(seed)
        pool = seeds(tree)
        fuzz = (mutated(pool, rng) for _ in range(datagrams))
        pieces_per_step = 1 + int(datagrams / (seconds * 8))
        super().__init__(tree, seconds, fuzz, pieces_per_step, f"osc:{PERFORMER[0]}:{PERFORMER[1]}")
        self._judge = Judge(tree)
        context = SurfaceContext(tree, self.clock, self.submit, lambda: self.conductor.state, schedule=self._schedule)
        self.server = OscServer(context)
        self.server.replies.send = lambda datagram, to: True

    def perform(self, command: Command) -> None:
        # The performer's datagrams wait behind others: all must be handled, and in the performer's order.
        for sender in FUZZ_SENDERS[:20]:
            self.server.receive(b"/riff/not/there\0,\0\0\0", sender)
        self.server.receive(encode(f"/riff/{command.path}", command.value), PERFORMER)
        self._handle_all()

    def send_fuzz(self, piece: bytes) -> None:
        self.verdict = self._judge.may_set(piece)
        self.findings.could_set += self.verdict
        self.server.receive(piece, self.rng.choice(FUZZ_SENDERS))
        self._handle_all()

    def _schedule(self, command: Command, seconds: float, notify: object) -> Landing | None:
        self.findings.unjust += not self.verdict
        if seconds < 0:
            return None
        if seconds > 2e9:
            raise ControlError("too far ahead")
        return Landing(command.path, 0.0, seconds)

    def _handle_all(self) -> None:
        while self.server.waiting:
            self.server.handle_waiting(0)


def measure(datagrams: int, seed: int, seconds: float) -> dict[str, Any]:
    """Play the set with and without fuzz and return the figures."""
    verdict = fuzz_set.compare(lambda there: FuzzedSet(seconds, datagrams * there, seed), seconds)
    counters = verdict.fuzzed.server.counters
    return {**verdict.figures, "garbage": counters.garbage, "rejected": counters.rejected}


def main() -> int:
    logging.disable(logging.WARNING)  # python-osc warns about every unknown type tag
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--datagrams", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1800.0, help="length of the set on virtual time")
    arguments = parser.parse_args()
    return fuzz_set.printed(measure(arguments.datagrams, arguments.seed, arguments.seconds))


if __name__ == "__main__":
    sys.exit(main())
