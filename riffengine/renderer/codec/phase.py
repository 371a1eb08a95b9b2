"""Phase for a magnitude spectrogram: one predictive pass (SPSI), then fast Griffin-Lim, both circular."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from riffengine.renderer.codec.circular_stft import CircularStft
from riffengine.renderer.codec.filterbank import Filterbank

_TWO_PI = 2.0 * math.pi
TINY = 1e-12  # far below any sound: a 24-bit step has magnitude 1e-7


def predicted_phase(magnitudes: Tensor, frames: CircularStft) -> Tensor:
    """Phases ``(batch, T, bins) float32`` in radians, from window starts, for ``magnitudes`` of the same shape.

    Single pass spectrogram inversion (Beauregard, Harish, Wyse 2015): every spectral peak is a sinusoid whose phase
    advances by its interpolated frequency times the hop, here the true hop of the rounded centres. Each peak's phase
    error after one round of the loop is spread evenly over it (at most 0.5 / loop seconds, about 0.1 Hz), so that the
    end meets the start: a held sine dips 0.1 dB at the wrap, 1.2 dB without. Each loop of the batch begins at its own
    strongest onset, so that turning the image turns the loop, and a loop does not depend on its neighbours.
    """
    if magnitudes.device.type != "cpu":
        return _phase_together(magnitudes, frames)
    return torch.cat([_phase_of_one(one, frames) for one in magnitudes.split(1)])


def _phase_together(magnitudes: Tensor, frames: CircularStft) -> Tensor:
    """What ``_phase_of_one`` gives for each loop, bit for bit, without a look at the device and in as few calls."""
    batch, count, bins = magnitudes.shape
    onsets = (magnitudes - magnitudes.roll(1, dims=1)).clamp_min_(0).sum(2)
    first, places = onsets.argmax(1, keepdim=True), torch.arange(count, device=magnitudes.device)
    order = (first + places) % count
    owners, advance = (found.gather(1, order[:, :, None].expand(-1, -1, bins)) for found in _peaks(magnitudes, frames))
    hops = torch.tensor(frames.hops, dtype=torch.float32, device=magnitudes.device)[order]
    steps = (0.5 * (advance + advance.roll(-1, dims=1))) * hops[:, :, None]
    phase = begin = magnitudes.new_zeros((batch, bins), dtype=torch.float64)
    rows: list[Tensor] = []
    for now in range(count):
        rows.append(phase)
        phase = (phase + steps[:, now]).gather(1, owners[:, (now + 1) % count]).remainder_(_TWO_PI)
    residual = (phase - begin + math.pi).remainder_(_TWO_PI).sub_(math.pi)
    walk = torch.stack(rows, 1)
    share = places.to(torch.float64).div_(count)
    walk -= residual.unsqueeze(1).expand(-1, count, -1).gather(2, owners) * share.view(1, -1, 1)
    walk = walk.gather(1, ((places - first) % count)[:, :, None].expand(-1, -1, bins))
    walk[..., 1::2] += math.pi
    return walk.to(torch.float32)


def _phase_of_one(magnitudes: Tensor, frames: CircularStft) -> Tensor:
    batch, count, bins = magnitudes.shape
    first = int((magnitudes - magnitudes.roll(1, dims=1)).clamp_min_(0).sum((0, 2)).argmax())
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


def _peaks(magnitudes: Tensor, frames: CircularStft) -> tuple[Tensor, Tensor]:
    """For every bin the bin of the peak it belongs to, and that peak's frequency in radians per sample."""
    bins = magnitudes.shape[-1]
    # A parabola through logarithms, as the Hann lobe is nearly one: rms error of sines 3.7 cents, 9.2 without.
    logs = magnitudes.clamp_min(1e-9).log_()
    left, here, right = logs[..., :-2], logs[..., 1:-1], logs[..., 2:]
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
    advance = frequency.gather(2, owners) * (_TWO_PI / frames.n_fft)
    return owners, advance


def griffin_lim(
    start: Tensor, bands: Tensor, bank: Filterbank, frames: CircularStft, iterations: int, momentum: float
) -> Tensor:
    """Complex ``(batch, T, bins)`` from ``start`` whose ``(batch, T, n_mels)`` bands near the wanted ``bands``.

    Fast Griffin-Lim (Perraudin, Balazs, Sondergaard 2013) with circular frames. Bands leave the magnitudes of the bins
    inside them open, so each round keeps the magnitudes that the audio has and only moves them towards the bands by one
    multiplicative update. Against fixed magnitudes that takes SC from .071 to .055, LSD from 1.9 to 1.4 dB (12 rounds).
    """
    wanted = bank.bins(bands)
    before: Tensor | None = None
    spectra = start
    for _ in range(iterations):
        consistent = frames.spectra(frames.audio(spectra))
        magnitudes = consistent.abs()
        magnitudes *= wanted / bank.bins(bank.bands(magnitudes)).clamp_min_(TINY)
        ahead = consistent if before is None else torch.sub(consistent, before, alpha=momentum / (1.0 + momentum))
        before = consistent
        spectra = with_magnitude(ahead, magnitudes)
    return spectra


def with_magnitude(spectra: Tensor, magnitudes: Tensor) -> Tensor:
    """``magnitudes`` at the phase of ``spectra``; a bin of ``spectra`` that is 0 stays 0, for it has no phase."""
    return spectra * (magnitudes / spectra.abs().clamp_min_(TINY))
