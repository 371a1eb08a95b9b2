"""Phase for a magnitude spectrogram: one predictive pass (SPSI), then fast Griffin-Lim, both circular."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from riffengine.renderer.codec.frames import CircularFrames

_TWO_PI = 2.0 * math.pi


def predicted_phase(magnitudes: Tensor, frames: CircularFrames) -> Tensor:
    """Phases ``(batch, T, bins) float32`` in radians, from window starts, for ``magnitudes`` of the same shape.

    Single pass spectrogram inversion (Beauregard, Harish, Wyse 2015): every spectral peak is a sinusoid whose phase
    advances by its interpolated frequency times the hop, here the true hop of the rounded centres. The pass begins at
    the strongest onset, where a phase may start afresh, and each peak's phase error after one round of the loop is
    spread evenly over it (at most 0.5 / loop seconds, about 0.1 Hz), so that the end meets the start.
    """
    batch, count, bins = magnitudes.shape
    flux = (magnitudes - magnitudes.roll(1, dims=1)).clamp_min_(0).sum((0, 2))
    first = int(flux.argmax())
    order = [(first + t) % count for t in range(count)]
    owners, advance = _peaks(magnitudes, frames)
    phase = magnitudes.new_zeros((batch, bins), dtype=torch.float64)
    begin = phase
    rows: list[Tensor] = []
    for now, after in zip(order, order[1:] + order[:1], strict=True):
        rows.append(phase)
        step = 0.5 * (advance[:, now] + advance[:, after])
        phase = (phase + step * frames.hops[now]).gather(1, owners[:, after]).remainder_(_TWO_PI)
    residual = (phase - begin + math.pi).remainder_(_TWO_PI).sub_(math.pi)
    share = torch.arange(count, device=magnitudes.device, dtype=torch.float64).div_(count)
    walk = torch.stack(rows, 1)
    order_owners = owners[:, order]
    walk -= residual.unsqueeze(1).expand(-1, count, -1).gather(2, order_owners) * share.view(1, -1, 1)
    walk = walk.roll(first, dims=1)
    # Bins of one lobe are in step when phases are counted from the window's centre; from its start they alternate.
    walk[..., 1::2] += math.pi
    return walk.to(torch.float32)


def _peaks(magnitudes: Tensor, frames: CircularFrames) -> tuple[Tensor, Tensor]:
    """For every bin the bin of the peak it belongs to, and that peak's frequency in radians per sample."""
    batch, count, bins = magnitudes.shape
    left, here, right = magnitudes[..., :-2], magnitudes[..., 1:-1], magnitudes[..., 2:]
    is_peak = (here >= left) & (here > right)
    bend = (left - 2.0 * here + right).clamp_max_(-1e-20)
    offset = (0.5 * (left - right) / bend).clamp_(-0.5, 0.5)
    index = torch.arange(bins, device=magnitudes.device)
    peak = torch.nn.functional.pad(is_peak, (1, 1))
    frequency = torch.nn.functional.pad(offset, (1, 1)).add_(index)
    below = torch.where(peak, index, -1).cummax(-1).values
    above = torch.where(peak, index, 4 * bins).flip(-1).cummin(-1).values.flip(-1)
    # Between two peaks a bin belongs to the nearer one; a frame without any peak belongs to itself.
    owners = torch.where((index - below <= above - index) & (below >= 0), below, above)
    owners = torch.where(owners >= bins, index, owners)
    advance = frequency.gather(2, owners) * (_TWO_PI / (2 * (bins - 1)))
    return owners, advance


def griffin_lim(magnitudes: Tensor, start: Tensor, frames: CircularFrames, iterations: int, momentum: float) -> Tensor:
    """Complex ``(batch, T, bins)`` with the given magnitudes and a phase made consistent from that of ``start``.

    Fast Griffin-Lim (Perraudin, Balazs, Sondergaard 2013) with circular frames.
    """
    spectra = start
    before: Tensor | None = None
    for _ in range(iterations):
        consistent = frames.spectra(frames.audio(spectra))
        spectra = consistent if before is None else consistent - before * (momentum / (1.0 + momentum))
        before = consistent
        spectra = with_magnitude(spectra, magnitudes)
    return spectra


def with_magnitude(spectra: Tensor, magnitudes: Tensor) -> Tensor:
    """``magnitudes`` at the phase of ``spectra``; a bin of magnitude 0 takes phase 0."""
    size = spectra.abs()
    return torch.where(size > 1e-20, spectra * (magnitudes / size.clamp_min(1e-20)), magnitudes.to(spectra.dtype))
