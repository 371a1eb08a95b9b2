"""LearnedMap: the lines that a performer taught, in a file of their own under the user's configuration.

It is the only map that is ever written; those that come with the package are not. A line is kept as it was written, and
the file is replaced in one step, so a crash leaves the old one or the new one.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

import yaml

from riffengine.control.midi.binding import NUMBERLESS, Binding
from riffengine.control.midi.controller_map import shadows
from riffengine.errors import ControlError, PresetError
from riffengine.session.midi_map import BindingReader, everything
from riffengine.session.yaml_reader import YamlReader, read_yaml

_HEAD = """\
# Controls that were taught with `riffengine learn` or /riff/learn; they count in every set, before any other map.
# Yours to edit: one line a control, as in a preset's midi: map:
map:
"""


class LearnedMap(YamlReader):
    """The file ``midi.yaml`` in ``folder``; it need not exist."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "midi.yaml"
        super().__init__(str(self.path))

    @property
    def stamp(self) -> tuple[int, int]:
        """Changes whenever the file does."""
        try:
            facts = self.path.stat()
        except OSError:
            return (0, 0)
        return facts.st_mtime_ns, facts.st_size

    def read(self) -> tuple[tuple[Binding, ...], list[str]]:
        """Every line that is right, and what is wrong with the others."""
        try:
            lines = self._lines()
        except PresetError as error:
            return (), [str(error)]
        found = tuple(binding for _, binding in lines if binding is not None)
        return found, [str(problem) for problem in self._problems]

    def keep(self, binding: Binding) -> None:
        """Add ``binding`` in the place of what its control did so far; ``ControlError`` when it cannot be written."""
        self._rewrite(lambda known: shadows(binding, known) and _same_port(binding, known), [line_of(binding)])

    def forget(self, path: str) -> int:
        """Take out every control that moves ``path``; returns how many there were."""
        return self._rewrite(lambda known: known.path == path, [])

    def _lines(self) -> list[tuple[yaml.Node, Binding | None]]:
        """Every line with its node; ``PresetError`` when the file cannot be read at all."""
        self._problems.clear()
        if not self.path.exists():
            return []
        reader = BindingReader(self._file, self._problems, everything())
        found = []
        for _, node in self._entries(read_yaml(self.path, "map: []"), "", ["map"]):
            if isinstance(node, yaml.SequenceNode):  # a map without lines is none
                found = [(item, reader.binding(item, at)) for item, at in self._items(node, "map")]
        return found

    def _rewrite(self, gone: Callable[[Binding], bool], added: Sequence[str]) -> int:
        try:
            lines = self._lines()
            text = self.path.read_text(encoding="utf-8") if self.path.exists() else _HEAD
        except (PresetError, OSError) as error:
            raise ControlError(f"{error}; mend {self.path} or move it away, then teach again") from None
        leaving = [node for node, binding in lines if binding is not None and gone(binding)]
        rows = text.splitlines()
        dropped = {row for node in leaving for row in range(node.start_mark.line, _last_row(node) + 1)}
        kept = [row for number, row in enumerate(rows) if number not in dropped]
        left = len(lines) - len(leaving) + len(added)
        kept = [("map:" if row.startswith("map:") else row) for row in kept] if left else kept
        if not any(row.startswith("map:") for row in kept):
            kept.append("map:")
        kept += [f"  - {row}" for row in added]
        self._replace("\n".join(kept) + "\n")
        return len(leaving)

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
    facts: dict[str, object] = {binding.kind: True if binding.kind in NUMBERLESS else binding.number}
    if binding.kind == "chord":
        facts[binding.kind] = f"{binding.number}..{binding.to}"
    for field in fields(binding):
        value = getattr(binding, field.name)
        if field.name in ("path", "kind", "number", "to") or value == field.default:
            continue
        facts[field.name] = list(value) if isinstance(value, tuple) else value
    facts["set"] = binding.path
    return "{" + ", ".join(f"{key}: {_written(value)}" for key, value in facts.items()) + "}"


def _written(value: object) -> str:
    # JSON is YAML: quoted text never turns into a number, a date or a truth value.
    plain = isinstance(value, str) and value.replace("/", "").replace("-", "").replace("_", "").isalpha()
    return (
        str(value)
        if plain and value not in ("true", "false", "yes", "no", "on", "off", "null")
        else json.dumps(value, ensure_ascii=False)
    )


def _same_port(one: Binding, other: Binding) -> bool:
    return not one.port or not other.port or one.port == other.port


def _last_row(node: yaml.Node) -> int:
    """A block node ends where the next begins, a flow node on its own row."""
    return int(node.end_mark.line - (1 if node.end_mark.column == 0 else 0))
