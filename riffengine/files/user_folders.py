"""The user's folders for state and caches. Source: XDG Base Directory Specification."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def user_folder(variable: str, usual: str, environment: Mapping[str, str]) -> Path:
    """The folder that ``variable`` names, by default ``usual`` in the home folder; a relative path there is ignored."""
    named = Path(environment.get(variable, ""))
    return named if named.is_absolute() else Path(environment.get("HOME") or Path.home()) / usual


def user_state(environment: Mapping[str, str]) -> Path:
    """``$XDG_STATE_HOME``, by default ``~/.local/state``."""
    return user_folder("XDG_STATE_HOME", ".local/state", environment)
