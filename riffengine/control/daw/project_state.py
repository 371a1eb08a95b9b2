"""ProjectState: what a DAW's project keeps of a set, so that it sounds the same when it is opened again. Pure."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from riffengine.errors import DawError, ParameterError
from riffengine.performance.command import Command, Value
from riffengine.performance.parameter_tree import ParameterTree

SOURCE = "daw"
_VERSION = 1
_MOST_BYTES = 1 << 20  # of a state that is unpacked
_OF_THE_HOST = ("transport/sync", "transport/tempo", "learn")  # the host's own, or of one evening


@dataclass(frozen=True)
class ProjectState:
    """The preset by its name, every parameter that is not at its default (prompts, seeds), and the map of the slots."""

    preset: str
    values: Mapping[str, Value] = field(default_factory=dict)
    map: tuple[str, ...] = ()

    @classmethod
    def of(cls, preset: str, values: Mapping[str, Value], tree: ParameterTree, slots: tuple[str, ...]) -> ProjectState:
        """What is to be kept of ``values``."""
        kept = {
            path: value
            for path, value in values.items()
            if path in tree
            and path not in _OF_THE_HOST
            and value != tree[path].default
            and tree[path].kind != "trigger"
        }
        return cls(preset, kept, slots)

    def text(self) -> str:
        """As letters of base64."""
        content = {"version": _VERSION, "preset": self.preset, "values": dict(self.values), "map": list(self.map)}
        packed = zlib.compress(json.dumps(content, sort_keys=True, ensure_ascii=True).encode("ascii"), 9)
        return base64.b64encode(packed).decode("ascii")

    @classmethod
    def parse(cls, text: str) -> ProjectState:
        """The state in ``text``; ``DawError`` when it is none of ours."""
        try:
            unpacker = zlib.decompressobj()
            content = json.loads(unpacker.decompress(base64.b64decode(text, validate=True), _MOST_BYTES))
            version, preset, values, slots = (content[name] for name in ("version", "preset", "values", "map"))
        except (binascii.Error, zlib.error, ValueError, KeyError, TypeError, RecursionError) as error:
            raise DawError(f"the DAW's project has a state that cannot be read ({error}); it is left out") from None
        plain = isinstance(values, dict) and all(
            isinstance(value, bool | int | float | str) for value in values.values()
        )
        mapped = isinstance(slots, list) and all(isinstance(path, str) for path in slots)
        if version != _VERSION or not isinstance(preset, str) or not plain or not mapped:
            raise DawError("the DAW's project has a state of another release; it is left out")
        return cls(preset, values, tuple(slots))

    def commands(self, tree: ParameterTree, present: Mapping[str, Value]) -> tuple[list[Command], list[str]]:
        """What must be set so that ``present`` becomes this state, and the paths that this session does not have.

        What the state does not name goes to its default.
        """
        wanted = {
            path: parameter.default
            for path, parameter in tree.parameters.items()
            if path not in _OF_THE_HOST and parameter.kind != "trigger" and path in present
        }
        unknown = sorted(set(self.values) - set(wanted))
        for path in set(self.values) & set(wanted):
            try:
                wanted[path] = tree[path].check(self.values[path], clip=True)[0]
            except ParameterError:
                unknown.append(path)
        changed = [Command(path, value, SOURCE) for path, value in wanted.items() if present[path] != value]
        return changed, unknown
