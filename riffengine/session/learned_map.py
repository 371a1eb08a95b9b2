"""LearnedMap: the MIDI controls that the performer taught, in a file of their own in the user's configuration folder.

It is the only map that the engine writes. Lines that a person wrote stay as they are, and the file is replaced in one
step, so a crash leaves the old one or the new one.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import yaml

from riffengine.control.midi.binding import NUMBERLESS, Binding
from riffengine.control.midi.controller_map import shadows
from riffengine.errors import ControlError, PresetError
from riffengine.files.regular import read_regular
from riffengine.session.binding_reader import BindingReader, full_tree
from riffengine.session.named_files import config_folder
from riffengine.session.yaml_reader import MAX_BYTES, YamlReader, read_yaml

_HEAD = """\
# Controls that were assigned with `riffengine learn` or /riff/learn. They are used in every set, before any other map.
# You can edit this file: one line for each control, as in a preset's midi: map:
map:
"""
_WORDS = ("true", "false", "yes", "no", "on", "off", "null")  # which YAML takes for something else than text


@dataclass(frozen=True)
class Learned:
    """The correct lines of the map, and the problems of the others; ``stamp`` as that of ``LearnedMap``."""

    bindings: tuple[Binding, ...] = ()
    problems: tuple[str, ...] = ()
    stamp: tuple[int, int] = (0, 0)


def read_learned(before: Learned | None = None) -> Learned:
    """The performer's map; ``before`` itself where it has not changed since. Waits for the disk."""
    learned_map = LearnedMap(config_folder(os.environ))
    stamp = learned_map.stamp
    if before is not None and stamp == before.stamp:
        return before
    bindings, problems = learned_map.read()
    return Learned(bindings, tuple(problems), stamp)


def keep_learned(binding: Binding) -> None:
    """Add ``binding`` to the performer's map; ``ControlError`` when it cannot be written. Waits for the disk."""
    LearnedMap(config_folder(os.environ)).keep(binding)


class LearnedMap(YamlReader):
    """The file ``midi.yaml`` in ``folder``; it need not exist."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "midi.yaml"
        super().__init__(str(self.path))

    @property
    def stamp(self) -> tuple[int, int]:
        """Changes whenever the file does."""
        try:
            status = self.path.stat()
        except OSError:
            return (0, 0)
        return status.st_mtime_ns, status.st_size

    def read(self) -> tuple[tuple[Binding, ...], list[str]]:
        """Every correct line, and the problems of the others."""
        try:
            lines = self._lines()
        except PresetError as error:
            return (), [str(error)]
        bindings = tuple(binding for _, binding in lines if binding is not None)
        return bindings, [str(problem) for problem in self._problems]

    def keep(self, binding: Binding) -> None:
        """Add ``binding`` and remove the lines of the same control; ``ControlError`` when it cannot be written."""
        self._rewrite(lambda old: shadows(binding, old) and _same_port(binding, old), [line_of(binding)])

    def forget(self, path: str) -> int:
        """Remove every control that moves ``path``; returns how many there were."""
        return self._rewrite(lambda old: old.path == path, [])

    def _lines(self) -> list[tuple[yaml.Node, Binding | None]]:
        """Every line with its node; ``PresetError`` when the file cannot be read at all."""
        self._problems.clear()
        if not self.path.exists():
            return []
        reader = BindingReader(self._file, self._problems, full_tree())
        found = []
        for _, node in self._entries(read_yaml(self.path, "map: []"), "", ["map"]):
            if isinstance(node, yaml.SequenceNode):  # a map without lines has the value null
                found = [(item, reader.binding(item, at)) for item, at in self._items(node, "map")]
        return found

    def _rewrite(self, obsolete: Callable[[Binding], bool], added: Sequence[str]) -> int:
        """Write the file without the lines that are ``obsolete`` and with those ``added``; returns how many went."""
        try:
            lines = self._lines()
            text = read_regular(self.path, MAX_BYTES).decode() if self.path.exists() else _HEAD
        except (PresetError, OSError, UnicodeDecodeError) as error:
            raise ControlError(f"{error}; repair {self.path} or move it away, then assign the control again") from None
        removed = [node for node, binding in lines if binding is not None and obsolete(binding)]
        removed_rows = {row for node in removed for row in range(node.start_mark.line, _last_row(node) + 1)}
        rows = [row for number, row in enumerate(text.splitlines()) if number not in removed_rows]
        if len(lines) - len(removed) + len(added) > 0:  # "map: []" becomes the head of a list
            rows = ["map:" if row.startswith("map:") else row for row in rows]
        if not any(row.startswith("map:") for row in rows):
            rows.append("map:")
        rows += [f"  - {line}" for line in added]
        self._replace("\n".join(rows) + "\n")
        return len(removed)

    def _replace(self, text: str) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".midi-", suffix=".yaml")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except OSError as error:
            raise ControlError(f"{self.path} cannot be written: {error.strerror}; is the disk full?") from None


def line_of(binding: Binding) -> str:
    """``binding`` as one line of a map."""
    entries: dict[str, object] = {binding.kind: True if binding.kind in NUMBERLESS else binding.number}
    if binding.kind == "chord":
        entries[binding.kind] = f"{binding.number}..{binding.to}"
    for field in fields(binding):
        value = getattr(binding, field.name)
        if field.name in ("path", "kind", "number", "to") or value == field.default:
            continue
        entries[field.name] = list(value) if isinstance(value, tuple) else value
    entries["set"] = binding.path
    return "{" + ", ".join(f"{key}: {_yaml_text(value)}" for key, value in entries.items()) + "}"


def _yaml_text(value: object) -> str:
    if isinstance(value, str) and value.lower() not in _WORDS and re.sub("[/_-]", "", value).isalpha():
        return value
    return json.dumps(value, ensure_ascii=False)  # JSON is YAML: quoted text never turns into a number or a date


def _same_port(one: Binding, other: Binding) -> bool:
    return not one.port or not other.port or one.port == other.port


def _last_row(node: yaml.Node) -> int:
    """A block node ends where the next begins, a flow node on its own row."""
    return int(node.end_mark.line - (1 if node.end_mark.column == 0 else 0))
