"""Which plugins may be loaded: none on the tracks of a DAW, and none that has crashed too often."""

from __future__ import annotations

from riffengine.clock import SystemClock
from riffengine.errors import PluginError
from riffengine.plugins.blacklist import Blacklist


class PluginAdmission:
    """The rule of a set whose output is a DAW (``on_tracks``) or not."""

    def __init__(self, on_tracks: bool) -> None:
        self._on_tracks, self._blacklist = on_tracks, Blacklist.standard()

    def check(self, reference: str) -> None:
        """Raise ``PluginError`` for a plugin that may not be loaded."""
        if self._on_tracks:
            raise PluginError(
                f"{reference} is not loaded: a set on the tracks of a DAW has its effects there; insert it on "
                "the track, or play with another --output"
            )
        self._blacklist.check(reference)

    def blame(self, reference: str, reason: str) -> None:
        """Put a plugin on the blacklist."""
        self._blacklist.add(reference, reason, SystemClock().unix_seconds())
