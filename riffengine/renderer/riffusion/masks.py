"""Masks: which part of a picture is dreamt again (1, white) and which stays (0, black), in beats and in bands."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from riffengine.errors import RendererError
from riffengine.processes.render_messages import Redream
from riffengine.renderer.riffusion.bands import BANDS, CROSSOVERS_HZ
from riffengine.renderer.riffusion.codec import COLUMNS_PER_BEAT, RiffusionParams


def latent_mask(picture: Tensor, rows: int, columns: int) -> Tensor:
    """A mask picture ``(bands, columns)`` 0..1, lowest band first, as ``(1, 1, rows, columns)`` over latents.

    The top row of the latents is the highest band. Each latent takes the mean of its pixels: grey redreams in part.
    Raises ``RendererError`` for another shape, NaN, or values outside 0..1.
    """
    if picture.ndim != 2 or not picture.is_floating_point() or 0 in picture.shape:
        raise RendererError(f"a mask is (bands, columns) float32; got {tuple(picture.shape)} {picture.dtype}")
    if not bool(torch.isfinite(picture).all()) or float(picture.min()) < 0.0 or float(picture.max()) > 1.0:
        raise RendererError("a mask holds values from 0 (stays) to 1 (is dreamt again); these are not")
    return F.adaptive_avg_pool2d(picture.flip(0)[None, None], (rows, columns))


def mask_of(again: Redream, beats: int, params: RiffusionParams) -> Tensor:
    """The mask picture ``(bands, columns)``: 1 on the beats and in the bands that ``again`` names.

    Raises ``RendererError`` for a band that there is not.
    """
    unknown = sorted(set(again.stems) - set(BANDS))
    if unknown:
        raise RendererError(f"no band is called {unknown[0]!r}; a spectrogram model has {', '.join(BANDS)}")
    edges = [band_at(hz, params) for hz in CROSSOVERS_HZ]
    ranges = dict(zip(BANDS, zip([0, *edges], [*edges, params.num_frequencies], strict=True), strict=True))
    mask = torch.zeros(params.num_frequencies, beats * COLUMNS_PER_BEAT)
    for low, high in (ranges[band] for band in again.stems):
        for beat in (beat for beat in range(beats) if again.beats >> beat & 1):
            mask[low:high, beat * COLUMNS_PER_BEAT : (beat + 1) * COLUMNS_PER_BEAT] = 1.0
    return mask


def band_at(hz: float, params: RiffusionParams) -> int:
    """The first row of a picture whose mel filter (HTK) peaks at ``hz`` or above."""
    low, here, high = (2595.0 * math.log10(1.0 + f / 700.0) for f in (params.min_frequency, hz, params.max_frequency))
    rows = params.num_frequencies
    return max(0, min(rows, math.ceil((here - low) / (high - low) * (rows + 1)) - 1))
