"""AddressSpace: the parameter tree as OSCQuery describes it, from which other programs build their controls.

Pure: no I/O. Source: the OSCQuery proposal by Vidvox, https://github.com/Vidvox/OSCQueryProposal. Each OSC address
is an HTTP path; ``?NAME`` asks for one attribute; a parameter has TYPE, RANGE, VALUE, ACCESS, DESCRIPTION, UNIT,
CLIPMODE and TAGS (its control class); /riff holds them all in CONTENTS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from riffengine.control.osc.address import ROOT
from riffengine.control.osc.meta_addresses import META_ADDRESSES
from riffengine.performance.command import Value
from riffengine.performance.parameter_tree import Parameter, ParameterTree

Node = dict[str, Any]

TYPES: Mapping[str, str] = {"float": "f", "int": "i", "str": "s", "choice": "s", "bool": "T", "trigger": "N"}
READ_ONLY, WRITE_ONLY, READ_AND_WRITE = 1, 2, 3
_OFTEN = ("FULL_PATH", "CONTENTS", "TYPE", "ACCESS", "RANGE", "VALUE", "DESCRIPTION")
ATTRIBUTES = frozenset((*_OFTEN, "UNIT", "CLIPMODE", "TAGS", "CRITICAL", "EXTENDED_TYPE"))


class AddressSpace:
    """The tree as OSCQuery describes it; ``value`` gives the present value of a path."""

    def __init__(self, tree: ParameterTree, value: Callable[[str], Value]) -> None:
        self._tree = tree
        self._value = value

    def answer(self, path: str, attribute: str = "") -> tuple[HTTPStatus, Node | None]:
        """The answer to a GET of ``path``: the node, or one of its attributes, or why there is none.

        204: this node has no such attribute; 400: OSCQuery has no such attribute; 404: there is no such node.
        """
        if attribute and attribute not in ATTRIBUTES:
            return HTTPStatus.BAD_REQUEST, None
        node = self.node("/" + path.strip("/"))
        if node is None:
            return HTTPStatus.NOT_FOUND, None
        if not attribute:
            return HTTPStatus.OK, node
        if attribute not in node:
            return HTTPStatus.NO_CONTENT, None
        return HTTPStatus.OK, {attribute: node[attribute]}

    def node(self, path: str) -> Node | None:
        """Everything about ``path`` and all below it; ``None`` when there is no such address."""
        leaves = {**{ROOT + p: _parameter(q, self._value) for p, q in self._tree.parameters.items()}, **_meta_nodes()}
        below = "" if path == "/" else path
        found = {address: leaf for address, leaf in leaves.items() if address.startswith(below + "/")}
        if not found and path not in leaves:
            return None
        root: Node = {"FULL_PATH": path, "DESCRIPTION": _CONTAINERS.get(path, ""), "ACCESS": 0, **leaves.get(path, {})}
        for address, leaf in found.items():
            _insert(root, below, address, leaf)
        return root


def host_info(name: str, osc_ip: str, osc_port: int, http_port: int) -> Node:
    """The answer to ``?HOST_INFO``: where OSC and the WebSocket are, and which extensions there are."""
    known = ("ACCESS", "VALUE", "RANGE", "DESCRIPTION", "TAGS", "CLIPMODE", "UNIT", "LISTEN")
    unknown = ("CRITICAL", "EXTENDED_TYPE", "PATH_CHANGED", "PATH_RENAMED", "PATH_ADDED", "PATH_REMOVED")
    return {
        "NAME": name,
        "EXTENSIONS": {**dict.fromkeys(known, True), **dict.fromkeys(unknown, False)},
        "OSC_IP": osc_ip,
        "OSC_PORT": osc_port,
        "OSC_TRANSPORT": "UDP",
        "WS_IP": osc_ip,
        "WS_PORT": http_port,
    }


def _insert(root: Node, below: str, address: str, leaf: Node) -> None:
    """Put ``leaf`` into ``root``, making the containers on the way to it."""
    node, at = root, below
    for word in address[len(below) + 1 :].split("/"):
        at = f"{at}/{word}"
        container = {"FULL_PATH": at, "DESCRIPTION": _CONTAINERS.get(at, ""), "ACCESS": 0}
        node = node.setdefault("CONTENTS", {}).setdefault(word, container)
    node.update(leaf)


def _parameter(parameter: Parameter, value: Callable[[str], Value]) -> Node:
    trigger = parameter.kind == "trigger"
    node: Node = {
        "FULL_PATH": ROOT + parameter.path,
        "TYPE": TYPES[parameter.kind],
        "ACCESS": WRITE_ONLY if trigger else READ_AND_WRITE,
        "DESCRIPTION": parameter.help,
        "TAGS": [str(parameter.control)],
    }
    if parameter.unit:
        node["UNIT"] = [parameter.unit]
    if parameter.kind in ("float", "int"):
        number = int if parameter.kind == "int" else float
        node["RANGE"] = [{"MIN": number(parameter.low), "MAX": number(parameter.high)}]
        node["CLIPMODE"] = ["both"]
    elif parameter.kind == "choice":
        node["RANGE"] = [{"VALS": list(parameter.choices)}]
    if not trigger:
        now = value(parameter.path)
        node["VALUE"] = [now]
        if parameter.kind == "bool":
            node["TYPE"] = "T" if now else "F"
    return node


def _meta_nodes() -> dict[str, Node]:
    return {
        ROOT + name: {"FULL_PATH": ROOT + name, "TYPE": type_, "ACCESS": WRITE_ONLY, "DESCRIPTION": text}
        for name, (type_, text) in META_ADDRESSES.items()
    }


_CONTAINERS = {
    "/": "root",
    "/riff": "Riffengine: every control of the performance",
    "/riff/deck": "The decks",
    "/riff/transport": "Tempo, beat and their source",
    "/riff/scene": "Scenes of the setlist",
    "/riff/master": "The sum of all decks",
    "/riff/cue": "The headphones",
}
