"""Wording: values and names in error messages and tables."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable

from riffengine.performance.command import Value

_LONGEST_QUOTE = 40  # characters of a refused value that an error message repeats


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The sentence that refuses ``name`` and offers the nearest of ``known``, or all of them when they are few."""
    names = list(known)
    # Last words are compared, not whole paths: forty long comparisons take 1.4 ms, which a flood of typos would feel.
    ends: dict[str, list[str]] = {}
    for path in names:
        ends.setdefault(path.rsplit("/", 1)[-1], []).append(path)
    nearest = difflib.get_close_matches(name.rsplit("/", 1)[-1][:40], ends, n=1)
    if nearest:
        words = name.split("/")
        close = sorted(ends[nearest[0]], key=lambda path: -sum(map(operator.eq, path.split("/"), words)))[:2]
        return f"no {what} is called {quoted(name)}; did you mean {' or '.join(close)}?"
    rest = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return f"no {what} is called {quoted(name)}; there are: {', '.join(names[:12])}{rest}"


def plain(number: float) -> str:
    """``number`` without a fraction that is none."""
    return str(int(number)) if number == int(number) else str(number)


def shown(value: Value) -> str:
    """``value`` as a table shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value or '""'
    return plain(value)


def quoted(value: object) -> str:
    """``value`` for an error message: short whatever it is, and printable."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**_LONGEST_QUOTE:
        return "a number of more than 40 digits"  # repr() refuses integers beyond 4300 digits
    if isinstance(value, bytes | list | tuple | dict):
        return f"a {type(value).__name__} of {len(value)}"
    text = repr(value[: _LONGEST_QUOTE + 1]) if isinstance(value, str) else repr(value)
    shown = text if len(text) <= _LONGEST_QUOTE + 2 else text[:_LONGEST_QUOTE] + "…"
    # repr() leaves lone surrogates escaped, but an object's own repr may hold anything.
    return shown.encode("utf-8", "backslashreplace").decode("utf-8")
