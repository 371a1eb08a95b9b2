"""The Max client, and the same controls as a Max for Live MIDI effect, as a patch and as a device (.amxd)."""

from __future__ import annotations

import itertools
import json
import struct
from typing import Any

from riffengine.performance.parameter_tree import Parameter
from tools.clients.layout import ANSWERS_PORT, DECKS, ENGINE_PORT, PROMPTS, faders, switches, tree, triggers

MIDI_EFFECT = b"mmmm"
Json = dict[str, Any]


class Patcher:
    """Boxes and lines of one Max patch."""

    def __init__(self, presentation: bool) -> None:
        self._boxes: list[Json] = []
        self._lines: list[Json] = []
        self._presentation = presentation

    def box(
        self, kind: str, text: str, at: tuple[float, float, float, float], ports: tuple[int, int], /, **more: Any
    ) -> str:
        """Add a box and return its id for ``wire``. ``ports`` are its inlets and outlets."""
        name = f"obj-{len(self._boxes) + 1}"
        box: Json = {"id": name, "maxclass": kind, "numinlets": ports[0], "numoutlets": ports[1]}
        box |= {"outlettype": [""] * ports[1], "patching_rect": list(map(float, at)), **more}
        if text:
            box["text"] = text
        self._boxes.append({"box": box})
        return name

    def wire(self, *path: str, outlet: int = 0, inlet: int = 0) -> None:
        """Connect the boxes along ``path``, from ``outlet`` of the first to ``inlet`` of the last."""
        for number, (start, end) in enumerate(itertools.pairwise(path)):
            source = [start, outlet if number == 0 else 0]
            target = [end, inlet if number == len(path) - 2 else 0]
            self._lines.append({"patchline": {"source": source, "destination": target}})

    def document(self) -> Json:
        """The whole patch as JSON data."""
        return {
            "patcher": {
                "fileversion": 1,
                "appversion": {"major": 8, "minor": 5, "revision": 0, "architecture": "x64", "modernui": 1},
                "classnamespace": "box",
                "rect": [80.0, 80.0, 1080.0, 640.0],
                "openinpresentation": int(self._presentation),
                "default_fontsize": 10.0 if self._presentation else 12.0,
                "default_fontname": "Arial",
                "boxes": self._boxes,
                "lines": self._lines,
            }
        }


