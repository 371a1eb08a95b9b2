"""MediaFolder: which files a command from another machine may name: those in the preset's folder, and plugins by name.

The names alone are looked at, and no file: the answer must not tell whether one exists, and one on a dead network
share must not be waited for.
"""

from __future__ import annotations

import os
from pathlib import Path

from riffengine.control.osc.options import is_loopback
from riffengine.files.regular import is_file
from riffengine.performance.command import Command, Rejected, Reply
from riffengine.scheduler.actions import Action

_REASON = (
    "from another machine only files in the preset's folder can be chosen, by a relative or whole path, "
    "and the pictures of the package by name"
)

_PLUGIN_REASON = (
    "from another machine a plugin can be chosen by its lv2: URI, or as a file below this machine's plugin folders, "
    "such as clap:Name.clap; `riffengine plugins list` shows them"
)


def is_remote(source: str) -> bool:
    """Whether a command of ``source`` may have come from another machine: OSC that did, every web page and agent."""
    kind, _, rest = source.partition(":")
    return kind in ("web", "mcp") or (kind == "osc" and not is_loopback(rest.rpartition(":")[0].strip("[]")))


def _is_shipped(name: str) -> bool:
    """Whether ``name`` is a picture of the package."""
    pictures = Path(__file__).parents[1] / "pictures"
    return any(is_file(pictures / kind / f"{name}.png") for kind in ("seed", "mask"))


class MediaFolder:
    """The files in ``folder`` and below it; ``None``: there is no preset, and other machines can name no file.

    ``drawings`` is the folder of what pages have drawn, which they may name too.
    """

    def __init__(self, folder: str | None, drawings: Path | None = None) -> None:
        self._folders = [os.path.normpath(each) for each in (folder, drawings) if each is not None]

    def answer(self, command: Command, frame: int) -> tuple[Reply, list[Action]] | None:
        """The refusal of a file outside the folder that another machine names; ``None`` for every other command."""
        if not command.value or not is_remote(command.source):
            return None
        source, _, options = str(command.value).partition("?")
        masks = [entry.removeprefix("mask=") for entry in options.split("&") if entry.startswith("mask=")]
        if all(self._holds(name) for name in (source, *masks)):
            return None
        return Rejected(command, f"{command.path}: {_REASON}"), []

    def _holds(self, name: str) -> bool:
        if name.replace("-", "_").isidentifier() and _is_shipped(name):
            return True
        if "\0" in name or "\\" in name or name.startswith("~"):
            return False
        whole = os.path.normpath(os.path.join(os.getcwd(), name))  # noqa: PTH109, PTH118 (Path would look at files)
        return any(whole.startswith(folder.rstrip(os.sep) + os.sep) for folder in self._folders)


def answer_to_plugin(command: Command, frame: int) -> tuple[Reply, list[Action]] | None:
    """The refusal of a plugin that another machine names by a file anywhere; ``None`` for every other command.

    A plugin is code that runs: who can send OSC must not choose a library outside the folders where the performer has
    installed plugins.
    """
    kind, _, place = str(command.value).partition(":")
    if not command.value or kind == "lv2" or not is_remote(command.source):
        return None
    path = place.partition("#")[0]
    parts = path.replace("\\", "/").split("/")
    if "\0" in path or path.startswith("~") or parts[0] in ("", ".") or ".." in parts or ":" in path:
        return Rejected(command, f"{command.path}: {_PLUGIN_REASON}"), []
    return None
