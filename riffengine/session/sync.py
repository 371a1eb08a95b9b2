"""SyncSettings: the section ``sync`` of a preset: the tempo that is followed, and MIDI clock out.

sync:
  source: midi            # internal, midi, link, or daw (the output daw has it by itself)
  port: Digitakt          # part of the name of the port that MIDI clock comes from
  start_stop: true        # follow start and stop of Ableton Link too
  offset: 12.5            # milliseconds; the parameters transport/offset, transport/ramp and transport/clock_out
  ramp: 8
  clock_out: true
  clock_out_port: "…"     # part of the name of the port that MIDI clock is sent to
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from riffengine.session.settings import Settings
from riffengine.session.yaml_reader import ParameterReader

_PARAMETERS = {
    "source": "transport/sync",
    "offset": "transport/offset",
    "ramp": "transport/ramp",
    "clock_out": "transport/clock_out",
}


@dataclass(frozen=True)
class SyncSettings(Settings):
    """``port`` is part of the name of the port that MIDI clock comes from, "" for a port of our own to send to.

    ``clock_out_port`` is part of the name of the port that our MIDI clock is sent to, "" for a port of our own that
    other programs connect to.
    """

    start_stop: bool = False
    port: str = ""
    clock_out_port: str = ""


class SyncReader(ParameterReader):
    """Reads the section ``sync``."""

    def read(self, node: yaml.Node, at: str) -> SyncSettings:
        """The settings in the mapping ``node``; a refused value is left at its default."""
        given: dict[str, Any] = {}
        for key, value in self._entries(node, at, (*_PARAMETERS, "start_stop", "port", "clock_out_port")):
            full = f"{at}.{key}"
            if key in _PARAMETERS:
                self._parameter(value, full, _PARAMETERS[key])
            elif key == "start_stop":
                given[key] = self._switch(value, full)
            else:
                given[key] = self._text(value, full)
        return SyncSettings().with_given(**given)
