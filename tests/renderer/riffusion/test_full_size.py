"""One step and one decode at the size of Stable Diffusion 1.5: a billion random weights, 6.3 GB, a minute."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.riffusion.family import RiffusionFamily
from tests.renderer.riffusion.checkpoints import never_cancel
from tools.random_checkpoint import write_checkpoint


@pytest.mark.slow
@pytest.mark.skipif(
    "RIFFENGINE_FULL_SIZE" not in os.environ, reason="RIFFENGINE_FULL_SIZE=1 asks for it: 6.3 GB, a minute of processor"
)
def test_a_checkpoint_of_real_size_samples_one_step(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "sd15", "sd15", half=True)
    family = RiffusionFamily.load(f"{folder}?device=cpu&scheduler=ddim&precision=bfloat16")
    point = MorphEnd("church bells", 1, guidance=1.0)
    rendition = family.render(RenderRequest(point, point, steps=1, bpm=93.75), never_cancel)
    assert rendition.audio.shape == (3, 225_792, 1) and np.isfinite(rendition.audio).all()
    assert rendition.mel.shape == (512, 512) and rendition.mel.std() > 0.0
    print({part: round(getattr(rendition.cost, part), 2) for part in ("text", "denoise", "decode", "phase")})
