"""Phase reconstruction for magnitude spectrograms: a predictive pass (SPSI), then fast Griffin-Lim; both circular."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from riffengine.renderer.codec.circular_stft import CircularStft
from riffengine.renderer.codec.filterbank import Filterbank

_TWO_PI = 2.0 * math.pi
TINY = 1e-12  # far below any audible sound: a 24-bit step has magnitude 1e-7


def predicted_phase(magnitudes: Tensor, stft: CircularStft, bins: int | None = None) -> Tensor:
    """Phases ``(batch, T, bins) float32`` in radians, relative to window starts, of ``magnitudes`` ``(batch, T, …)``.

    ``bins`` are the lowest ones that are wanted; without it those of all bins are computed.

    Single pass spectrogram inversion (Beauregard, Harish, Wyse 2015): every spectral peak is a sinusoid whose phase
    advances by its interpolated frequency times the hop (the exact hop between rounded centres). Each peak's phase
    error after one round is spread evenly over the loop (at most 0.5 / loop seconds, about 0.1 Hz), so that the end
    meets the start: a held sine dips 0.1 dB at the wrap, and 1.2 dB without this. Each loop of the batch starts at its
    own strongest onset, so rotating the image rotates the loop, and loops of a batch are independent.
    """
    onsets = (magnitudes - magnitudes.roll(1, dims=1)).clamp_min_(0).sum(2).argmax(1, keepdim=True)
    wanted = magnitudes[..., :bins]
    if magnitudes.device.type != "cpu":
        return _phases_of_batch(wanted, onsets, stft)
    pairs = zip(wanted.split(1), onsets.flatten().tolist(), strict=True)
    return torch.cat([_phases_of_one(one, first, stft) for one, first in pairs])


def _phases_of_batch(magnitudes: Tensor, first: Tensor, stft: CircularStft) -> Tensor:
    """Same as ``_phases_of_one`` for each loop, bit for bit, in few calls and without synchronising the device."""
    batch, count, bins = magnitudes.shape
    places = torch.arange(count, device=magnitudes.device)
    order = (first + places) % count
    owners, advance = (found.gather(1, order[:, :, None].expand(-1, -1, bins)) for found in _peaks(magnitudes, stft))
    hops = torch.tensor(stft.hops, dtype=torch.float32, device=magnitudes.device)[order]
    steps = (0.5 * (advance + advance.roll(-1, dims=1))) * hops[:, :, None]
    phase = begin = magnitudes.new_zeros((batch, bins), dtype=torch.float64)
    rows: list[Tensor] = []
    for now in range(count):
        rows.append(phase)
        phase = (phase + steps[:, now]).gather(1, owners[:, (now + 1) % count]).remainder_(_TWO_PI)
    residual = (phase - begin + math.pi).remainder_(_TWO_PI).sub_(math.pi)
    phases = torch.stack(rows, 1)
    share = places.to(torch.float64).div_(count)
    phases -= residual.unsqueeze(1).expand(-1, count, -1).gather(2, owners) * share.view(1, -1, 1)
    phases = phases.gather(1, ((places - first) % count)[:, :, None].expand(-1, -1, bins))
    phases[..., 1::2] += math.pi
    return phases.to(torch.float32)


def _phases_of_one(magnitudes: Tensor, first: int, stft: CircularStft) -> Tensor:
    batch, count, bins = magnitudes.shape
    order = [(first + t) % count for t in range(count)]
    owners, advance = _peaks(magnitudes, stft)
    phase = magnitudes.new_zeros((batch, bins), dtype=torch.float64)
    begin = phase
    rows: list[Tensor] = []
    for now, after in zip(order, order[1:] + order[:1], strict=True):
        rows.append(phase)
        step = 0.5 * (advance[:, now] + advance[:, after])
        phase = (phase + step * stft.hops[now]).gather(1, owners[:, after]).remainder_(_TWO_PI)
    residual = (phase - begin + math.pi).remainder_(_TWO_PI).sub_(math.pi)
    share = torch.arange(count, device=magnitudes.device, dtype=torch.float64).div_(count)
    phases = torch.stack(rows, 1)
    order_owners = owners[:, order]
    phases -= residual.unsqueeze(1).expand(-1, count, -1).gather(2, order_owners) * share.view(1, -1, 1)
    phases = phases.roll(first, dims=1)
    # Bins of one lobe have equal phases relative to the window's centre; relative to its start they alternate.
    phases[..., 1::2] += math.pi
    return phases.to(torch.float32)


def _peaks(magnitudes: Tensor, stft: CircularStft) -> tuple[Tensor, Tensor]:
    """For every bin: the bin of the peak it belongs to, and that peak's frequency in radians per sample."""
    bins = magnitudes.shape[-1]
    # A parabola through logarithms, because the Hann lobe is nearly one: rms error of sines 3.7 cents, 9.2 without.
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
    advance = frequency.gather(2, owners) * (_TWO_PI / stft.n_fft)
    return owners, advance


def griffin_lim(
    start: Tensor, bands: Tensor, filterbank: Filterbank, stft: CircularStft, iterations: int, momentum: float
) -> Tensor:
    """Complex spectra ``(batch, T, bins)``, from ``start``, whose bands approach ``bands`` ``(batch, T, n_mels)``.

    Fast Griffin-Lim (Perraudin, Balazs, Sondergaard 2013) with circular frames. Bands do not determine the magnitudes
    of their bins, so each round keeps the magnitudes of the audio and moves them towards the bands by one
    multiplicative update. Against fixed magnitudes, SC falls from .071 to .055, LSD from 1.9 to 1.4 dB (12 rounds).
    """
    target = filterbank.bins(bands)
    previous: Tensor | None = None
    spectra = start
    for _ in range(iterations):
        consistent = stft.spectra(stft.audio(spectra))
        magnitudes = magnitude(consistent)
        magnitudes *= target / filterbank.bins(filterbank.bands(magnitudes)).clamp_min_(TINY)
        extrapolated = (
            consistent if previous is None else torch.sub(consistent, previous, alpha=momentum / (1.0 + momentum))
        )
        previous = consistent
        spectra = with_magnitude(extrapolated, magnitudes)
    return spectra


def with_magnitude(spectra: Tensor, magnitudes: Tensor) -> Tensor:
    """``magnitudes`` with the phases of ``spectra``; a bin of ``spectra`` that is 0 has no phase and stays 0."""
    return spectra * (magnitudes / magnitude(spectra).clamp_min_(TINY))


def magnitude(spectra: Tensor) -> Tensor:
    """The magnitudes of complex spectra, in a third of the time of ``abs``, which also guards against overflow."""
    real, imaginary = torch.view_as_real(spectra).unbind(-1)
    return torch.addcmul(real * real, imaginary, imaginary).sqrt_()
