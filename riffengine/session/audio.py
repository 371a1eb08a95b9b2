"""AudioSettings: the section ``output`` of a preset: where the sound goes, and how.

output:
  to: auto                # auto: the sound device, or paced where there is none. device. paced: no device, at its
                          # speed. daw: our plugin on the tracks of a DAW
  device: "USB"           # a number or a part of the name; without it, the system's default
  sample_rate: 48000      # 44100 or 48000
  block_frames: 256       # frames per block, 16 to 8192
  cue: true               # a second pair of channels for headphones
  record: set.flac        # record the whole set to this file
  fade_in: 1              # seconds
  fade_out: 3.5
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from riffengine.output.registry import AUTO, output_names
from riffengine.processes.audio import SAMPLE_RATES
from riffengine.session.settings import Settings
from riffengine.session.yaml_reader import YamlReader

_KEYS = ("to", "device", "sample_rate", "block_frames", "record", "cue", "fade_in", "fade_out")
_LONGEST_FADE_SECONDS = 60.0


@dataclass(frozen=True)
class AudioSettings(Settings):
    """Where the sound goes. ``record`` is the file that the whole set is recorded to, ``None`` for no recording.

    ``cue``: a second pair of channels for the headphones, where the device has them.
    """

    output: str = AUTO
    device: str = ""
    sample_rate: int = 44100
    block_frames: int = 512
    cue: bool = False
    record: Path | None = None
    fade_in_seconds: float = 0.05
    fade_out_seconds: float = 2.0

    @property
    def portaudio_device(self) -> str | int | None:
        """The device as PortAudio names it: a number, a part of a name, or ``None`` for the default device."""
        return int(self.device) if self.device.isdecimal() else self.device or None


class AudioReader(YamlReader):
    """Reads the section ``output``."""

    def read(self, node: yaml.Node, at: str) -> AudioSettings:
        """The settings in the mapping ``node``; a refused value is left at its default."""
        given: dict[str, Any] = {}
        for key, value in self._entries(node, at, _KEYS):
            full = f"{at}.{key}"
            match key:
                case "to":
                    given["output"] = self._choice(value, full, output_names())
                case "device":
                    given["device"] = self._text(value, full)
                case "sample_rate":
                    given["sample_rate"] = self._choice(value, full, SAMPLE_RATES)
                case "block_frames":
                    given["block_frames"] = self._whole(value, full, 16, 8192, "frames")
                case "record":
                    name = self._text(value, full)
                    given["record"] = Path(name) if name else None
                case "cue":
                    given["cue"] = self._switch(value, full)
                case _:
                    given[f"{key}_seconds"] = self._number(value, full, 0, _LONGEST_FADE_SECONDS, "seconds")
        return AudioSettings().with_given(**given)
