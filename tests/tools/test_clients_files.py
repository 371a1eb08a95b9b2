"""The clients that cannot be run here are well formed, and every address in them is one of the tree."""

from __future__ import annotations

import json
import re
import struct
import xml.etree.ElementTree as ET
import zlib
from pathlib import Path
from typing import Any

import pytest

from riffengine.control.osc.meta_addresses import META_ADDRESSES
from riffengine.control.osc.replies import REPLIES
from riffengine.performance.parameters import standard_tree

CLIENTS = Path(__file__).resolve().parents[2] / "presets" / "clients"
TREE = standard_tree(("a", "b"))
OTHERS = {f"/riff/{name}" for name in META_ADDRESSES} | REPLIES
ADDRESS = re.compile(r"/riff/[a-z0-9_/.]*[a-z0-9_]")


def texts(name: str) -> str:
    """What a client holds, as text."""
    data = (CLIENTS / name).read_bytes()
    if name.endswith(".tosc"):
        data = zlib.decompress(data)
    return data[32:].decode() if name.endswith(".amxd") else data.decode()


@pytest.mark.parametrize("path", sorted(CLIENTS.glob("*.*")), ids=lambda p: p.name)
def test_every_address_in_a_client_exists(path: Path) -> None:
    if path.suffix == ".md":
        return
    found = set(ADDRESS.findall(texts(path.name)))
    if path.suffix == ".scd":  # it builds addresses from paths
        found |= {f"/riff/{p}" for p in re.findall(r'"((?:deck|transport|scene|master)/[a-z/_]+)"', texts(path.name))}
    assert found - OTHERS, path.name
    unknown = {a for a in found if a not in OTHERS and a.removeprefix("/riff/") not in TREE}
    assert unknown == set()


def patchers() -> list[tuple[str, dict[str, Any]]]:
    names = ["riffengine.maxpat", "riffengine-live.maxpat", "riffengine-live.amxd"]
    return [(name, json.loads(texts(name))["patcher"]) for name in names]


@pytest.mark.parametrize(("name", "patcher"), patchers(), ids=lambda x: x if isinstance(x, str) else "")
def test_every_cord_of_a_max_patch_has_both_its_ends(name: str, patcher: dict[str, Any]) -> None:
    boxes = {box["box"]["id"]: box["box"] for box in patcher["boxes"]}
    assert len(boxes) == len(patcher["boxes"]) and patcher["lines"]
    for line in patcher["lines"]:
        (start, outlet), (end, inlet) = line["patchline"]["source"], line["patchline"]["destination"]
        assert outlet < boxes[start]["numoutlets"] and inlet < boxes[end]["numinlets"]
    said = [box.get("text", "") for box in boxes.values()]
    assert "udpsend 127.0.0.1 9000" in said and "udpreceive 7400" in said and "/riff/notify 1 7400" in said
    for box in boxes.values():
        if box.get("text", "").startswith("route "):
            assert box["numoutlets"] == len(box["text"].split())


def test_the_live_device_is_a_midi_effect_whose_patch_is_the_one_beside_it() -> None:
    data = (CLIENTS / "riffengine-live.amxd").read_bytes()
    magic, four, kind, meta, size, nothing, tag, length = struct.unpack_from("<4sI4s4sII4sI", data)
    assert (magic, four, kind, meta, size, nothing, tag) == (b"ampf", 4, b"mmmm", b"meta", 4, 0, b"ptch")
    assert data[32:] == (CLIENTS / "riffengine-live.maxpat").read_bytes() and length == len(data) - 32
    patcher = json.loads(data[32:])["patcher"]
    boxes = [box["box"] for box in patcher["boxes"]]
    texts = [box.get("text") for box in boxes]
    assert patcher["openinpresentation"] == 1 and "midiin" in texts and "midiout" in texts
    dials = [box for box in boxes if box["maxclass"] == "live.dial"]
    names = [box["saved_attribute_attributes"]["valueof"]["parameter_longname"] for box in boxes if "varname" in box]
    assert len(dials) == 10 and len(set(names)) == len(names), "Live tells automation lanes apart by name"
    for box in dials:
        facts = box["saved_attribute_attributes"]["valueof"]
        parameter = TREE[facts["parameter_longname"].replace(" ", "/")]
        assert (facts["parameter_mmin"], facts["parameter_mmax"]) == (parameter.low, parameter.high)


def test_the_touchosc_layout_sends_each_fader_over_its_whole_range() -> None:
    root = ET.fromstring(texts("riffengine.tosc"))
    assert root.tag == "lexml"
    nodes = [node for node in root.iter("node") if node.find("messages") is not None]
    ids = [node.get("ID") for node in root.iter("node")]
    assert len(set(ids)) == len(ids) and len(nodes) >= 20
    for node in nodes:
        address = node.findtext("messages/osc/path/partial/value") or ""
        parameter = TREE[address.removeprefix("/riff/")]
        argument = node.find("messages/osc/arguments/partial")
        assert argument is not None
        if node.get("type") == "FADER":
            limits = float(argument.findtext("scaleMin") or "nan"), float(argument.findtext("scaleMax") or "nan")
            assert limits == (parameter.low, parameter.high)
        else:
            parameter.check(1 if argument.findtext("type") == "VALUE" else argument.findtext("value"))
    for frame in root.iter("property"):
        if frame.findtext("key") == "frame":
            x, y, w, h = (int(frame.findtext(f"value/{side}") or "-1") for side in "xywh")
            assert x >= 0 and y >= 0 and x + w <= 1024 and y + h <= 768
