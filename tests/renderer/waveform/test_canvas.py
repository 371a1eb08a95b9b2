"""A canvas is whole beats at the tempo that the model plays, and the loop is at the tempo that was asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from riffengine.errors import RendererError
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.beat_tracking import track_beats
from riffengine.renderer.waveform.canvas import canvas_length, played_tempo, told_text
from riffengine.renderer.waveform.family import WaveformFamily
from riffengine.renderer.waveform.loading import Loaded
from riffengine.renderer.waveform.networks import Condition
from riffengine.renderer.waveform.schedules import FlowSchedule, Schedule
from riffengine.renderer.waveform.waveform_spec import WaveformSpec
from tests.renderer.waveform.checkpoints import never_cancel

END = MorphEnd("drums", 1)
REQUEST = RenderRequest(END, END, steps=2, bpm=120.0, beats=8)


class Drummer:
    """Networks that play drums at ``bpm``, whatever they are told: their latents are noise, their sound a pattern."""

    name, sample_rate, channels, latent_channels, hop = "drummer", 22050, 2, 2, 512
    shortest, longest, reads_text, takes_steps = 4, 4096, True, True
    device = torch.device("cpu")
    dtype = torch.float32

    def __init__(self, bpm: float) -> None:
        self.bpm = bpm
        self.canvases: list[int] = []

    def condition(self, text: str, negative: str, seconds: float) -> Condition:
        return Condition()

    def unread(self, text: str) -> str:
        return ""

    def predict(self, latents: Tensor, time: Tensor, condition: Condition, guidance: float) -> Tensor:
        return latents

    def encode(self, audio: Tensor) -> Tensor:
        raise NotImplementedError

    def decode(self, latents: Tensor) -> Tensor:
        frames = latents.shape[2] * self.hop
        self.canvases.append(latents.shape[2])
        beat = self.sample_rate * 60.0 / self.bpm
        noise, since = np.random.default_rng(1).normal(size=frames), np.arange(frames) % beat
        kick = np.exp(-since / 1500.0) * np.sin(since * 2 * np.pi * 60.0 / self.sample_rate)
        hat = 0.3 * np.exp(-(np.arange(frames) % (beat / 2)) / 150.0) * noise
        return torch.from_numpy(np.stack([kick + hat] * 2)[None]).float()

    def make_schedule(self, name: str) -> Schedule:
        return FlowSchedule({})


def drummers(bpm: float, tempo: str = "measured") -> tuple[WaveformFamily, Drummer]:
    networks = Drummer(bpm)
    return WaveformFamily(Loaded(networks, "0" * 16), WaveformSpec("", tempo=tempo)), networks


@pytest.mark.parametrize("plays", [114.5, 117.0, 119.0, 123.0, 126.5])
def test_a_model_that_plays_a_little_off_is_brought_to_the_beat(plays: float) -> None:
    own, networks = drummers(plays)
    rendition = own.render(REQUEST, never_cancel)
    assert rendition.audio.shape == (1, 176400, 2)
    length = round(8 * 60 / plays * 22050 / 512)
    assert len(networks.canvases) == 2 and abs(networks.canvases[1] - length) <= 1
    mono = rendition.audio[0].mean(axis=1)
    assert track_beats(mono, 44100, 120.0).bpm == pytest.approx(120.0, rel=0.004)
    left_alone = drummers(plays, "told")[0].render(REQUEST, never_cancel).audio[0].mean(axis=1)
    assert abs(track_beats(left_alone, 44100, 120.0).bpm - plays) < 0.6 + 0.004 * plays


@pytest.mark.parametrize("plays", [108.0, 120.0, 120.3, 132.0])
def test_what_is_right_or_far_off_stays(plays: float) -> None:
    own, networks = drummers(plays)
    own.render(REQUEST, never_cancel)
    assert networks.canvases == [172]


def test_all_loops_of_a_morph_have_nearly_one_canvas() -> None:
    own, networks = drummers(117.0)
    morph = replace(REQUEST, end=replace(END, seed=2))
    for alpha in (0.0, 0.25, 0.5, 1.0):
        own.render(replace(morph, alpha=alpha), never_cancel)
    assert {172} < set(networks.canvases) <= {172, 176, 177}


def test_noise_and_silence_have_no_tempo() -> None:
    noise = np.random.default_rng(1).normal(size=(4 * 22050, 2)).astype(np.float32)
    assert played_tempo(noise, 22050, 120.0) == played_tempo(np.zeros_like(noise), 22050, 120.0) == 120.0


def test_the_text_says_key_and_tempo_once() -> None:
    assert told_text(replace(REQUEST, key="A minor"), END) == "drums, A minor, 120 BPM"
    assert told_text(replace(REQUEST, key="Bb major", transpose=-3), END) == "drums, G major, 120 BPM"
    assert told_text(REQUEST, replace(END, prompt="drums 90bpm")) == "drums 90bpm"
    assert told_text(replace(REQUEST, bpm=100.0, source_bpm=93.75), replace(END, prompt="")) == "94 BPM"


def test_a_canvas_that_a_model_cannot_have_is_refused() -> None:
    networks: Any = Drummer(120.0)
    assert canvas_length(8, 120.0, networks) == 172
    with pytest.raises(RendererError, match=r"4096|0.093 to 95 s"):
        canvas_length(64, 30.0, networks)
