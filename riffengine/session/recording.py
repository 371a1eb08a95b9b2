"""RecordingSettings: the section ``record`` of a preset.

record:
  folder: ~/sets          # where recordings go, made if missing; without it, the folder the engine was started in
  format: flac            # flac: 24 bit. wav: float32, in parts of less than 4 GB
  part_minutes: 60        # a file each; 0 is one file
  keep_minutes: 5         # how much record/save_last can save; held in memory, 21 MB a minute
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from riffengine.files.regular import home_path
from riffengine.performance.parameter_tree import ControlClass, Parameter
from riffengine.session.settings import Settings
from riffengine.session.yaml_reader import YamlReader

ENDINGS = ("flac", "wav")
_KEYS = ("folder", "format", "part_minutes", "keep_minutes")
_LONGEST_PART_MINUTES = 24 * 60.0
_LONGEST_KEEP_MINUTES = 60.0  # 1.3 GB


@dataclass(frozen=True)
class RecordingSettings(Settings):
    """How recordings are made. ``folder`` may be relative to where the engine was started."""

    folder: Path = Path()
    ending: str = "flac"
    part_minutes: float = 0.0
    keep_minutes: float = 5.0


class RecordingReader(YamlReader):
    """Reads the section ``record``."""

    def read(self, node: yaml.Node, at: str) -> RecordingSettings:
        """The settings in the mapping ``node``; a refused value is left at its default."""
        given: dict[str, Any] = {}
        for key, value in self._entries(node, at, _KEYS):
            full = f"{at}.{key}"
            match key:
                case "folder":
                    folder = self._text(value, full)
                    given["folder"] = None if folder is None else home_path(folder)
                case "format":
                    rule = Parameter(full, "choice", ENDINGS[0], ControlClass.IMMEDIATE, "", choices=ENDINGS)
                    given["ending"] = self._value(value, full, rule)
                case "part_minutes":
                    given[key] = self._number(value, full, 0, _LONGEST_PART_MINUTES, "minutes")
                case _:
                    given[key] = self._number(value, full, 0, _LONGEST_KEEP_MINUTES, "minutes")
        return RecordingSettings().with_given(**given)
