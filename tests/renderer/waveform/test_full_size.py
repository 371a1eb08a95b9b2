"""Two steps and one decode at full size with random weights, on the CPU: gigabytes and minutes, so only on demand."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.registry import load_family
from tests.renderer.waveform.checkpoints import never_cancel
from tools.random_waveforms import KINDS, WRITERS


@pytest.mark.slow
@pytest.mark.skipif(
    "RIFFENGINE_FULL_SIZE" not in os.environ, reason="RIFFENGINE_FULL_SIZE=1 asks for it: gigabytes, minutes"
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_of_real_size_samples_two_steps(kind: str, tmp_path: Path) -> None:
    folder = WRITERS[kind](tmp_path / kind, "full", half=True)
    family = load_family(f"{folder}?device=cpu&precision=bfloat16&tempo=told")
    point = MorphEnd("church bells", 1, guidance=1.0)
    began = time.perf_counter()
    rendition = family.render(RenderRequest(point, point, steps=2, bpm=93.75), never_cancel)
    assert rendition.audio.shape[:2] == (1, 225_792) and np.isfinite(rendition.audio).all()
    print(kind, {part: round(getattr(rendition.cost, part), 2) for part in ("text", "denoise", "decode", "phase")},
          f"{time.perf_counter() - began:.1f} s")  # fmt: skip
