"""Small JSON files of the plugin rooms: where they are, and how they are read and replaced in one step."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from riffengine.errors import PluginError
from riffengine.files import json_text
from riffengine.files.user_folders import user_folder, user_state

_MOST_BYTES = 64 << 20  # the cache of two thousand plugins has 5 MB


def cache_file(name: str, environment: Mapping[str, str] | None = None) -> Path:
    """A file of ``$XDG_CACHE_HOME/riffengine``, by default under ``~/.cache``."""
    environment = os.environ if environment is None else environment
    return user_folder("XDG_CACHE_HOME", ".cache", environment) / "riffengine" / name


def state_file(name: str, environment: Mapping[str, str] | None = None) -> Path:
    """A file of ``$XDG_STATE_HOME/riffengine``, by default under ``~/.local/state``."""
    return user_state(os.environ if environment is None else environment) / "riffengine" / name


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file; an empty one where the file is missing, damaged or holds anything else."""
    try:
        kept = json_text.read_json(path, _MOST_BYTES)
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def write_atomically(path: Path, text: str) -> None:
    """Replace a file in one step; ``PluginError`` where it cannot be written."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, "utf-8")
        partial.replace(path)
    except OSError as problem:
        raise PluginError(
            f"{path} cannot be written: {problem.strerror}; make room or allow writing there"
        ) from problem
