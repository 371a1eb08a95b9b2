"""Toy checkpoints for the tests of this folder: 64 bands, so that a loop takes hundredths of a second."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.riffusion.checkpoint import CODEC_FILE
from riffengine.renderer.riffusion.family import RiffusionFamily
from tools.random_checkpoint import write_checkpoint, write_tiny_decoder

BANDS = 64
REQUEST = RenderRequest(
    MorphEnd("slow jazz, piano", 3, guidance=4.0), MorphEnd("dub", 4, guidance=6.0), steps=4, bpm=120.0, beats=2
)


def never_cancel() -> None:
    """A check that never cancels."""


def make_checkpoint(folder: Path, layout: str = "modern", seed: int = 0, half: bool = False, **codec: object) -> Path:
    """A tiny checkpoint with pictures of 64 bands; ``codec`` are other fields of its codec.json."""
    write_checkpoint(folder, "tiny", layout, seed, half)
    (folder / CODEC_FILE).write_text(json.dumps({"num_frequencies": BANDS, **codec}))
    return folder


@lru_cache(maxsize=1)
def toy_checkpoints() -> Path:
    """A folder with checkpoints in three layouts and a tiny ``decoder``; written once, never changed."""
    folder = Path(mkdtemp(prefix="riffusion-"))
    for layout in ("modern", "converted", "pickled"):
        make_checkpoint(folder / layout, layout)
    write_tiny_decoder(folder / "decoder")
    return folder


@lru_cache(maxsize=4)
def family(options: str = "", layout: str = "modern") -> RiffusionFamily:
    """The family of a toy checkpoint; shared by tests that do not change it."""
    return RiffusionFamily.load(f"{toy_checkpoints() / layout}?device=cpu&{options}")
