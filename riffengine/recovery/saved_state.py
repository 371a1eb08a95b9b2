"""SavedState: the last state of a set and the loops that sounded, as files that are complete or do not exist.

Loops are saved as float32, as they are in memory. The sound after a crash is thus exactly what the journal's request
determines, and even a resumed set can be replayed to the same samples (16 bits would save 0.7 MB a loop and lose that).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
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

    ``plugin_states`` are what hosted plugins saved, in hexadecimal digits, by place and number (``deck/a/fx/1``).
    """

    preset: str
    sample_rate: int
    decks: tuple[str, ...]
    saved_at: float
    parameters: Mapping[str, Value]
    scenes: tuple[Scene, ...] = ()
    scene: str = ""
    loops: tuple[SavedLoop, ...] = field(default=())
    plugin_states: Mapping[str, str] = field(default_factory=dict)
    preset_digest: str = ""  # of the preset's content, "" in a state of an older version


def state_folder(environment: Mapping[str, str]) -> Path:
    """The folder of the user's state: ``$XDG_STATE_HOME/riffengine``, by default under ``~/.local/state``."""
    return user_state(environment) / "riffengine"


def write_atomically(path: Path, data: bytes) -> None:
    """Replace the file ``path`` with ``data`` in one step: even after a power cut it holds the old or the new data."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def write_saved_state(folder: Path, state: SavedState, samples: Mapping[str, Samples]) -> None:
    """Write ``state`` and ``samples`` by file name, without those that are on disk already. Raises ``OSError``.

    New loops are written first and old ones deleted last, so the state never names a loop that does not exist.
    """
    for name, audio in samples.items():
        write_atomically(folder / name, np.ascontiguousarray(audio, dtype="<f4").tobytes())
    loops = [{**asdict(loop), "request": loop.request.facts()} for loop in state.loops]
    text = json.dumps({"version": _VERSION, **asdict(state), "loops": loops}, allow_nan=False)
    write_atomically(folder / STATE_FILE, text.encode())
    needed = {loop.file for loop in state.loops}
    for path in folder.glob("*.npy"):
        if path.name not in needed:
            path.unlink(missing_ok=True)


def load_saved_state(folder: Path) -> SavedState | None:
    """The state that was saved last, or ``None`` when there is none, or none that can be used."""
    try:
        entries = read_json(folder / STATE_FILE, _MOST_BYTES)
        return _saved_state(entries) if entries["version"] == _VERSION else None
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


def _saved_state(entries: dict[str, Any]) -> SavedState:
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
    return SavedState(
        preset=str(entries["preset"]),
        sample_rate=int(entries["sample_rate"]),
        decks=tuple(entries["decks"]),
        saved_at=float(entries["saved_at"]),
        parameters=dict(entries["parameters"]),
        scenes=tuple(scenes),
        scene=str(entries["scene"]),
        loops=tuple(loops),
        plugin_states={str(at): bytes.fromhex(state).hex() for at, state in entries.get("plugin_states", {}).items()},
        preset_digest=str(entries.get("preset_digest", "")),
    )


def _checked_notes(digits: object) -> str:
    """``digits`` as they are; ``ValueError`` or ``TypeError`` unless they are packed notes in hexadecimal."""
    unpack(bytes.fromhex(str(digits)))
    return str(digits)
