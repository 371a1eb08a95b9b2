"""open_plugin: a running plugin of a reference, by format; and where the plugins of this machine are installed.

A new format is one line in ``FORMATS``.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import environ, pathsep
from pathlib import Path

from riffengine.errors import PluginError, printable
from riffengine.files.regular import home_path
from riffengine.plugins.plugin import Plugin

_MULTIARCH = sysconfig.get_config_var("MULTIARCH") or "lib"  # Debian's folder for libraries of one architecture


@dataclass(frozen=True)
class PluginFile:
    """A file or bundle that holds plugins: of LV2 a folder, of CLAP a file (a folder on macOS), of VST3 either."""

    format: str
    path: Path


@dataclass(frozen=True)
class Listed:
    """A plugin that a file holds: how to open it, and what it is called; of LV2 it is the end of the URI."""

    reference: str
    name: str


@dataclass(frozen=True)
class Format:
    """One plugin format: how its files are found and its plugins are opened.

    ``open`` gets what follows the colon of a reference, the sample rate, the frames of a block, and whether background
    work may take a thread. ``listing`` gives the plugins of a file; it may run their code. ``problem`` says why the
    format cannot be used on this machine, and is empty if it can.
    """

    name: str
    variable: str
    linux: tuple[str, ...]
    macos: tuple[str, ...]
    suffix: str
    open: Callable[[str, int, int, bool], Plugin]
    listing: Callable[[PluginFile], tuple[Listed, ...]]
    problem: Callable[[], str]


def _open_lv2(uri: str, sample_rate: int, block_frames: int, realtime: bool) -> Plugin:
    from riffengine.plugins.lv2 import open_lv2

    return open_lv2(uri, lv2_bundles(uri, plugin_files()), sample_rate, block_frames, realtime)


def _lv2_listing(file: PluginFile) -> tuple[Listed, ...]:
    from riffengine.plugins.lilv import World

    world = World()
    world.load_bundle(file.path)
    listed = tuple(Listed(f"lv2:{uri}", _last_part(uri)) for uri in world.uris())
    world.close()
    return listed


def _open_clap(place: str, sample_rate: int, block_frames: int, realtime: bool) -> Plugin:
    from riffengine.plugins.clap import ClapPlugin

    path, _, plugin_id = place.partition("#")
    return ClapPlugin(_placed("clap", path), plugin_id, f"clap:{place}", sample_rate, block_frames)


def _clap_listing(file: PluginFile) -> tuple[Listed, ...]:
    from riffengine.plugins.clap_file import clap_ids

    return tuple(Listed(f"clap:{short_place(file)}#{plugin_id}", name) for plugin_id, name in clap_ids(file.path))


def _open_vst3(place: str, sample_rate: int, block_frames: int, realtime: bool) -> Plugin:
    from riffengine.plugins.vst3 import Vst3Plugin

    path, _, name = place.partition("#")
    return Vst3Plugin(_placed("vst3", path), name, f"vst3:{place}", sample_rate, block_frames)


def _vst3_listing(file: PluginFile) -> tuple[Listed, ...]:
    from riffengine.plugins.vst3 import vst3_names

    names, place = vst3_names(file.path), short_place(file)
    if len(names) == 1:
        return (Listed(f"vst3:{place}", names[0]),)
    return tuple(Listed(f"vst3:{place}#{name}", name) for name in names)


def _lv2_problem() -> str:
    from riffengine.plugins.lilv import library

    try:
        library()
    except PluginError as problem:
        return str(problem)
    return ""


def _vst3_problem() -> str:
    from riffengine.plugins.vst3 import vst3_problem

    return vst3_problem()


FORMATS: dict[str, Format] = {
    "lv2": Format(
        "LV2",
        "LV2_PATH",
        ("~/.lv2", f"/usr/lib/{_MULTIARCH}/lv2", "/usr/lib64/lv2", "/usr/lib/lv2", "/usr/local/lib/lv2"),
        ("~/Library/Audio/Plug-Ins/LV2", "~/.lv2", "/usr/local/lib/lv2", "/usr/lib/lv2", "/Library/Audio/Plug-Ins/LV2"),
        ".lv2",
        _open_lv2,
        _lv2_listing,
        _lv2_problem,
    ),
    "clap": Format(
        "CLAP",
        "CLAP_PATH",
        ("~/.clap", f"/usr/lib/{_MULTIARCH}/clap", "/usr/lib64/clap", "/usr/lib/clap", "/usr/local/lib/clap"),
        ("~/Library/Audio/Plug-Ins/CLAP", "/Library/Audio/Plug-Ins/CLAP"),
        ".clap",
        _open_clap,
        _clap_listing,
        str,  # CLAP needs no library
    ),
    "vst3": Format(
        "VST3",
        "VST3_PATH",
        ("~/.vst3", f"/usr/lib/{_MULTIARCH}/vst3", "/usr/lib64/vst3", "/usr/lib/vst3", "/usr/local/lib/vst3"),
        ("~/Library/Audio/Plug-Ins/VST3", "/Library/Audio/Plug-Ins/VST3"),
        ".vst3",
        _open_vst3,
        _vst3_listing,
        _vst3_problem,
    ),
}


def open_plugin(reference: str, sample_rate: int, block_frames: int, realtime: bool = False) -> Plugin:
    """Open the plugin of ``lv2:URI``, ``clap:FILE#ID`` or ``vst3:FILE``; it runs in blocks of ``block_frames``.

    A FILE is absolute, or relative to one of the format's folders.

    ``realtime`` gives a plugin that loads files while it runs a thread for that, so that no block waits; without it the
    same sound in gives the same sound out. Errors are ``PluginError``; the plugin's own code may crash the process.
    """
    kind, colon, place = reference.partition(":")
    environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # else plugins that use Qt abort where there is no display
    if not colon or not place or kind not in FORMATS:
        allowed = ", ".join(f"{name}:…" for name in FORMATS)
        raise PluginError(
            f"{printable(reference)} is no reference to a plugin: it must begin with {allowed};"
            " `riffengine plugins list` shows them"
        )
    return FORMATS[kind].open(place, sample_rate, block_frames, realtime)


def plugins_in(file: PluginFile) -> tuple[Listed, ...]:
    """All plugins in a file. Of CLAP and VST3 its code is loaded: call it in a child process."""
    return FORMATS[file.format].listing(file)


def plugin_folders(kind: str, environment: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """The folders in which plugins of a format are looked for, first of all those of its variable (``LV2_PATH``)."""
    found = FORMATS[kind]
    named = (environ if environment is None else environment).get(found.variable, "")
    if named:  # the variable replaces the usual folders, as with liblilv
        folders: tuple[str, ...] = tuple(part for part in named.split(pathsep) if part)
    else:
        folders = found.macos if sys.platform == "darwin" else found.linux
    return tuple(dict.fromkeys(home_path(folder) for folder in folders))


def plugin_files(environment: Mapping[str, str] | None = None) -> tuple[PluginFile, ...]:
    """Every file or bundle of this machine that may hold plugins; none of them is opened.

    CLAP and VST3 are looked for in subfolders too; a bundle of the same name in an earlier folder hides a later one.
    """
    found: dict[tuple[str, str], PluginFile] = {}
    for kind, format_ in FORMATS.items():
        for folder in plugin_folders(kind, environment):
            for path in _files_in(kind, folder, format_.suffix):
                found.setdefault((kind, str(path.relative_to(folder))), PluginFile(kind, path))
    return tuple(sorted(found.values(), key=lambda file: (file.format, str(file.path))))


def lv2_bundles(uri: str, files: tuple[PluginFile, ...]) -> tuple[Path, ...]:
    """The bundles that may hold a plugin: the one whose manifest writes out its URI, or all that have its last part.

    A manifest may shorten the URI by a prefix. Empty where no manifest has either.
    """
    last = _last_part(uri)
    shortened = []
    for file in files:
        if file.format != "lv2":
            continue
        text = (file.path / "manifest.ttl").read_text("utf-8", "replace")
        if f"<{uri}>" in text:
            return (file.path,)
        if f":{last}" in text:
            shortened.append(file.path)
    return tuple(shortened)


def _last_part(uri: str) -> str:
    return re.split("[/#:]", uri.rstrip("/"))[-1]


def short_place(file: PluginFile) -> str:
    """How a reference names a file: relative to the first folder that holds it, so that presets fit other machines."""
    for folder in plugin_folders(file.format):
        if file.path.is_relative_to(folder):
            return str(file.path.relative_to(folder))
    return str(file.path)


def _placed(kind: str, place: str) -> Path:
    """The file that a reference names: an absolute path, or one in a folder of the format."""
    candidates = [home_path(place)]
    if not candidates[0].is_absolute():
        candidates = [folder / place for folder in plugin_folders(kind)]
    for path in candidates:
        if path.exists():
            return path
    places = ", ".join(str(path.parent) for path in candidates)
    raise PluginError(f"{printable(place)} is not installed; it was looked for in {places}")


def _files_in(kind: str, folder: Path, suffix: str) -> list[Path]:
    if not folder.is_dir():
        return []
    if kind == "lv2":
        return [path for path in folder.iterdir() if (path / "manifest.ttl").is_file()]
    found = []
    for path in folder.iterdir():
        if path.suffix == suffix:
            found.append(path)
        elif path.is_dir():
            found += _files_in(kind, path, suffix)
    return found
