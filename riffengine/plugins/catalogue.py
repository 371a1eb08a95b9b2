"""The catalogue: what the scan knows of every plugin of this machine, kept in a file and found by name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from riffengine import __version__
from riffengine.errors import PluginError, printable
from riffengine.plugins.atomic_file import cache_file, read_json, write_atomically
from riffengine.plugins.blacklist import Blacklist
from riffengine.plugins.registry import FORMATS, Listed, PluginFile

Verdict = Literal["ran", "refused", "crashed", "hung", "not finite"]

HOST_VERSION = f"{__version__}/3"
"""Changes with what the host can do: then every plugin is scanned again."""


@dataclass(frozen=True)
class ScannedPlugin:
    """One row of the table. Of a plugin that did not run, only reference, format, name, verdict and reason are known.

    Times are for one stereo block of 128 frames at 44.1 kHz, on the machine and at the load of the scan.
    ``keeps_nan``: after one NaN it never recovered. ``repeatable``: two runs gave the same samples.
    """

    reference: str
    format: str
    verdict: Verdict
    reason: str = ""
    name: str = ""
    maker: str = ""
    inputs: int = 0
    outputs: int = 0
    midi_in: bool = False
    parameters: int = 0
    latency_frames: int = 0
    median_us: float = 0.0
    p99_us: float = 0.0
    silence_us: float = 0.0
    load_ms: float = 0.0
    keeps_nan: bool = False
    repeatable: bool = False
    state_bytes: int = 0

    @property
    def kind(self) -> str:
        """``effect``, ``instrument``, or ``other`` for what gives no sound."""
        if not self.outputs:
            return "other"
        return "effect" if self.inputs else "instrument" if self.midi_in else "generator"


@dataclass(frozen=True)
class FileRecord:
    """A file as it was scanned: its size and time, what is in it, and the plugins that have a result so far.

    ``problem`` says why the file could not be listed.
    """

    format: str
    size: int
    mtime_ns: int
    listed: tuple[Listed, ...]
    plugins: tuple[ScannedPlugin, ...]
    problem: str = ""

    @property
    def complete(self) -> bool:
        """Whether every plugin of the file has a result."""
        return {plugin.reference for plugin in self.plugins} >= {listed.reference for listed in self.listed}


class Catalogue:
    """The results in a file, by the path of the plugin file. One process writes it, in one step each time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: dict[str, FileRecord] = _read(path)

    @classmethod
    def standard(cls, environment: Mapping[str, str] | None = None) -> Catalogue:
        """The user's catalogue: ``$XDG_CACHE_HOME/riffengine/plugins.json``."""
        return cls(cache_file("plugins.json", environment))

    def plugins(self) -> Iterator[ScannedPlugin]:
        """Every plugin, by name."""
        every = [plugin for record in self.files.values() for plugin in record.plugins]
        return iter(sorted(every, key=lambda plugin: (plugin.name.casefold(), plugin.reference)))

    def write(self) -> None:
        """Write the file."""
        kept = {path: asdict(record) for path, record in self.files.items()}
        write_atomically(self.path, json.dumps({"host": HOST_VERSION, "files": kept}))

    def find(self, name: str) -> ScannedPlugin:
        """The plugin of a reference, a name, or a part that only one name has; upper and lower case are the same.

        ``PluginError`` where none or several fit. LV2 is taken before CLAP, and CLAP before VST3, where one plugin is
        there in several formats.
        """
        every, wanted = list(self.plugins()), name.casefold()
        for fits in (
            [plugin for plugin in every if plugin.reference == name],
            [plugin for plugin in every if plugin.name.casefold() == wanted],
            [plugin for plugin in every if wanted in plugin.name.casefold()],
            [plugin for plugin in every if wanted in plugin.reference.casefold()],
        ):
            if len({plugin.name for plugin in fits}) == 1:
                order = list(FORMATS)
                return min(fits, key=lambda plugin: (order.index(plugin.format), plugin.reference))
            if fits:
                some = ", ".join(sorted({plugin.name or plugin.reference for plugin in fits})[:6])
                raise PluginError(
                    f"{printable(name)} fits {len(fits)} plugins, among them {some}; write more of the name"
                )
        if not every:
            raise PluginError("no plugins are known yet: `riffengine plugins scan` looks for them")
        raise PluginError(
            f"no plugin is named {printable(name)}; `riffengine plugins list` shows what there is, and"
            " `riffengine plugins scan` looks for new ones"
        )

    def forget(self, reference: str) -> None:
        """Drop the result of a plugin, so that the next scan runs it again."""
        for path, record in list(self.files.items()):
            if any(plugin.reference == reference for plugin in record.plugins):
                left = tuple(plugin for plugin in record.plugins if plugin.reference != reference)
                if record.problem:  # the file itself is to be read again
                    del self.files[path]
                else:
                    self.files[path] = replace(record, plugins=left)

    def forget_files(self, formats: frozenset[str]) -> None:
        """Drop every result of some formats."""
        self.files = {path: record for path, record in self.files.items() if record.format not in formats}


def reference_of(name: str, environment: Mapping[str, str] | None = None) -> str:
    """The reference of what a performer calls a plugin: a reference, or a name that the catalogue knows.

    ``PluginError`` where it is unknown, ambiguous, did not run at its scan, or is on the blacklist.
    """
    reference = name
    if name.partition(":")[0] not in FORMATS:
        found = Catalogue.standard(environment).find(name)
        if found.verdict not in ("ran", "not finite"):
            raise PluginError(f"{found.name} {found.verdict} when it was scanned: {found.reason}")
        reference = found.reference
    Blacklist.standard(environment).check(reference)
    return reference


def stamp(file: PluginFile) -> tuple[int, int]:
    """Size and newest time in nanoseconds of a file, or of all files in a bundle."""
    paths = [file.path, *file.path.rglob("*")] if file.path.is_dir() else [file.path]
    facts = [path.stat() for path in paths if path.exists()]  # a broken link in a bundle is nobody's problem
    return sum(fact.st_size for fact in facts), max((fact.st_mtime_ns for fact in facts), default=0)


def _read(path: Path) -> dict[str, FileRecord]:
    """The file's records; none of a damaged file, of another version of the host, or of an unknown form."""
    kept = read_json(path)
    if kept.get("host") != HOST_VERSION or not isinstance(kept.get("files"), dict):
        return {}
    records = {}
    for name, record in kept["files"].items():
        try:
            plugins = tuple(_plugin(row) for row in record["plugins"])
            records[name] = FileRecord(
                str(record["format"]),
                int(record["size"]),
                int(record["mtime_ns"]),
                tuple(Listed(str(listed["reference"]), str(listed["name"])) for listed in record["listed"]),
                plugins,
                str(record["problem"]),
            )
        except (KeyError, TypeError, ValueError):
            continue  # it is scanned again
    return records


def _plugin(row: dict[str, Any]) -> ScannedPlugin:
    known = {field.name for field in fields(ScannedPlugin)}
    if set(row) != known or row["verdict"] not in get_args(Verdict) or row["format"] not in FORMATS:
        raise ValueError("a row of another form")
    return ScannedPlugin(**row)
