"""Mangled files: valid ones with bytes changed, cut, doubled and moved, and numbers in them made absurd."""

from __future__ import annotations

import random
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from riffengine.errors import RiffError

ABSURD = (b"-1", b"0", b"1e400", b"NaN", b"999999999999", b"1000000", b"[]", b"null", b'"x"', b"\x1b[31m", b"1:2:3:4")
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")


def mangle(valid: bytes, rng: random.Random) -> bytes:
    """``valid`` with one to four changes."""
    data = bytearray(valid)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, to = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
        match rng.randrange(8):
            case 0 if data:
                data[min(at, len(data) - 1)] = rng.randrange(256)
            case 1:
                del data[at : min(to, at + 40)]
            case 2:
                data[at:at] = rng.randbytes(rng.randrange(1, 9))
            case 3:
                data[at:at] = data[at : min(to, at + 200)]
            case 4:
                del data[at:]
            case 5 if data:
                data[min(at, len(data) - 1)] ^= 1 << rng.randrange(8)
            case 6:
                data[at : at + 4] = rng.choice((b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\xff" * 4, b"\x80\0\0\0"))
            case _:
                numbers = list(_NUMBER.finditer(bytes(data)))
                if numbers:
                    number = rng.choice(numbers)
                    data[number.start() : number.end()] = rng.choice(ABSURD)
    return bytes(data)


def judge(read: Callable[[Path], object], path: Path, allowed: tuple[type[RiffError], ...]) -> str:
    """Read ``path``: "read", or "refused" by one of ``allowed``, whose message has no control character.

    Everything else that is raised or warned about fails the test.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            read(path)
        except allowed as error:
            message = str(error)
            assert message and all(c.isprintable() or c == "\n" for c in message), repr(message)
            assert len(message) < 100_000
            return "refused"
    return "read"


def verdicts(
    read: Callable[[Path], object],
    corpus: Sequence[bytes],
    path: Path,
    allowed: tuple[type[RiffError], ...],
    count: int,
    seed: int,
) -> dict[str, int]:
    """How many of ``count`` mangled files were read and refused. The error of a failure names its seed."""
    found = {"read": 0, "refused": 0}
    for number in range(count):
        rng = random.Random(seed * 1_000_003 + number)
        data = mangle(rng.choice(corpus), rng)
        path.write_bytes(data)
        try:
            found[judge(read, path, allowed)] += 1
        except Exception as error:
            error.add_note(f"file {number} of seed {seed}, {len(data)} bytes: {data[:300]!r}")
            raise
    return found
