"""Toy checkpoints for the tests of this folder: 8 or 2 kHz, so that a loop takes hundredths of a second."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.waveform.family import WaveformFamily
from tools.random_waveforms import DENOISING, WRITERS

READERS = tuple(kind for kind in DENOISING if kind != "dance-diffusion")
"""Those that denoise and read text."""

REQUEST = RenderRequest(
    MorphEnd("slow jazz", 3, guidance=4.0), MorphEnd("dub", 4, guidance=6.0), steps=4, bpm=120.0, beats=4
)


def never_cancel() -> None:
    """A check that never cancels."""


@lru_cache(maxsize=8)
def toy(kind: str) -> Path:
    """The folder of a toy checkpoint of ``kind``; written once, never changed."""
    return WRITERS[kind](Path(mkdtemp(prefix="waveform-")) / kind)


@lru_cache(maxsize=8)
def family(kind: str, options: str = "") -> WaveformFamily:
    """The family of a toy checkpoint; shared by tests that do not change it."""
    return fresh(kind, options)


def fresh(kind: str, options: str = "") -> WaveformFamily:
    """The same, with nothing rendered yet."""
    return WaveformFamily.load(f"{toy(kind)}?device=cpu&{options}")
