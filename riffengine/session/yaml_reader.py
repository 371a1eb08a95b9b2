"""YamlReader: reads YAML node by node, so that every problem has a line; all problems of a file are collected."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml

from riffengine.errors import ParameterError, PresetError, printable
from riffengine.files.regular import read_regular
from riffengine.performance.command import Value
from riffengine.performance.error_text import unknown
from riffengine.performance.parameter_tree import ControlClass, Parameter, ParameterTree

MAX_BYTES = 256 << 10  # a preset is written by hand; a quarter of a megabyte of it is another file
MAX_NODES = 20_000  # keys, values, lists; composing them takes about a second
MAX_SCALAR = 10_000  # characters of one value: numbers in base 60 take time by the square of their length
MAX_PROBLEMS = 50  # of a file that are told; the rest are not looked for


def read_yaml(path: Path, smallest: str) -> yaml.Node:
    """The root node of the YAML file ``path``; ``PresetError`` when there is none, with ``smallest`` as an example."""
    try:
        raw = read_regular(path, MAX_BYTES)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise PresetError(
                str(path), "", f"is larger than {MAX_BYTES >> 10} KiB; a preset is a few lines of YAML"
            ) from None
        raise PresetError(str(path), "", f"cannot be read: {error.strerror}; name a YAML preset") from None
    try:
        node = yaml.compose(raw.decode("utf-8"), Loader=_BoundedLoader)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise PresetError(f"{path}:{line}", "", "is not UTF-8 text; save it as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = error.problem or error.context or ""
        advice = "indent with spaces, not with tabs" if "'\\t'" in what else "check indents, colons and quotes"
        problem = f"is not YAML: {printable(what)}; {advice}"
        raise PresetError(f"{path}:{line}", "", problem) from None
    except _TooManyNodes as error:
        problem = f"holds more than {MAX_NODES:,} keys and values; a preset is a few lines of YAML"
        raise PresetError(f"{path}:{error.line}", "", problem) from None
    except yaml.YAMLError as error:
        what = getattr(error, "reason", "it cannot be read")
        raise PresetError(f"{path}:1", "", f"is not YAML: {printable(what)}; save it as plain text") from None
    except RecursionError:
        raise PresetError(f"{path}:1", "", "is nested too deeply; a preset has four levels at most") from None
    if node is None:
        raise PresetError(f"{path}:1", "", f"is empty; the smallest is: {smallest}")
    return node


class _TooManyNodes(Exception):
    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class _BoundedLoader(yaml.SafeLoader):
    """Counts the nodes, and gives up where no person has written so many."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _TooManyNodes(self.line + 1)
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


