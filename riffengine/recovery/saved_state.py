"""SavedState: the last state of a set and the loops that sounded, as files that are whole or not there.

Loops are kept as float32, as they are in memory: what sounds after a crash is what the journal's request determines, so
even a resumed set can be replayed to the same samples (16 bits would save 0.7 MB a loop and lose that).
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
from numpy.typing import NDArray

from riffengine.notes.loop_notes import unpack
from riffengine.performance.command import Value
from riffengine.performance.scenes import Scene
from riffengine.processes.render_messages import RenderRequest

STATE_FILE = "last.json"
VERSION = 1

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class SavedLoop:
    """A loop that sounded: what determines it and its shape. Its samples lie beside the state, named ``file``.

    ``notes`` is what it plays, packed (see ``renderer.notes``), in hexadecimal digits.
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
    """One moment of a set. ``preset`` is the file it began from, ``""`` for none; ``saved_at`` in Unix seconds."""

    preset: str
    sample_rate: int
    decks: tuple[str, ...]
    saved_at: float
    parameters: Mapping[str, Value]
    scenes: tuple[Scene, ...] = ()
    scene: str = ""
    loops: tuple[SavedLoop, ...] = field(default=())


def state_folder(environment: Mapping[str, str]) -> Path:
    """Where a user's programs keep their state: ``$XDG_STATE_HOME/riffengine``, by default under ``~/.local/state``.

    Source: XDG Base Directory Specification (a relative path there is to be ignored).
    """
    named = environment.get("XDG_STATE_HOME", "")
    home = Path(environment.get("HOME") or Path.home())
    return (Path(named) if Path(named).is_absolute() else home / ".local" / "state") / "riffengine"


def write_whole(path: Path, data: bytes) -> None:
    """``data`` at ``path``, or what was there before: nobody ever reads half of it, even after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def write_saved_state(folder: Path, keepsake: SavedState, samples: Mapping[str, Samples]) -> None:
    """Keep ``keepsake``; ``samples`` by file name, those on disk already may be left out. Raises ``OSError``.

    The loops come first and the old ones go last, so the state never names a loop that is not there.
    """
    for name, audio in samples.items():
        write_whole(folder / name, np.ascontiguousarray(audio, dtype="<f4").tobytes())
    text = json.dumps({"version": VERSION, **asdict(keepsake)}, allow_nan=False)
    write_whole(folder / STATE_FILE, text.encode())
    kept = {loop.file for loop in keepsake.loops}
    for path in folder.glob("*.npy"):
        if path.name not in kept:
            path.unlink(missing_ok=True)


def load_saved_state(folder: Path) -> SavedState | None:
    """What was kept last, or ``None`` when there is nothing, or nothing that can be used."""
    try:
        facts = json.loads((folder / STATE_FILE).read_bytes())
        return _keepsake(facts) if facts["version"] == VERSION else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def read_loop(folder: Path, loop: SavedLoop) -> Samples | None:
    """The samples of ``loop``, ``(stems, frames, channels) float32``; ``None`` when they are not there or damaged."""
    try:
        audio = np.frombuffer((folder / loop.file).read_bytes(), dtype="<f4")
    except (OSError, ValueError):
        return None
    shape = (len(loop.stems), loop.frames, loop.channels)
    if min(shape) < 1 or audio.size != math.prod(shape) or not np.isfinite(audio).all():
        return None
    return audio.reshape(shape).astype(np.float32)


def _keepsake(facts: dict[str, Any]) -> SavedState:
    loops = [
        SavedLoop(
            request=RenderRequest.from_facts(loop["request"]),
            frames=int(loop["frames"]),
            channels=int(loop["channels"]),
            stems=tuple(loop["stems"]),
            notes=_packed(loop.get("notes", "")),
        )
        for loop in facts["loops"]
    ]
    scenes = [Scene(str(scene["name"]), dict(scene["values"])) for scene in facts["scenes"]]
    return SavedState(
        preset=str(facts["preset"]),
        sample_rate=int(facts["sample_rate"]),
        decks=tuple(facts["decks"]),
        saved_at=float(facts["saved_at"]),
        parameters=dict(facts["parameters"]),
        scenes=tuple(scenes),
        scene=str(facts["scene"]),
        loops=tuple(loops),
    )


def _packed(digits: object) -> str:
    """``digits`` if they are notes, packed, in hexadecimal; raises ``ValueError`` or ``TypeError`` where not."""
    unpack(bytes.fromhex(str(digits)))
    return str(digits)
