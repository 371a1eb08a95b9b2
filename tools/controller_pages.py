"""Write docs/controllers.md from the maps in presets/maps: ``python -m tools.controller_pages [--check]``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from riffengine.control.midi.binding import NUMBERLESS, Binding
from riffengine.control.midi.controller_map import ControllerMap
from riffengine.session.binding_reader import full_tree
from riffengine.session.controller_map import read_map
from riffengine.session.named_files import MAPS, map_names
from tools.generated_page import ROOT, bring_up_to_date

PAGE = ROOT / "docs" / "controllers.md"
COMMAND = "python -m tools.controller_pages"
HEAD = f"""\
# Controllers

*Written by `{COMMAND}` from `presets/maps/`. Do not edit it here.*

The controllers below are recognised by the name of their port. Their map is used unless the preset has a `midi: map:`
of its own. To choose a map, name it in the preset (`midi: {{map: NAME}}`, or a list of names and lines) or on the
command line (`riffengine play --map NAME`, or `--map NAME=PORT` for a controller with another port name). Lines for
decks, stems or headphones that a session does not have are left out. Lines that you learned (`riffengine learn`) take
precedence over every map. [MIDI controllers](midi.md) explains how to learn a control and how to write a map.

LEDs show the state. A pad of a prompt list or a scene is dark if nothing is assigned to it, dim if something is, and
then *queued*, *rendering*, *ready* (waiting for its beat), *playing* or *failed*.
"""


def page() -> str:
    """The whole page."""
    maps = [read_map(MAPS / f"{name}.yaml") for name in map_names()]
    rows = ["| map | controller | tried on the hardware |", "|---|---|---|"]
    rows += [f"| [`{m.name}`](#{_anchor(m.title)}) | {m.title} | {m.tried or 'no'} |" for m in maps]
    return "\n".join([HEAD, *rows, "", *(line for m in maps for line in section(m))])


def section(found: ControllerMap) -> Iterator[str]:
    """What one controller does."""
    tried = (
        f"Tried on: {found.tried}."
        if found.tried
        else "Written from the maker's documentation, not tried on the hardware."
    )
    known = ", ".join(f"`{part}`" for part in found.match)
    yield f"## {found.title}"
    yield ""
    yield (
        f"`--map {found.name}`. {tried} Recognised by {known} in the port's name."
        if known != "`*`"
        else (f"`--map {found.name}`. {tried} It fits every controller, so it is used only when you name it.")
    )
    if found.notes:
        yield found.notes
    yield ""
    if found.layout:
        yield f"```\n{found.layout}\n```\n"
    yield "| control | sends | does | how | shows |"
    yield "|---|---|---|---|---|"
    for binding in found.bindings:
        cells = (binding.label, _sends(binding), f"`{binding.path}`", _how(binding), _shows(binding))
        yield "| " + " | ".join(cells) + " |"
    yield ""


def _anchor(heading: str) -> str:
    """The anchor of a heading, as code hosts and the site make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _sends(binding: Binding) -> str:
    number = "" if binding.kind in NUMBERLESS else f" {binding.number}"
    if binding.span > 1:
        number += f" to {binding.number + binding.span - 1}"
    return f"{binding.kind}{number}, {f'channel {binding.channel}' if binding.channel else 'any channel'}"


def _how(binding: Binding) -> str:
    parameter = full_tree()[binding.path]
    said = []
    if binding.values:
        said.append(_values(binding))
    elif parameter.kind == "trigger":
        said.append("triggers")
    elif binding.mode != "absolute":
        said.append("switches" if binding.mode == "toggle" else binding.mode.replace("-", " "))
    elif binding.is_continuous(parameter):
        low = parameter.low if binding.low is None else binding.low
        high = parameter.high if binding.high is None else binding.high
        said.append(f"{low:g} to {high:g}{f' {parameter.unit}' if parameter.unit else ''}")
    said += [binding.curve] * (binding.curve != "lin") + [binding.takeover] * (binding.takeover != "none")
    return ", ".join(said)


def _values(binding: Binding) -> str:
    values = [str(value) for value in binding.values]
    return values[0] if len(values) == 1 else f"{values[0]} to {values[-1]}"


def _shows(binding: Binding) -> str:
    if binding.echo:
        return "its position"
    if not binding.light:
        return ""
    if binding.path.endswith(("/pick", "/recall", "/prompt", "/to")):
        return "progress"
    if binding.path == "panic" or full_tree()[binding.path].kind == "bool":
        return "on, off"
    return "which is chosen" if binding.values else "that it is assigned"


if __name__ == "__main__":
    sys.exit(bring_up_to_date(PAGE, page(), COMMAND))
