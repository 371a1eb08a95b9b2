"""The codec as a GPU runs it: few large operations, nothing read back, and the same loops as on a CPU."""

from __future__ import annotations

import numpy as np
import torch

from riffengine.renderer.codec.circular_stft import CircularStft
from riffengine.renderer.codec.filterbank import Filterbank, band_weights
from riffengine.renderer.codec.params import CodecParams
from riffengine.renderer.codec.phase import _phases_of_batch, _phases_of_one, griffin_lim, predicted_phase

PARAMS = CodecParams(n_fft=512, n_mels=64, frames=96, fmin=20.0, fmax=16000.0)
LENGTH = 9601  # hops of 100 and 101
CPU, FAR = torch.device("cpu"), torch.device("meta")


def loops(count: int = 3) -> torch.Tensor:
    """Noise with a strong onset, at a different time in every loop."""
    draw = torch.Generator().manual_seed(2)
    sound = 0.02 * torch.randn(count, LENGTH, generator=draw)
    for number in range(count):
        sound[number, 1500 * number + 700 : 1500 * number + 1400] += torch.sin(torch.arange(700) * 0.05 * (number + 1))
    return sound


def strongest_onsets(magnitudes: torch.Tensor) -> list[int]:
    """The frame of each loop that its phases begin at."""
    return [int((one - one.roll(1, dims=0)).clamp_min(0).sum(1).argmax()) for one in magnitudes]


def test_index_tables_give_the_same_windows() -> None:
    short, far = (CircularStft(PARAMS, LENGTH, CPU, use_tables) for use_tables in (False, True))
    spectra = short.spectra(loops())
    assert torch.equal(far.spectra(loops()), spectra)
    assert torch.allclose(far.audio(spectra), short.audio(spectra), atol=1e-6)
    assert float((far.audio(spectra) - loops()).abs().max()) < 0.2  # what lies above fmax is left away


def test_phases_of_a_batch_equal_those_of_each_loop_alone() -> None:
    frames = CircularStft(PARAMS, LENGTH, CPU)
    magnitudes = frames.spectra(loops()).abs()
    first = strongest_onsets(magnitudes)
    alone = torch.cat([_phases_of_one(one, at, frames) for one, at in zip(magnitudes.split(1), first, strict=True)])
    assert torch.equal(_phases_of_batch(magnitudes, torch.tensor(first)[:, None], frames), alone)
    assert torch.equal(predicted_phase(magnitudes, frames), alone)
    assert len(set(first)) == 3


def test_the_lowest_phases_are_those_of_all_bins() -> None:
    frames = CircularStft(PARAMS, LENGTH, CPU)
    magnitudes = frames.spectra(loops()).abs()
    whole, low = predicted_phase(magnitudes, frames), predicted_phase(magnitudes, frames, 60)
    assert low.shape == (3, 96, 60)
    assert torch.equal(low[..., :40], whole[..., :40])  # a bin near the end may belong to a peak beyond it


def test_decoding_on_a_device_reads_nothing_back() -> None:
    frames, bank = CircularStft(PARAMS, LENGTH, FAR), Filterbank(np.asarray(band_weights(PARAMS)), FAR)
    bands = torch.empty(2, PARAMS.frames, PARAMS.n_mels, device=FAR)
    magnitudes = bank.bins(bands)
    start = torch.polar(magnitudes, predicted_phase(magnitudes, frames))
    assert frames.audio(griffin_lim(start, bands, bank, frames, 2, 0.99)).shape == (2, LENGTH)
