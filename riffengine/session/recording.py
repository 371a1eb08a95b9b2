"""RecordingSettings: the section ``record`` of a preset.

record:
  folder: sets            # where recordings go; without it, the folder the engine was started in
  format: flac            # flac: 24 bit. wav: float32, in parts of less than 4 GB
  part_minutes: 60        # a file each; 0 is one file
  keep_minutes: 5         # how much record/save_last can save; held in memory, 21 MB a minute
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from riffengine.performance.parameters import ControlClass, Parameter, unknown

KEYS = ("folder", "format", "part_minutes", "keep_minutes")
ENDINGS = ("flac", "wav")
LONGEST_KEEP_MINUTES = 60.0  # 1.3 GB

Checked = Callable[[yaml.Node, str, Parameter], Any]
Refuse = Callable[[yaml.Node, str, str], None]


@dataclass(frozen=True)
class RecordingSettings:
    """How recordings are made. ``folder`` may be relative to where the engine was started."""

    folder: Path = Path()
    ending: str = "flac"
    part_minutes: float = 0.0
    keep_minutes: float = 5.0


class RecordingSettingsReader:
    """Reads the section: ``checked`` gives a node's value by a rule or ``None``, ``refuse`` notes a problem."""

    def __init__(self, checked: Checked, refuse: Refuse) -> None:
        self._checked, self._refuse = checked, refuse

    def plan(self, node: yaml.Node, at: str) -> RecordingSettings:
        """The plan in the mapping ``node``; what is refused is left as it is by default."""
        plan = RecordingSettings()
        facts: dict[str, Any] = {}
        if not isinstance(node, yaml.MappingNode):
            self._refuse(node, at, f"needs keys and values; known keys are {', '.join(KEYS)}")
            return plan
        for key_node, value in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            full = f"{at}.{key}"
            if key not in KEYS:
                self._refuse(key_node, full, unknown("key", key, KEYS))
            elif key in facts:
                self._refuse(key_node, full, "stands here twice; keep one")
            else:
                facts[key] = self._checked(value, full, _rule(key, full))
        given = {key: value for key, value in facts.items() if value is not None}
        return RecordingSettings(
            Path(given.get("folder", plan.folder)),
            given.get("format", plan.ending),
            given.get("part_minutes", plan.part_minutes),
            given.get("keep_minutes", plan.keep_minutes),
        )


def _rule(key: str, full: str) -> Parameter:
    now = ControlClass.IMMEDIATE
    match key:
        case "folder":
            return Parameter(full, "str", "", now, "")
        case "format":
            return Parameter(full, "choice", ENDINGS[0], now, "", choices=ENDINGS)
        case "part_minutes":
            return Parameter(full, "float", 0.0, now, "", 0, 24 * 60, "minutes")
        case _:
            return Parameter(full, "float", 0.0, now, "", 0, LONGEST_KEEP_MINUTES, "minutes")
