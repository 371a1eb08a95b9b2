"""Masks: the part of a picture that is generated again (1, white) and the part that stays (0, black)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from riffengine.errors import RendererError
from riffengine.processes.render_request import Retake
from riffengine.renderer.riffusion.bands import BANDS, CROSSOVERS_HZ
from riffengine.renderer.riffusion.codec import COLUMNS_PER_BEAT, RiffusionParams


def latent_mask(picture: Tensor, rows: int, columns: int) -> Tensor:
    """A mask picture ``(bands, columns)`` 0..1, lowest band first, as ``(1, 1, rows, columns)`` over latents.

    The top row of the latents is the highest band. Each latent gets the mean of its pixels: gray is changed in part.
    Raises ``RendererError`` for another shape, NaN, or values outside 0..1.
    """
    if picture.ndim != 2 or not picture.is_floating_point() or 0 in picture.shape:
        raise RendererError(f"a mask is (bands, columns) float32; got {tuple(picture.shape)} {picture.dtype}")
    if not bool(torch.isfinite(picture).all()) or float(picture.min()) < 0.0 or float(picture.max()) > 1.0:
        raise RendererError("a mask needs values from 0 (stays) to 1 (is generated again)")
    return F.adaptive_avg_pool2d(picture.flip(0)[None, None], (rows, columns))


def retake_mask(retake: Retake, beats: int, params: RiffusionParams) -> Tensor:
    """The mask picture ``(bands, columns)``: 1 on the beats and in the bands of ``retake``.

    Raises ``RendererError`` for an unknown band.
    """
    unknown = sorted(set(retake.stems) - set(BANDS))
    if unknown:
        raise RendererError(f"there is no band {unknown[0]!r}; a spectrogram model has {', '.join(BANDS)}")
    crossover_rows = [row_at_hz(hz, params) for hz in CROSSOVERS_HZ]
    ranges = dict(
        zip(BANDS, zip([0, *crossover_rows], [*crossover_rows, params.num_frequencies], strict=True), strict=True)
    )
    mask = torch.zeros(params.num_frequencies, beats * COLUMNS_PER_BEAT)
    for low, high in (ranges[band] for band in retake.stems):
        for beat in (beat for beat in range(beats) if retake.beats >> beat & 1):
            mask[low:high, beat * COLUMNS_PER_BEAT : (beat + 1) * COLUMNS_PER_BEAT] = 1.0
    return mask


def row_at_hz(hz: float, params: RiffusionParams) -> int:
    """The first row of a picture whose mel filter (HTK) has its peak at ``hz`` or above."""
    low, mel, high = (2595.0 * math.log10(1.0 + f / 700.0) for f in (params.min_frequency, hz, params.max_frequency))
    rows = params.num_frequencies
    return max(0, min(rows, math.ceil((mel - low) / (high - low) * (rows + 1)) - 1))
