"""Loops have no seam: networks that know no loops are turned between steps, and decoders hear the loop go round."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from riffengine.renderer.waveform.loading import load_networks
from riffengine.renderer.waveform.networks import Networks, in_a_circle
from riffengine.renderer.waveform.noise import MorphNoise
from riffengine.renderer.waveform.sampling import SampleJob, sample, turn_of
from riffengine.renderer.waveform.waveform_spec import WaveformSpec
from tests.renderer.waveform.checkpoints import never_cancel, toy
from tools.random_waveforms import DENOISING

SEEDS, HOP = 12, 256
every = pytest.mark.parametrize("kind", DENOISING)


def networks(kind: str) -> Networks:
    return load_networks(WaveformSpec(str(toy(kind)), device="cpu")).networks


def seam_ratio(loops: list[np.ndarray]) -> float:
    """Mean spectral change at the wrap over that at the other edges of latents, of loops ``(channels, frames)``."""
    at, elsewhere = [], []
    for loop in loops:
        mono = loop.mean(axis=0)
        places = np.arange(0, len(mono), HOP)[:, None] + np.arange(-HOP // 2, HOP // 2)
        before, after = (np.abs(np.fft.rfft(mono[(places + s) % len(mono)] * np.hanning(HOP))) for s in (-64, 64))
        change = np.abs(np.log1p(10 * before) - np.log1p(10 * after)).sum(axis=1)
        step = np.abs(mono[np.arange(0, len(mono), HOP)] - mono[np.arange(0, len(mono), HOP) - 1])
        both = change / change.mean() + step / step.mean()
        at.append(both[0])
        elsewhere.append(both[1:].mean())
    return float(np.mean(at) / np.mean(elsewhere))


def loops(own: Networks, turning: bool, decode: Callable[[Tensor], Tensor]) -> list[np.ndarray]:
    length = (62 if own.reads_text else 32) * HOP // own.hop  # a waveform itself takes its time
    with torch.inference_mode():
        condition = own.condition("drums, 120 BPM", "", length * own.hop / own.sample_rate)
        jobs = [SampleJob(length, condition, MorphNoise(s, s), 4, 1.0, turning=turning) for s in range(SEEDS)]
        schedule = own.make_schedule("own")
        return [decode(sample(job, own, schedule, never_cancel))[0].numpy() for job in jobs]


@every
def test_the_wrap_is_an_edge_like_any_other(kind: str) -> None:
    own = networks(kind)
    ratio = seam_ratio(loops(own, True, own.decode))
    print(f"{kind}: seam ratio {ratio:.3f} over {SEEDS} loops")
    assert ratio <= 1.15


def test_without_turns_or_a_circular_decoder_there_is_a_seam() -> None:
    dance, stable = networks("dance-diffusion"), networks("stable-audio")
    bare: Callable[[Tensor], Tensor] = lambda latents: stable._vae.decode(latents).sample  # type: ignore[attr-defined]  # noqa: E731  # its own
    with torch.inference_mode():
        still, open_ended = seam_ratio(loops(dance, False, dance.decode)), seam_ratio(loops(stable, True, bare))
    print(f"not turned {still:.3f}, decoded with open ends {open_ended:.3f}")
    assert still > 1.15 and open_ended > 1.15


@every
def test_decoding_a_turned_loop_turns_the_sound(kind: str) -> None:
    own = networks(kind)
    latents = torch.randn(1, own.latent_channels, 40, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        plain, turned = own.decode(latents), own.decode(torch.roll(latents, 13, dims=2))
        assert float((torch.roll(plain, 13 * own.hop, dims=2) - turned).abs().max()) < 1e-4
        sound = torch.randn(1, own.channels, 40 * own.hop, generator=torch.Generator().manual_seed(2))
        seen, later = own.encode(sound), own.encode(torch.roll(sound, 13 * own.hop, dims=2))
    assert seen.shape == (1, own.latent_channels, 40)
    assert float((torch.roll(seen, 13, dims=2) - later).abs().max()) < 1e-4


def test_a_circle_shorter_than_its_margin_goes_round_more_than_once() -> None:
    signal = torch.arange(5.0)[None, None]
    assert torch.equal(
        in_a_circle(lambda x: x.repeat_interleave(2, 2), signal, 12, 2.0), signal.repeat_interleave(2, 2)
    )


def test_turns_keep_away_from_each_other() -> None:
    turns = [turn_of(index, 100) for index in range(8)]
    assert turns[0] == 0 and len(set(turns)) == 8
    assert min(abs(a - b) for a in turns for b in turns if a != b) >= 5
