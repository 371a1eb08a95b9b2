"""Where the plugin is installed, and how: one folder for each format, and the command that starts the engine."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from riffengine.daw.build import build_clap, build_lv2, build_vst3, dpf_folder
from riffengine.errors import DawError, printable

ENGINE_VARIABLE = "RIFFENGINE_DAW_ENGINE"


@dataclass(frozen=True)
class Format:
    """A plugin format: the folder in the user's home where hosts look, the file's name, and what builds it."""

    name: str
    folder: str
    file: str
    build: Callable[[Path, str], Path]


FORMATS: Mapping[str, Format] = {
    "lv2": Format("LV2", ".lv2", "riffengine.lv2", build_lv2),
    "clap": Format("CLAP", ".clap", "riffengine.clap", build_clap),
    "vst3": Format("VST3", ".vst3", "riffengine.vst3", build_vst3),
}
"""By the word on the command line."""


def usual_formats() -> list[str]:
    """What is installed where no format is named: all but VST3 where DPF is not on this machine."""
    return [kind for kind in FORMATS if kind != "vst3" or dpf_folder() is not None]


def folder_of(kind: str, directory: Path | None) -> Path:
    """Where the plugin of a format goes: ``directory``, or the folder of the format in the user's home."""
    return directory if directory is not None else Path.home() / FORMATS[kind].folder


def install(kind: str, directory: Path | None, compiler: str) -> Path:
    """Build a format and put it where hosts find it; returns the file or bundle. ``DawError`` says what is missing."""
    folder = folder_of(kind, directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return FORMATS[kind].build(folder, compiler)
    except OSError as error:
        raise DawError(f"{folder} cannot be written: {printable(error)}; name another folder with --dir") from error


def installed(directory: Path | None) -> list[tuple[str, Path]]:
    """The formats that are installed, and where."""
    places = [(kind, folder_of(kind, directory) / form.file) for kind, form in FORMATS.items()]
    return [(kind, place) for kind, place in places if place.exists()]


def engine_file() -> Path:
    """The file with the command that the plugin starts the engine with; ``daw/native/link.c`` has the same rule."""
    named = os.environ.get(ENGINE_VARIABLE)
    if named:
        return Path(named)
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "riffengine" / "daw-engine"


def write_engine_command(preset: str) -> Path:
    """Let the plugin start an engine that plays ``preset``, where its parameter "Start the Engine" is on."""
    path = engine_file()
    preset = str(Path(preset).resolve()) if Path(preset).exists() else preset
    command = [sys.executable, "-m", "riffengine", "serve", preset, "--output", "daw"]
    if any("\n" in word for word in command):
        raise DawError(f"{shlex.join(command)} has a line break in a name; rename the preset")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(command) + "\n", encoding="utf-8")
    except OSError as error:
        raise DawError(f"{path} cannot be written: {printable(error)}") from error
    return path
