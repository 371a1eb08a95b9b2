"""The parameters of hosted plugins: the rows that join the tree when a plugin is loaded. Pure.

Plugins stand at *places* of the mixer (``deck/a``, ``deck/a/stem/drums``, ``send/1``, ``master``), numbered from 1:
``deck/a/fx/1/threshold``. The row ``…/fx/<n>/plugin`` after the last plugin is always there, to load another one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from riffengine.performance.command import Value
from riffengine.performance.parameter_tree import ControlClass, Parameter
from riffengine.processes.audio import SENDS
from riffengine.processes.parameter_path import parse_path

MASTER = "master"
MOST_PLUGINS = 16
"""Plugins at one place."""

_LONGEST_HELP = 80


@dataclass(frozen=True)
class PluginControl:
    """One parameter of a plugin as its format describes it, for a row of the tree; ``path`` is the end of its path."""

    path: str
    name: str
    low: float
    high: float
    default: float
    unit: str = ""
    integer: bool = False
    toggled: bool = False
    labels: tuple[tuple[float, str], ...] = ()


def places(decks: Sequence[str], stems: Sequence[str]) -> tuple[str, ...]:
    """Every place that plugins may stand at."""
    by_deck = [(f"deck/{deck}", *(f"deck/{deck}/stem/{stem}" for stem in stems)) for deck in decks]
    return (*(place for found in by_deck for place in found), *(f"send/{send}" for send in SENDS), MASTER)


def plugin_path(place: str, number: int) -> str:
    """The path of the parameter that names the plugin ``number`` of ``place``."""
    return f"{place}/fx/{number}/plugin"


def plugin_row(place: str, number: int) -> Parameter:
    """The parameter that names a plugin."""
    text = f'Plugin {number} of {place.replace("/", " ")}, such as lv2:URI; "" is none'
    return Parameter(plugin_path(place, number), "str", "", ControlClass.STRUCTURAL, text)


def control_rows(place: str, number: int, plugin: str, controls: Sequence[PluginControl]) -> list[Parameter]:
    """The rows of a loaded plugin: its switch, its mix, and its own parameters."""
    at, now = f"{place}/fx/{number}", ControlClass.IMMEDIATE
    plugin = _printable(plugin)
    return [
        Parameter(f"{at}/on", "bool", True, now, f"Play through {plugin}"),
        Parameter(
            f"{at}/mix", "float", 1.0, now, f"How much of {plugin} is heard; the rest is the sound before it", 0, 1
        ),
        *(_row(at, plugin, control) for control in controls),
    ]


def plugins_in(values: Mapping[str, Value]) -> dict[str, dict[int, str]]:
    """The plugins that the parameter ``values`` name: references by place and number."""
    found: dict[str, dict[int, str]] = {}
    for path, value in values.items():
        parsed = parse_path(path)
        if parsed.plugin_number and parsed.control == "plugin" and value:
            found.setdefault(parsed.place, {})[parsed.plugin_number] = str(value)
    return found


def _row(at: str, plugin: str, control: PluginControl) -> Parameter:
    path, text = f"{at}/{control.path}", f"{plugin}: {_printable(control.name)}"
    now = ControlClass.IMMEDIATE
    labels = {_printable(label): number for number, label in sorted(control.labels) if _printable(label)}
    low, high = control.low, control.high
    default = min(max(control.default, low), high)
    if control.toggled:
        return Parameter(path, "bool", default >= 0.5, now, text)
    # Labels of a number that is not whole name some of its values, not all.
    if control.integer and len(labels) > 1 and len({label.lower() for label in labels}) == len(control.labels):
        choices, numbers = tuple(labels), tuple(labels.values())
        nearest = min(range(len(numbers)), key=lambda n: abs(numbers[n] - default))
        return Parameter(path, "choice", choices[nearest], now, text, choices=choices, numbers=numbers)
    unit = _printable(control.unit)
    if control.integer:
        return Parameter(path, "int", round(default), now, text, round(low), round(high), unit)
    return Parameter(path, "float", default, now, text, low, high, unit)


def _printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable()).strip()[:_LONGEST_HELP]
