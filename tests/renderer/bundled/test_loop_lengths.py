"""Loops of one bar and of four from networks that learnt two: no edge, no length of their own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from riffengine.errors import RendererError
from riffengine.processes.render_request import MorphEnd, RenderRequest, Retake
from riffengine.renderer.bundled.family import BundledModel
from riffengine.renderer.bundled.flow_transformer import FlowShape, FlowTransformer
from riffengine.renderer.bundled.loop_lengths import predict_any_length

HOUSE = MorphEnd("house, piano, synth bass, electronic drums", 3)
REQUEST = RenderRequest(HOUSE, HOUSE, steps=2)
AM, F = (33, 57, 60, 64), (29, 57, 60, 65)


def never_cancel() -> None:
    """A check that never stops."""


@pytest.fixture(scope="module")
def net() -> FlowTransformer:
    torch.manual_seed(0)
    net = FlowTransformer(FlowShape(channels=12, context=7, words=5, width=64, depth=2, heads=2))
    for parameter in net.parameters():  # the zero-initialised gates would hide everything behind them
        parameter.data.normal_(0, 0.1)
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def model() -> BundledModel:
    return BundledModel.load()


def asked(net: FlowTransformer, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
    return predict_any_length(net, x, torch.tensor([0.4]), net.embed_words(torch.eye(5)[:1]), torch.ones(1, 2), context)


def noise(steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(steps)
    return torch.randn(1, steps, 12, generator=generator), torch.randn(1, steps, 7, generator=generator)


def test_one_bar_is_two_equal_bars(net: FlowTransformer) -> None:
    x, context = noise(16)
    twice = asked(net, x.repeat(1, 2, 1), context.repeat(1, 2, 1))
    assert torch.allclose(asked(net, x, context), twice[:, :16], atol=1e-5)
    assert torch.allclose(twice[:, :16], twice[:, 16:], atol=1e-5)


def test_four_bars_that_repeat_are_two(net: FlowTransformer) -> None:
    x, context = noise(32)
    twice = asked(net, x.repeat(1, 2, 1), context.repeat(1, 2, 1))
    assert torch.allclose(twice[:, :32], asked(net, x, context), atol=1e-5)


def test_four_bars_may_begin_on_any_bar_and_hear_their_neighbours(net: FlowTransformer) -> None:
    x, context = noise(64)
    straight = asked(net, x, context)
    assert torch.allclose(asked(net, x.roll(16, 1), context.roll(16, 1)), straight.roll(16, 1), atol=1e-5)
    other = x.clone()
    other[:, 0] += 1.0  # the first sixteenth: heard in the bars beside it, and at the end of the loop
    moved = (asked(net, other, context) - straight).abs().amax(dim=2)[0].unflatten(0, (4, 16)).amax(dim=1)
    assert (moved[[0, 1, 3]] > 1e-3).all()
    assert moved[2] == 0.0


@pytest.mark.parametrize("beats", [4, 16])
def test_a_loop_of_another_length_is_exact_and_has_no_seam(model: BundledModel, beats: int) -> None:
    made = model.render(replace(REQUEST, beats=beats, bpm=123.4, sample_rate=48000), never_cancel)
    audio = made.audio.sum(axis=(0, 2))
    assert len(audio) == round(beats * 60 * 48000 / 123.4)
    assert abs(audio[0] - audio[-1]) <= np.quantile(np.abs(np.diff(audio)), 0.9999)
    assert made.score is not None and len(made.score) == 4 * beats and len(made.mel) == 48 * beats
    assert max(note.start_step for note in made.notes) in range(4 * beats // 2, 4 * beats)


def test_four_bars_are_no_two_bars_twice(model: BundledModel) -> None:
    made = model.render(replace(REQUEST, beats=16), never_cancel)
    assert made.score is not None
    first, second = np.split(made.score, 2)
    assert not np.array_equal(first, second)


def test_a_morph_of_short_loops_keeps_their_length(model: BundledModel) -> None:
    jazz = MorphEnd("jazz, saxophone, upright bass", 4)
    made = model.render(replace(REQUEST, beats=4, steps=8, end=jazz, alpha=0.5), never_cancel)
    assert made.audio.shape[1] == 88200 and len(made.mel) == 192


def test_the_performers_controls_reach_every_bar(model: BundledModel) -> None:
    request = replace(REQUEST, beats=16)
    first = model.render(request, never_cancel)
    again = model.render(replace(request, retakes=(Retake(("drums",), 0b1111 << 12, 1),)), never_cancel)
    drums, frames = model.stems.index("drums"), first.audio.shape[1]
    others = [stem for stem in range(len(model.stems)) if stem != drums]
    assert np.array_equal(first.audio[others], again.audio[others])
    last, kept = slice(frames * 13 // 16, frames * 15 // 16), slice(frames // 16, frames * 11 // 16)
    assert np.array_equal(first.audio[drums, kept], again.audio[drums, kept])
    assert not np.array_equal(first.audio[drums, last], again.audio[drums, last])
    chords = model.render(replace(request, chords=(AM, F)), never_cancel).score
    assert chords is not None
    bass = [set((28 + np.flatnonzero(row[8:41])) % 12) for row in chords]
    assert set.union(*bass[:32]) <= {9, 4} and set.union(*bass[32:]) <= {5, 0}


@pytest.mark.parametrize("beats", [4, 16])
def test_a_short_and_a_long_loop_start_from_the_same_audio(model: BundledModel, tmp_path: Path, beats: int) -> None:
    source = model.render(replace(REQUEST, steps=4), never_cancel)
    path = tmp_path / "init.wav"
    soundfile.write(path, source.audio.sum(axis=0), 44100, subtype="FLOAT")

    def distance(strength: float) -> float:
        point = MorphEnd("jazz, saxophone, upright bass", 4, strength=strength)
        made = model.render(replace(REQUEST, start=point, end=point, beats=beats, init=str(path)), never_cancel)
        return float(np.linalg.norm(made.mel - np.resize(source.mel, made.mel.shape)))

    assert distance(0.2) < 0.75 * distance(1.0)


def test_a_length_that_was_not_learnt_is_refused(model: BundledModel) -> None:
    with pytest.raises(RendererError, match="a loop of 5 beats cannot be generated; choose one of 4, 8, 16"):
        model.render(replace(REQUEST, beats=5), never_cancel)
