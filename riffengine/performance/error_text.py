"""Formats values and names for error messages and tables."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable

from riffengine.performance.command import Value

_LONGEST_QUOTE = 40  # characters of a refused value that an error message repeats


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The message that refuses ``name`` and suggests the most similar of ``known``, or lists up to twelve of them."""
    names = list(known)
    # Only last words are compared: comparing forty whole paths takes 1.4 ms, too long in a flood of typos.
    paths_by_last_word: dict[str, list[str]] = {}
    for path in names:
        paths_by_last_word.setdefault(path.rsplit("/", 1)[-1], []).append(path)
    nearest = difflib.get_close_matches(name.rsplit("/", 1)[-1][:40], paths_by_last_word, n=1)
    if nearest:
        words = name.split("/")
        candidates = paths_by_last_word[nearest[0]]
        close = sorted(candidates, key=lambda path: -sum(map(operator.eq, path.split("/"), words)))[:2]
        return f"no {what} is called {quoted(name)}; did you mean {' or '.join(close)}?"
    rest = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return f"no {what} is called {quoted(name)}; there are: {', '.join(names[:12])}{rest}"


def plain(number: float) -> str:
    """``number`` as text, without a decimal point when it is whole."""
    return str(int(number)) if number == int(number) else str(number)


def shown(value: Value) -> str:
    """``value`` as text for a table."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value or '""'
    return plain(value)


def quoted(value: object) -> str:
    """``value`` for an error message: always short and printable."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**_LONGEST_QUOTE:
        return "a number of more than 40 digits"  # repr() refuses integers beyond 4300 digits
    if isinstance(value, bytes | list | tuple | dict):
        return f"a {type(value).__name__} of {len(value)}"
    text = repr(value[: _LONGEST_QUOTE + 1]) if isinstance(value, str) else repr(value)
    shown = text if len(text) <= _LONGEST_QUOTE + 2 else text[:_LONGEST_QUOTE] + "…"
    # repr() escapes lone surrogates of strings, but the repr of other objects may contain anything.
    return shown.encode("utf-8", "backslashreplace").decode("utf-8")
