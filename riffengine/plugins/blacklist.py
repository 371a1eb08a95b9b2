"""The blacklist: plugins that crashed or hung, with the reason; they are not opened until they are forgiven."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from riffengine.errors import PluginError
from riffengine.plugins.atomic_file import read_json, state_file, write_atomically


@dataclass(frozen=True)
class Blame:
    """Why a plugin is on the list, and since when (seconds since 1970); ``scanned``: a scan put it there, not a set."""

    reason: str
    since: float
    scanned: bool = False


class Blacklist:
    """The list in a file, read at every question, so that several processes see the same. Never in the audio thread."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def standard(cls, environment: Mapping[str, str] | None = None) -> Blacklist:
        """The user's list: ``$XDG_STATE_HOME/riffengine/plugin-blacklist.json``."""
        return cls(state_file("plugin-blacklist.json", environment))

    def entries(self) -> dict[str, Blame]:
        """Every reference on the list. A damaged file is an empty list."""
        kept = read_json(self.path)
        found = {}
        for reference, entry in kept.items():
            if isinstance(entry, dict) and isinstance(entry.get("since"), int | float):
                found[reference] = Blame(
                    str(entry.get("reason", "")), float(entry["since"]), entry.get("scanned") is True
                )
        return found

    def check(self, reference: str) -> None:
        """``PluginError`` with the reason where a plugin is on the list."""
        blame = self.entries().get(reference)
        if blame is not None:
            raise PluginError(
                f"{reference} is on the blacklist: {blame.reason}."
                f" `riffengine plugins forgive {reference}` takes it off"
            )

    def add(self, reference: str, reason: str, unix_seconds: float, scanned: bool = False) -> None:
        """Put a plugin on the list; a later reason replaces an earlier one."""
        self._write(self.entries() | {reference: Blame(reason, unix_seconds, scanned)})

    def forgive(self, reference: str) -> bool:
        """Take a plugin off the list; whether it was on it."""
        entries = self.entries()
        was = entries.pop(reference, None) is not None
        if was:
            self._write(entries)
        return was

    def _write(self, entries: dict[str, Blame]) -> None:
        text = json.dumps({reference: asdict(blame) for reference, blame in sorted(entries.items())}, indent=1)
        write_atomically(self.path, text)
