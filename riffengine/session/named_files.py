"""Files found by name: the presets, controller maps and OSC clients of the package, and the user's own maps.

They lie in ``presets/`` of a checkout and in ``riffengine/presets/`` of an installed package.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from riffengine.errors import PresetError
from riffengine.files.regular import exists, is_file, is_folder, read_regular
from riffengine.files.user_folders import user_folder

_PACKAGE = Path(__file__).resolve().parents[1]
PRESETS = _PACKAGE / "presets" if (_PACKAGE / "presets").is_dir() else _PACKAGE.parent / "presets"
MAPS = PRESETS / "maps"
CLIENTS = PRESETS / "clients"
_ENDINGS = (".yaml", ".yml")
_MOST_BYTES = 1 << 20
_NAME = re.compile(r"[\w.-]+")


def preset_names() -> list[str]:
    """The presets of the package, by name."""
    return _stems(PRESETS)


def map_names() -> list[str]:
    """The controller maps of the package, by name."""
    return _stems(MAPS)


def client_names() -> list[str]:
    """The OSC clients of the package, by file name, such as ``riffengine.pd``."""
    return sorted(path.name for path in CLIENTS.glob("*.*"))


def find_preset(text: str) -> Path:
    """The file of the preset ``text``: a path, which comes first, or the name of a preset of the package.

    ``PresetError`` names the presets that are most like it.
    """
    if exists(text) and not is_folder(text):
        return Path(text)
    if text in (known := preset_names()):
        return PRESETS / f"{text}.yaml"
    stem = Path(text).name.removesuffix(".yaml").removesuffix(".yml")
    if text.endswith(_ENDINGS) or os.sep in text:
        if is_folder(text):
            raise PresetError(text, "", "is a folder; name a YAML preset in it")
        folder = Path(text).parent
        beside = {path.stem: path for path in (folder.glob("*.y*ml") if is_folder(folder) else ()) if is_file(path)}
        if stem in known:
            hint = f"the preset of the package is called {stem}"
        elif close := difflib.get_close_matches(stem, beside, n=1):
            hint = f"did you mean {beside[close[0]]}?"
        else:
            hint = "name a YAML preset"
        raise PresetError(text, "", f"there is no such file; {hint}")
    raise PresetError(text, "", f"no preset has this name; {_nearest(text, known)}")


def find_map(name: str, folders: Sequence[Path]) -> Path:
    """The file of the map ``name``: a path, or a name in one of ``folders``.

    ``PresetError`` names the maps that are most like it.
    """
    if name.endswith(_ENDINGS) and is_file(name):
        return Path(name)
    for folder in folders:
        if _NAME.fullmatch(name) and is_file(folder / f"{name}.yaml"):
            return folder / f"{name}.yaml"
    known = sorted({stem for folder in folders for stem in _stems(folder)})
    raise PresetError(name, "", f"no map has this name; {_nearest(name, known)}")


def find_client(name: str) -> Path:
    """The OSC client of the package with this file name; ``PresetError`` names those there are."""
    if name in (known := client_names()):
        return CLIENTS / name
    raise PresetError(name, "", f"no client has this name; there are: {', '.join(known) or 'none'}")


def preset_text(path: Path) -> str:
    """The content of the preset ``path``; ``PresetError`` where it is no regular file, too large or no text."""
    try:
        return _content(path).decode()
    except UnicodeDecodeError:
        raise PresetError(str(path), "", "is not UTF-8 text; save it as UTF-8") from None


def copy_to(source: Path, target: Path) -> Path:
    """Copy the file ``source`` to ``target``, a file or a folder, for editing; returns the path that was written.

    ``PresetError`` where a file exists already or cannot be written.
    """
    target = target / source.name if is_folder(target) else target
    content = _content(source)
    try:
        with target.open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise PresetError(str(target), "", "exists already; name another file") from None
    except OSError as error:
        raise PresetError(str(target), "", f"cannot be written: {error.strerror}; name another file") from None
    return target


def _content(path: Path) -> bytes:
    try:
        return read_regular(path, _MOST_BYTES)
    except OSError as error:
        raise PresetError(str(path), "", f"cannot be read: {error.strerror}; name a YAML preset") from None


def config_folder(environment: Mapping[str, str]) -> Path:
    """Where the user's own files are: ``$XDG_CONFIG_HOME/riffengine``, by default ``~/.config/riffengine``."""
    return user_folder("XDG_CONFIG_HOME", ".config", environment) / "riffengine"


def map_folders(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Where maps are looked for by name: the user's own folder first."""
    return config_folder(environment) / "maps", MAPS


def _stems(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.yaml"))


def _nearest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}? A path to a file is allowed too"
    return f"there are: {', '.join(known) or 'none'}; a path to a file is allowed too"
