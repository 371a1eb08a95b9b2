"""Symbols: names of parameters that fit a path of the parameter tree, unique in their plugin."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LONGEST = 40


def unique_symbols(names: Iterable[str]) -> tuple[str, ...]:
    """A symbol ``[a-z0-9_]+`` for each name, in their order; equal ones are numbered from the second: ``gain_2``."""
    used: set[str] = set()
    symbols = []
    for name in names:
        stem = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:_LONGEST].rstrip("_") or "parameter"
        symbol, count = stem, 1
        while symbol in used:
            count += 1
            symbol = f"{stem}_{count}"
        used.add(symbol)
        symbols.append(symbol)
    return tuple(symbols)