class YamlReader:
    """Reads nodes of ``file``. Every problem is added to ``problems``, which several readers of a file may share."""

    def __init__(self, file: str, problems: list[PresetError] | None = None) -> None:
        self._file = file
        self._problems: list[PresetError] = [] if problems is None else problems

    def _raise_problems(self) -> None:
        """Raise the first problem in the file, with the others in it, if there are any."""
        if self._problems:
            first, *others = sorted(self._problems, key=lambda p: int(p.where.rsplit(":", 1)[1]))
            raise PresetError(first.where, first.key, first.problem, tuple(others))

    # --- values: ``None`` where the node was refused -------------------------------------------------------------

    def _value(self, node: yaml.Node, key: str, rule: Parameter) -> Any:
        """The value of ``node`` in the type of ``rule``."""
        value = self._scalar(node, key)
        if value is None:
            return None
        # YAML 1.1 takes the plain words off, on, yes and no for truth values: quantum: off means "off".
        if isinstance(value, bool) and rule.kind in ("choice", "str") and isinstance(node, yaml.ScalarNode):
            value = node.value
        try:
            return rule.check(value)[0]
        except ParameterError as error:
            hint = "" if isinstance(value, str) or rule.kind != "str" else '; put it in "quotes"'
            self._refuse(node, key, str(error).removeprefix(f"{rule.path}: ") + hint)
            return None

    def _text(self, node: yaml.Node, key: str) -> str | None:
        """A text."""
        found: str | None = self._value(node, key, _rule(key, "str", ""))
        return found

    def _switch(self, node: yaml.Node, key: str) -> bool | None:
        """True or false."""
        found: bool | None = self._value(node, key, _rule(key, "bool", False))
        return found

    def _whole(self, node: yaml.Node, key: str, low: int, high: int, unit: str = "") -> int | None:
        """A whole number from ``low`` to ``high``."""
        found: int | None = self._value(node, key, _rule(key, "int", low, low, high, unit))
        return found

    def _number(self, node: yaml.Node, key: str, low: float, high: float, unit: str = "") -> float | None:
        """A number from ``low`` to ``high``."""
        found: float | None = self._value(node, key, _rule(key, "float", low, low, high, unit))
        return found

    def _choice(self, node: yaml.Node, key: str, choices: Sequence[Value]) -> Any:
        """One of ``choices``."""
        value = self._scalar(node, key)
        if value in choices and not isinstance(value, bool):
            return value
        if value is not None:
            self._refuse(node, key, f"{value!r} is refused; allowed is {', '.join(map(str, choices))}")
        return None

    def _scalar(self, node: yaml.Node, key: str) -> Any:
        """The number, text or truth value of ``node``; a block of lines, as after > and |, is one line of text."""
        if isinstance(node, yaml.ScalarNode):
            if len(node.value) > MAX_SCALAR:
                self._refuse(node, key, f"has {len(node.value):,} characters; at most {MAX_SCALAR:,} are read")
                return None
            try:
                value = yaml.SafeLoader("").construct_object(node)
            except (yaml.YAMLError, ValueError, OverflowError):
                value = None
            if isinstance(value, str) and node.style in (">", "|"):
                return " ".join(value.split("\n")).strip()
            if isinstance(value, bool | int | float | str):
                return value
        what = "nothing" if node.tag.endswith(":null") else "a list" if isinstance(node, yaml.SequenceNode) else "this"
        self._refuse(node, key, f"{what} does not fit here; allowed is one number, text, true or false")
        return None

    # --- nodes ---------------------------------------------------------------------------------------------------

    def _entries(self, node: yaml.Node, at: str, known: Sequence[str]) -> list[tuple[str, yaml.Node]]:
        """The known entries of a mapping. Unknown and repeated keys are refused, and so is a node of another kind."""
        if not isinstance(node, yaml.MappingNode):
            self._refuse(node, at, f"needs keys and values; known keys are {', '.join(known)}")
            return []
        found: dict[str, yaml.Node] = {}
        for key_node, value in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            full = f"{at}.{key}" if at else key
            if key not in known:
                self._refuse(key_node, full, unknown("key", key, known))
            elif key in found:
                first = found[key].start_mark.line + 1
                self._refuse(key_node, full, f"is given twice, first in line {first}; keep one")
            else:
                found[key] = value
        return list(found.items())

    def _items(self, node: yaml.Node, at: str) -> list[tuple[yaml.Node, str]]:
        """The items of a list, each with its key for messages."""
        if not isinstance(node, yaml.SequenceNode):
            self._refuse(node, at, "needs a list: one line each, beginning with a dash")
            return []
        return [(item, f"{at}[{number}]") for number, item in enumerate(node.value)]

    def _require(self, met: bool, node: yaml.Node, key: str, problem: str) -> None:
        """Refuse ``node`` with ``problem`` unless the condition is ``met``."""
        if not met:
            self._refuse(node, key, problem)

    def _refuse(self, node: yaml.Node, key: str, problem: str) -> None:
        """Add a problem at the line of ``node``."""
        where = f"{self._file}:{node.start_mark.line + 1}"
        self._problems.append(PresetError(where, printable(key), printable(problem, 1000)))
        if len(self._problems) >= MAX_PROBLEMS:
            self._problems.append(PresetError(where, "", "has more problems; mend these first"))
            self._raise_problems()


class ParameterReader(YamlReader):
    """A YamlReader of sections that set parameters of ``tree``; the values are added to ``parameters``."""

    def __init__(
        self, file: str, problems: list[PresetError], tree: ParameterTree, parameters: dict[str, Value]
    ) -> None:
        super().__init__(file, problems)
        self._tree, self._parameters = tree, parameters

    def _parameter(self, node: yaml.Node, key: str, path: str) -> None:
        """Set the parameter ``path`` to the value of ``node``."""
        value = self._value(node, key, self._tree[path])
        if value is not None:
            self._parameters[path] = value


def _rule(key: str, kind: Literal["str", "bool", "int", "float"], default: Value, *bounds: float | str) -> Parameter:
    """The rule of a setting that is no parameter; ``bounds`` are the lowest and the highest number, and the unit."""
    low, high, unit = bounds or (float("-inf"), float("inf"), "")
    return Parameter(key, kind, default, ControlClass.IMMEDIATE, "", float(low), float(high), str(unit))
