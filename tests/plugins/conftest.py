"""Real plugins for the tests. CI must have them; elsewhere a missing plugin skips the test with a reason."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from riffengine.errors import PluginError
from riffengine.plugins.plugin import MidiEvent, Plugin, Position
from riffengine.plugins.registry import open_plugin
from riffengine.processes.audio import Block
from tests.needed import lacks
from tests.plugins.witness import build

RATE = 44100
FRAMES = 128

OpenPlugin = Callable[..., Plugin]


@pytest.fixture(autouse=True)
def own_float_environment() -> Iterator[None]:
    """Undo what a plugin did to the thread: some flush denormals as soon as their library is loaded."""
    library = ctypes.CDLL(None)
    before = (ctypes.c_uint8 * 64)()
    library.fegetenv(before)
    yield
    library.fesetenv(before)


@pytest.fixture
def opened() -> Iterator[OpenPlugin]:
    """Open plugins by reference; they are closed after the test."""
    plugins: list[Plugin] = []

    def open_one(reference: str, rate: int = RATE, frames: int = FRAMES, realtime: bool = False) -> Plugin:
        try:
            plugins.append(open_plugin(reference, rate, frames, realtime))
        except PluginError as problem:
            if "installed" not in str(problem):
                raise
            lacks(f"{reference} is needed: {problem}; tools/test installs its package")
        return plugins[-1]

    yield open_one
    for plugin in plugins:
        plugin.close()


def play(
    plugin: Plugin, sound: Block, events: tuple[MidiEvent, ...] = (), bpm: float = 120.0, frames: int = FRAMES
) -> Block:
    """What comes out for ``sound``, played from beat 0; the frames of ``events`` count from its first."""
    out = sound[: len(sound) // frames * frames].copy()
    for start in range(0, len(out), frames):
        here = tuple(MidiEvent(e.frame - start, e.data) for e in events if start <= e.frame < start + frames)
        plugin.run(out[start : start + frames], Position(start, start / RATE * bpm / 60, bpm), here)
    return out


def noise(seconds: float = 1.0, level: float = 0.1) -> Block:
    """White noise, the same at every call."""
    return (np.random.default_rng(7).standard_normal((int(seconds * RATE), 2)) * level).astype(np.float32)


def silence(seconds: float = 1.0) -> Block:
    """Zeros."""
    return np.zeros((int(seconds * RATE), 2), np.float32)


@pytest.fixture(scope="session")
def witness_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for ``LV2_PATH`` with the compiled bundle of ``witness.py``."""
    folder = tmp_path_factory.mktemp("lv2")
    try:
        build(folder)
    except (OSError, subprocess.CalledProcessError) as problem:
        lacks(f"gcc and lv2-dev are needed: {problem}; tools/test installs them")
    return folder


@pytest.fixture
def witness_path(witness_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``LV2_PATH`` with that folder only; no other plugins are seen."""
    monkeypatch.setenv("LV2_PATH", str(witness_folder))
    for variable in ("CLAP_PATH", "VST3_PATH"):
        monkeypatch.setenv(variable, str(witness_folder / "none"))
    return witness_folder