def max_patch() -> bytes:
    """The patch: sliders that send and show values, message boxes with prompts, replies in the Max console."""
    patch, params = Patcher(presentation=False), tree()
    out, route = _network(patch, [p.path for p in [*faders(params), *switches(params)]], "loadbang")
    patch.box("comment", "Riffengine: start it with riffengine play, then move a number.", (20, 10, 460, 20), (1, 0))
    shown = [*faders(params), *switches(params)]
    for number, parameter in enumerate(shown):
        x, y = 20 + (number // 4) * 260, 40 + (number % 4) * 76
        patch.box("comment", f"{parameter.path}: {parameter.allowed}", (x, y, 250, 20), (1, 0))
        control = _control(patch, parameter, (x, y + 20, 90, 22))
        send = patch.box("newobj", f"prepend /riff/{parameter.path}", (x, y + 46, 220, 22), (1, 1))
        follow = patch.box("newobj", "prepend set", (x + 110, y + 20, 74, 22), (1, 1))
        patch.wire(control, send, out)
        patch.wire(route, follow, control, outlet=number)
    for number, parameter in enumerate(triggers(params)):
        patch.wire(patch.box("message", f"/riff/{parameter.path}", (20 + 170 * number, 360, 160, 22), (2, 1)), out)
    for column, deck in enumerate(DECKS):
        for row, words in enumerate(PROMPTS[deck]):
            text = f'/riff/deck/{deck}/prompt "{words}"'
            patch.wire(patch.box("message", text, (20 + 340 * column, 392 + 28 * row, 330, 22), (2, 1)), out)
    return (json.dumps(patch.document(), indent=1) + "\n").encode()


def live_patch() -> bytes:
    """The device as a patch: dials that Live can automate and map, MIDI passing through."""
    patch, params = Patcher(presentation=True), tree()
    shown = [p for p in [*faders(params), *switches(params)] if p.path != "transport/tempo"]
    out, route = _network(patch, [p.path for p in shown], "live.thisdevice")
    midi = (
        patch.box("newobj", "midiin", (900, 20, 60, 22), (1, 1)),
        patch.box("newobj", "midiout", (900, 50, 60, 22), (1, 0)),
    )
    patch.wire(*midi)
    for number, parameter in enumerate(shown):
        where = [8.0 + 52 * (number % 8), 8.0 + 78 * (number // 8), 48.0, 48.0]
        control = _live_control(patch, parameter, (20 + 60 * number, 300, 48, 48), where)
        send = patch.box("newobj", f"prepend /riff/{parameter.path}", (20 + 60 * number, 360, 200, 22), (1, 1))
        follow = patch.box("newobj", "prepend set", (20 + 60 * number, 260, 74, 22), (1, 1))
        patch.wire(control, send, out)
        patch.wire(route, follow, control, outlet=number)
    for number, parameter in enumerate(triggers(params)):
        place = [428.0, 8.0 + 24 * number, 70.0, 20.0]
        button = patch.box(
            "live.text",
            "",
            (700, 300 + 30 * number, 70, 20),
            (1, 2),
            presentation=1,
            presentation_rect=place,
            mode=0,
            text=parameter.path.rpartition("/")[2],
            texton=parameter.path.rpartition("/")[2],
            parameter_enable=1,
            varname=parameter.path.replace("/", "_"),
            saved_attribute_attributes={
                "valueof": {**_names(parameter), "parameter_type": 2, "parameter_enum": ["off", "on"]}
            },
        )
        message = patch.box("message", f"/riff/{parameter.path}", (780, 300 + 30 * number, 150, 22), (2, 1))
        patch.wire(button, message, out)
    return (json.dumps(patch.document(), indent=1) + "\n").encode()


def live_device() -> bytes:
    """``live_patch`` in the container that Live loads: chunks ampf (the kind of device), meta and ptch (the patch)."""
    patch = live_patch()
    head = b"ampf" + struct.pack("<I", 4) + MIDI_EFFECT + b"meta" + struct.pack("<II", 4, 0)
    return head + b"ptch" + struct.pack("<I", len(patch)) + patch


def _network(patch: Patcher, paths: list[str], start: str) -> tuple[str, str]:
    """``udpsend``, and ``udpreceive`` through a ``route`` with an outlet for each of ``paths``; all other messages are printed."""
    out = patch.box("newobj", f"udpsend 127.0.0.1 {ENGINE_PORT}", (20, 560, 170, 22), (1, 0))
    hear = patch.box("newobj", f"udpreceive {ANSWERS_PORT}", (220, 480, 130, 22), (1, 1))
    words = " ".join(f"/riff/{path}" for path in paths)
    route = patch.box("newobj", f"route {words}", (220, 510, 800, 22), (1, len(paths) + 1))
    answers = " ".join(f"/riff/{name}" for name in ("error", "note", "landing"))
    told = patch.box("newobj", f"route {answers}", (220, 540, 300, 22), (1, 4))
    patch.wire(hear, route)
    patch.wire(route, told, outlet=len(paths))
    for number, name in enumerate(("error", "note", "landing")):
        shown = patch.box("newobj", f"print riff-{name}", (220 + 130 * number, 570, 120, 22), (1, 0))
        patch.wire(told, shown, outlet=number)
    begin = patch.box("newobj", start, (20, 480, 100, 22), (1, 2 if start.startswith("live") else 1))
    ask = patch.box("message", f"/riff/notify 1 {ANSWERS_PORT}", (20, 520, 150, 22), (2, 1))
    patch.wire(begin, ask, out)
    return out, route


def _control(patch: Patcher, parameter: Parameter, at: tuple[float, float, float, float]) -> str:
    if parameter.kind == "bool":
        return patch.box("toggle", "", (at[0], at[1], 22, 22), (1, 1))
    return patch.box("flonum", "", at, (1, 2), minimum=parameter.low, maximum=parameter.high)


def _live_control(
    patch: Patcher, parameter: Parameter, at: tuple[float, float, float, float], place: list[float]
) -> str:
    names = _names(parameter)
    more: Json = {"presentation": 1, "presentation_rect": place, "parameter_enable": 1}
    more["varname"] = parameter.path.replace("/", "_")
    if parameter.kind == "bool":
        names |= {"parameter_type": 2, "parameter_enum": ["off", "on"], "parameter_mmax": 1}
        return patch.box("live.toggle", "", at, (1, 1), saved_attribute_attributes={"valueof": names}, **more)
    names |= {"parameter_type": 0, "parameter_mmin": parameter.low, "parameter_mmax": parameter.high}
    names |= {"parameter_unitstyle": 4 if parameter.unit == "dB" else 1, "parameter_initial_enable": 1}
    names["parameter_initial"] = [float(parameter.default)]
    return patch.box("live.dial", "", at, (1, 2), saved_attribute_attributes={"valueof": names}, **more)


def _names(parameter: Parameter) -> Json:
    *_, name = parameter.path.split("/")
    deck = parameter.path.split("/")[1].upper() + " " if parameter.path.startswith("deck/") else ""
    return {"parameter_longname": parameter.path.replace("/", " "), "parameter_shortname": f"{deck}{name}"}
