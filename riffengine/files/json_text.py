"""Reads JSON that others have written: bounded in size and depth, numbers finite. Pure."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn

from riffengine.files.regular import read_regular

DEEPEST = 32  # lists and objects inside each other; a checkpoint's configuration has three


def parse_json(text: str | bytes, deepest: int = DEEPEST) -> Any:
    """The value of ``text``. ``ValueError`` says what is wrong: no JSON, nested too deeply, or not a finite number."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        raise ValueError(f"it is nested more than {deepest} deep") from None
    _check_depth(value, deepest)
    return value


def read_json(path: Path, most_bytes: int) -> Any:
    """The value of the JSON file at ``path``; ``OSError`` as ``open_regular`` raises it, ``ValueError`` as above."""
    return parse_json(read_regular(path, most_bytes))


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"it holds {text[:20]}, which is too large for a number")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is no number in JSON")


def _check_depth(value: Any, deepest: int) -> None:
    level = [value]
    for _ in range(deepest):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise ValueError(f"it is nested more than {deepest} deep")
