"""The TouchOSC layout: zlib-compressed XML, as TouchOSC (2021 and later) opens it."""

from __future__ import annotations

import uuid
import xml.etree.ElementTree as ET
import zlib

from riffengine.performance.parameter_tree import Parameter
from tools.clients.layout import DECKS, FADERS, PROMPTS, SESSION_FADERS, SWITCHES, TRIGGERS, tree

WIDTH, HEIGHT = 1024, 768
_NAMES = uuid.UUID("9b1f3c52-6f0e-5a55-9d1e-0a5c6e3a7b10")  # so that the same layout has the same ids
COLOURS = {"a": (0.16, 0.55, 0.85), "b": (0.9, 0.5, 0.15), "": (0.45, 0.45, 0.5)}
Frame = tuple[int, int, int, int]


def touchosc() -> bytes:
    """The file: one page with a strip for each deck and one for the session."""
    return zlib.compress(touchosc_xml(), 9)


def touchosc_xml() -> bytes:
    """The XML in the file."""
    params = tree()
    root = ET.Element("lexml", version="3")
    page = _node(root, "GROUP", "riffengine", (0, 0, WIDTH, HEIGHT), (0.08, 0.08, 0.1))
    children = ET.SubElement(page, "children")
    for column, deck in enumerate(DECKS):
        left = 10 + column * 390
        for number, name in enumerate(FADERS):
            _fader(children, params[f"deck/{deck}/{name}"], (left + 92 * number, 40, 84, 440), COLOURS[deck])
        for number, name in enumerate(SWITCHES):
            _button(
                children, params[f"deck/{deck}/{name}"], (left + 92 * number, 500, 84, 70), COLOURS[deck], toggle=True
            )
        for number, words in enumerate(PROMPTS[deck]):
            place = (left + 184 * number, 590, 176, 70)
            _prompt(children, params[f"deck/{deck}/prompt"], words, place, COLOURS[deck])
    for number, path in enumerate(SESSION_FADERS[:2]):
        _fader(children, params[path], (800 + 104 * number, 40, 96, 440), COLOURS[""])
    for number, path in enumerate(TRIGGERS):
        _button(children, params[path], (800 + 104 * (number % 2), 500 + 84 * (number // 2), 96, 76), COLOURS[""])
    body: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return body


def _fader(parent: ET.Element, parameter: Parameter, frame: Frame, colour: tuple[float, float, float]) -> None:
    node = _node(parent, "FADER", parameter.path, frame, colour)
    start = (float(parameter.default) - parameter.low) / (parameter.high - parameter.low)
    _values(node, x=f"{start:g}")
    _osc(node, parameter.path, [("VALUE", "FLOAT", "x", parameter.low, parameter.high)])
    _label(parent, parameter.path, frame)


def _button(
    parent: ET.Element, parameter: Parameter, frame: Frame, colour: tuple[float, float, float], toggle: bool = False
) -> None:
    node = _node(parent, "BUTTON", parameter.path, frame, colour, buttonType="1" if toggle else "0")
    _values(node, x="0")
    _osc(node, parameter.path, [("VALUE", "INTEGER", "x", 0, 1)])
    _label(parent, parameter.path, frame)


def _prompt(
    parent: ET.Element, parameter: Parameter, words: str, frame: Frame, colour: tuple[float, float, float]
) -> None:
    node = _node(parent, "BUTTON", f"{parameter.path} {words}", frame, colour, buttonType="0")
    _values(node, x="0")
    _osc(node, parameter.path, [("CONSTANT", "STRING", words, 0, 1)], condition="RISE", receive="0")
    _label(parent, words, frame)


def _label(parent: ET.Element, text: str, frame: Frame) -> None:
    x, y, width, height = frame
    label = _node(
        parent,
        "LABEL",
        f"label {text}",
        (x, y + height - 24, width, 24),
        (0.0, 0.0, 0.0),
        background="0",
        interactive="0",
        textSize="11",
    )
    _values(label, text=text)


def _node(
    parent: ET.Element, kind: str, name: str, frame: Frame, colour: tuple[float, float, float], **more: str
) -> ET.Element:
    node = ET.SubElement(parent, "node", ID=str(uuid.uuid5(_NAMES, f"{kind} {name}")), type=kind)
    properties = ET.SubElement(node, "properties")
    _property(properties, "s", "name", name)
    _compound(properties, "r", "frame", dict(zip("xywh", map(str, frame), strict=True)))
    _compound(properties, "c", "color", dict(zip("rgba", (*map(str, colour), "1"), strict=True)))
    for key, value in more.items():
        _property(properties, "b" if key in ("background", "interactive") else "i", key, value)
    return node


def _property(properties: ET.Element, kind: str, key: str, value: str) -> None:
    prop = ET.SubElement(properties, "property", type=kind)
    ET.SubElement(prop, "key").text = key
    ET.SubElement(prop, "value").text = value


def _compound(properties: ET.Element, kind: str, key: str, parts: dict[str, str]) -> None:
    prop = ET.SubElement(properties, "property", type=kind)
    ET.SubElement(prop, "key").text = key
    value = ET.SubElement(prop, "value")
    for part, number in parts.items():
        ET.SubElement(value, part).text = number


def _values(node: ET.Element, **defaults: str) -> None:
    values = ET.SubElement(node, "values")
    for key, default in {**defaults, "touch": "false"}.items():
        value = ET.SubElement(values, "value")
        facts = {
            "key": key,
            "locked": "0",
            "lockedDefaultCurrent": str(int(key == "text")),
            "default": default,
            "defaultPull": "0",
        }
        for name, text in facts.items():
            ET.SubElement(value, name).text = text


def _osc(
    node: ET.Element,
    path: str,
    arguments: list[tuple[str, str, str, float, float]],
    condition: str = "ANY",
    receive: str = "1",
) -> None:
    osc = ET.SubElement(ET.SubElement(node, "messages"), "osc")
    for name, text in (
        ("enabled", "1"),
        ("send", "1"),
        ("receive", receive),
        ("feedback", "0"),
        ("connections", "11111"),
    ):
        ET.SubElement(osc, name).text = text
    trigger = ET.SubElement(ET.SubElement(osc, "triggers"), "trigger")
    ET.SubElement(trigger, "var").text = "x"
    ET.SubElement(trigger, "condition").text = condition
    _partial(ET.SubElement(osc, "path"), ("CONSTANT", "STRING", f"/riff/{path}", 0, 1))
    sent = ET.SubElement(osc, "arguments")
    for argument in arguments:
        _partial(sent, argument)


def _partial(parent: ET.Element, facts: tuple[str, str, str, float, float]) -> None:
    partial = ET.SubElement(parent, "partial")
    for name, fact in zip(("type", "conversion", "value", "scaleMin", "scaleMax"), facts, strict=True):
        ET.SubElement(partial, name).text = f"{fact:g}" if isinstance(fact, float | int) else fact
