"""AudioSettings: the section ``output`` of a preset: where the sound goes, and how.

output:
  to: auto                # auto: the sound device, or paced where there is none. device. paced: no device, at its
                          # speed. daw: our plugin on the tracks of a DAW
  device: "USB"           # a number or a part of the name; without it, the system's default
  sample_rate: 48000      # 44100 or 48000
  block_frames: 256       # frames per block, 16 to 8192
  cue: true               # a second pair of channels for headphones
  input: true             # the device's input, for capture and follow
  input_device: "USB"     # another one than device, as far as the driver takes two
  input_latency: 0.021    # seconds from output to input, where the driver tells a wrong one
  record: set.flac        # record the whole set to this file
  fade_in: 1              # seconds
  fade_out: 3.5
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from riffengine.files.regular import home_path
from riffengine.output.registry import AUTO, output_names
from riffengine.processes.audio import SAMPLE_RATES
from riffengine.session.settings import Settings
from riffengine.session.yaml_reader import YamlReader

_DEVICE_KEYS = ("to", "device", "sample_rate", "block_frames", "record", "cue")
_KEYS = (*_DEVICE_KEYS, "input", "input_device", "input_latency", "fade_in", "fade_out")
_LONGEST_FADE_SECONDS = 60.0
_LONGEST_LATENCY_SECONDS = 2.0


@dataclass(frozen=True)
class AudioSettings(Settings):
    """Where the sound goes. ``record`` is the file that the whole set is recorded to, ``None`` for no recording.

    ``cue``: a second pair of channels for the headphones, where the device has them. ``sound_input``: the device's
    input too; ``input_latency_seconds`` is from output to input, ``None`` as the driver tells.
    """

    output: str = AUTO
    device: str = ""
    sample_rate: int = 44100
    block_frames: int = 512
    cue: bool = False
    sound_input: bool = False
    input_device: str = ""
    input_latency_seconds: float | None = None
    record: Path | None = None
    fade_in_seconds: float = 0.05
    fade_out_seconds: float = 2.0

    @property
    def portaudio_device(self) -> str | int | None:
        """The device as PortAudio names it: a number, a part of a name, or ``None`` for the default device."""
        return _portaudio_name(self.device)

    @property
    def portaudio_input(self) -> str | int | None:
        """The same of the input; ``None`` for that of the output."""
        return _portaudio_name(self.input_device)


def _portaudio_name(device: str) -> str | int | None:
    return int(device) if device.isdecimal() else device or None


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
                case "input":
                    given["sound_input"] = self._switch(value, full)
                case "input_device":
                    given["input_device"] = self._text(value, full)
                case "input_latency":
                    given["input_latency_seconds"] = self._number(value, full, 0, _LONGEST_LATENCY_SECONDS, "seconds")
                case "record":
                    name = self._text(value, full)
                    given["record"] = home_path(name) if name else None
                case "cue":
                    given["cue"] = self._switch(value, full)
                case _:
                    given[f"{key}_seconds"] = self._number(value, full, 0, _LONGEST_FADE_SECONDS, "seconds")
        return AudioSettings().with_given(**given)
