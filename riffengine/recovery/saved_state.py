"""SavedState: the last state of a set and the loops that sounded, as files that are complete or do not exist.

Loops are saved as float32, as they are in memory. The sound after a crash is thus exactly what the journal's request
determines, and even a resumed set can be replayed to the same samples (16 bits would save 0.7 MB a loop and lose that).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from riffengine.files.json_text import read_json
from riffengine.files.regular import read_regular
from riffengine.files.user_folders import user_state
from riffengine.notes.loop_notes import unpack
from riffengine.performance.command import Value
from riffengine.performance.scenes import Scene
from riffengine.processes.audio import Samples
from riffengine.processes.render_request import RenderRequest
from riffengine.recovery.atomic_file import write_atomically
from riffengine.recovery.plugin_files import PluginFiles

STATE_FILE = "last.json"
_VERSION = 1
_MOST_BYTES = 64 << 20  # of one file of a state; a loop of 16 beats with four stereo stems has 16 MB


@dataclass(frozen=True)
class SavedLoop:
    """A loop that sounded: what determines it and its shape. Its samples are in ``file`` beside the state.

    ``notes`` are its notes, packed (see ``notes.loop_notes``), in hexadecimal digits.
    """

    request: RenderRequest
    frames: int
    channels: int
    stems: tuple[str, ...]
    notes: str = ""

    @property
    def file(self) -> str:
        """The name of the file with its samples."""
        return f"{self.request.digest()}.npy"


@dataclass(frozen=True)
class SavedState:
    """A set at one moment. ``preset`` is the file that it began from, ``""`` for none; ``saved_at`` in Unix seconds.

    ``plugin_states`` are what hosted plugins saved, by place and number (``deck/a/fx/1``).
    """

    preset: str
    sample_rate: int
    decks: tuple[str, ...]
    saved_at: float
    parameters: Mapping[str, Value]
    scenes: tuple[Scene, ...] = ()
    scene: str = ""
    loops: tuple[SavedLoop, ...] = field(default=())
    plugin_states: Mapping[str, bytes] = field(default_factory=dict)
    preset_digest: str = ""  # of the preset's content, "" in a state of an older version


def state_folder(environment: Mapping[str, str]) -> Path:
    """The folder of the user's state: ``$XDG_STATE_HOME/riffengine``, by default under ``~/.local/state``."""
    return user_state(environment) / "riffengine"


def write_saved_state(
    folder: Path, state: SavedState, samples: Mapping[str, Samples], plugins: PluginFiles | None = None
) -> None:
    """Write ``state`` and ``samples`` by file name, without those that are on disk already. Raises ``OSError``.

    New files are written first and old ones deleted last, so the state never names one that does not exist.
    ``plugins`` is that of the last call for this ``folder``, which knows what is there already.
    """
    plugins = plugins or PluginFiles(folder)
    for name, audio in samples.items():
        write_atomically(folder / name, np.ascontiguousarray(audio, dtype="<f4").tobytes())
    loops = [{**asdict(loop), "request": loop.request.facts()} for loop in state.loops]
    files = plugins.write(state.plugin_states)
    facts = asdict(replace(state, loops=(), plugin_states={}))
    text = json.dumps({"version": _VERSION, **facts, "loops": loops, "plugin_files": files}, allow_nan=False)
    write_atomically(folder / STATE_FILE, text.encode())
    needed = {loop.file for loop in state.loops}
    for path in folder.glob("*.npy"):
        if path.name not in needed:
            path.unlink(missing_ok=True)
    plugins.keep_only(files.values())


def load_saved_state(folder: Path) -> SavedState | None:
    """The state that was saved last, or ``None`` when there is none, or none that can be used."""
    try:
        entries = read_json(folder / STATE_FILE, _MOST_BYTES)
        return _saved_state(entries, folder) if entries["version"] == _VERSION else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def read_loop(folder: Path, loop: SavedLoop) -> Samples | None:
    """The samples of ``loop``, ``(stems, frames, channels) float32``; ``None`` when they are missing or damaged."""
    try:
        audio = np.frombuffer(read_regular(folder / loop.file, _MOST_BYTES), dtype="<f4")
    except (OSError, ValueError):
        return None
    shape = (len(loop.stems), loop.frames, loop.channels)
    if min(shape) < 1 or audio.size != math.prod(shape) or not np.isfinite(audio).all():
        return None
    return audio.reshape(shape).astype(np.float32)


def _saved_state(entries: dict[str, Any], folder: Path) -> SavedState:
    loops = [
        SavedLoop(
            request=RenderRequest.from_facts(loop["request"]),
            frames=int(loop["frames"]),
            channels=int(loop["channels"]),
            stems=tuple(loop["stems"]),
            notes=_checked_notes(loop.get("notes", "")),
        )
        for loop in entries["loops"]
    ]
    scenes = [Scene(str(scene["name"]), dict(scene["values"])) for scene in entries["scenes"]]
    states = {str(at): bytes.fromhex(state) for at, state in entries.get("plugin_states", {}).items()}  # as they were
    files = {str(at): str(name) for at, name in entries.get("plugin_files", {}).items()}
    return SavedState(
        preset=str(entries["preset"]),
        sample_rate=int(entries["sample_rate"]),
        decks=tuple(entries["decks"]),
        saved_at=float(entries["saved_at"]),
        parameters=dict(entries["parameters"]),
        scenes=tuple(scenes),
        scene=str(entries["scene"]),
        loops=tuple(loops),
        plugin_states=states | PluginFiles(folder).read(files),
        preset_digest=str(entries.get("preset_digest", "")),
    )


def _checked_notes(digits: object) -> str:
    """``digits`` as they are; ``ValueError`` or ``TypeError`` unless they are packed notes in hexadecimal."""
    unpack(bytes.fromhex(str(digits)))
    return str(digits)
