"""PluginFiles: the states of plugins in the folder of a saved state, each in a file that is named by its content.

A state of megabytes is thus written when it has changed, and not with each save. One thread at a time: the autosave's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from riffengine.files.regular import read_regular
from riffengine.plugins.chain import MOST_STATE_BYTES
from riffengine.recovery.atomic_file import write_atomically

_ENDING = ".plugin"
_NAME = re.compile(rf"[0-9a-f]{{32}}\{_ENDING}")


class PluginFiles:
    """The files in ``folder``. ``write`` and ``keep_only`` raise ``OSError``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._named: dict[str, tuple[bytes, str]] = {}  # the last states and their names: a digest takes milliseconds

    def write(self, states: Mapping[str, bytes]) -> dict[str, str]:
        """The name of each state's file, by the same keys; those that are not there are written."""
        named = {}
        for at, state in states.items():
            last = self._named.get(at)
            named[at] = last if last is not None and last[0] is state else (state, _name(state))
            path = self._folder / named[at][1]
            if not path.exists():
                write_atomically(path, state)
        self._named = named
        return {at: name for at, (_, name) in named.items()}

    def keep_only(self, names: Iterable[str]) -> None:
        """Delete the files of all other states."""
        needed = set(names)
        for path in self._folder.glob(f"*{_ENDING}"):
            if path.name not in needed:
                path.unlink(missing_ok=True)

    def read(self, names: Mapping[str, str]) -> dict[str, bytes]:
        """The states by the same keys, without those whose file is missing or damaged."""
        found = {}
        for at, name in names.items():
            try:
                state = read_regular(self._folder / name, MOST_STATE_BYTES) if _NAME.fullmatch(name) else b""
            except OSError:
                continue
            if name == _name(state):
                found[at] = state
        return found


def _name(state: bytes) -> str:
    return hashlib.sha256(state).hexdigest()[:32] + _ENDING
