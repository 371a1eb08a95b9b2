"""The parameter tree as a page reads it: one entry for each parameter, from which controls are built. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from riffengine.performance.parameter_tree import Parameter
from riffengine.processes.parameter_path import parse_path


def schema_of(parameters: Iterable[Parameter]) -> list[dict[str, Any]]:
    """Every parameter, in the order of the tree: see ``docs/web_protocol.md``, the type ``Parameter``."""
    return [_entry(parameter) for parameter in parameters]


def finite(value: Any) -> Any:
    """``value`` as JSON can hold it: ``None`` in place of infinity and NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _entry(parameter: Parameter) -> dict[str, Any]:
    place = parse_path(parameter.path)
    entry: dict[str, Any] = {
        "path": parameter.path,
        "kind": parameter.kind,
        "class": str(parameter.control),
        "help": parameter.help,
        "allowed": parameter.allowed,
        "control": place.control,
        "deck": place.deck,
        "stem": place.stem,
        "group": place.group,
    }
    if parameter.kind != "trigger":
        entry["default"] = parameter.default
    if parameter.kind in ("float", "int"):
        entry["low"], entry["high"], entry["unit"] = finite(parameter.low), finite(parameter.high), parameter.unit
    if parameter.kind == "choice":
        entry["choices"] = list(parameter.choices)
    if parameter.kind == "str":
        entry["longest"] = parameter.max_length
    return entry
