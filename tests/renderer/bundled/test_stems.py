"""Stems of the bundled model: retakes, silent stems, chords and knobs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from riffengine.processes.render_request import MorphEnd, RenderRequest, Retake
from riffengine.renderer.bundled import score as sheet
from riffengine.renderer.bundled.family import BundledModel
from riffengine.renderer.bundled.latent_codec import STEMS, LatentCodec, StemShape
from riffengine.renderer.bundled.stages import Inpainting, sample_flow
from riffengine.renderer.bundled.stem_decoder import StemDecoder
from riffengine.renderer.codec import CodecParams
from riffengine.renderer.codec.envelopes import EnvelopeNet
from riffengine.renderer.registry import model_shape

POINT = MorphEnd("house, piano, synth bass, electronic drums", 3)
REQUEST = RenderRequest(POINT, POINT, steps=3)
ALL_BEATS = 0xFF


def never_cancel() -> None:
    """A check that never cancels."""


@pytest.fixture(scope="module")
def model() -> BundledModel:
    return BundledModel.load()


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two loops: 1 for the same sound at any level."""
    return float((one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum()))


def test_the_stems_are_declared_before_any_torch_is_loaded(model: BundledModel) -> None:
    assert model_shape("bundled").stems == model.stems == ("drums", "bass", "harmony")


@pytest.mark.parametrize("stem", ["drums", "bass", "harmony"])
def test_a_retake_of_one_stem_leaves_the_others(model: BundledModel, stem: str) -> None:
    first = model.render(REQUEST, never_cancel)
    again = model.render(replace(REQUEST, retakes=(Retake((stem,), ALL_BEATS, 1),)), never_cancel)
    other = model.render(replace(REQUEST, retakes=(Retake((stem,), ALL_BEATS, 2),)), never_cancel)
    for index, name in enumerate(model.stems):
        assert np.array_equal(first.audio[index], again.audio[index]) == (name != stem), name
        assert np.array_equal(again.audio[index], other.audio[index]) == (name != stem), name
        assert name != stem or likeness(again.audio[index], other.audio[index]) < 0.9


def test_a_retake_of_some_beats_leaves_the_others(model: BundledModel) -> None:
    first = model.render(REQUEST, never_cancel)
    again = model.render(replace(REQUEST, retakes=(Retake(model.stems, 0b11110000, 1),)), never_cancel)
    assert first.score is not None and again.score is not None
    # A note that was held across the loop's end begins at its start now, if what came before it is gone.
    begins = np.zeros_like(first.score[:16], bool)
    begins[0, sheet.ONSETS] = True
    assert np.array_equal(first.score[:16][~begins], again.score[:16][~begins])
    assert not np.array_equal(first.score[16:], again.score[16:])
    assert again.audio.shape == first.audio.shape
    kept, changed = slice(0, 86000), slice(90000, 174000)  # the splices are before the fourth beat and before the end
    assert np.array_equal(first.audio[:, kept], again.audio[:, kept])
    assert likeness(first.audio[:, changed], again.audio[:, changed]) < 0.9
    steps = np.abs(np.diff(again.audio.sum(axis=(0, 2))))
    assert steps[86000:89000].max() <= np.quantile(steps, 0.99999)


def test_retakes_of_retakes_do_not_depend_on_earlier_renders(model: BundledModel) -> None:
    takes = (Retake(("drums",), ALL_BEATS, 1), Retake(("bass", "harmony"), 0b1100, 2))
    warm = model.render(replace(REQUEST, retakes=takes), never_cancel)
    model._final_stems.clear()
    model.render(replace(REQUEST, retakes=takes[1:]), never_cancel)
    cold = model.render(replace(REQUEST, retakes=takes), never_cancel)
    assert np.array_equal(warm.audio, cold.audio)
    assert np.array_equal(warm.audio[0], model.render(replace(REQUEST, retakes=takes[:1]), never_cancel).audio[0])


def test_a_stem_without_notes_is_silent(model: BundledModel) -> None:
    score = model.render(REQUEST, never_cancel).score
    assert score is not None
    for index, stem in enumerate(model.stems):
        without = score.copy()
        for columns in sheet.STEM_COLUMNS[stem]:
            without[:, columns] = 0.0
        audio = model.render(REQUEST, never_cancel, without).audio
        assert not audio[index].any()
        assert all(audio[other].any() for other in range(3) if other != index)


def test_chords_of_the_performer_are_played(model: BundledModel) -> None:
    chord = (45, 57, 60, 64)  # A minor
    score = model.render(replace(REQUEST, chords=(chord,)), never_cancel).score
    assert score is not None
    notes, _ = sheet.notes_from_score(score)
    comp = {note.pitch % 12 for note in notes if note.part == "comp"}
    assert comp and comp <= {9, 0, 4}


def test_the_knobs_reach_the_model(model: BundledModel) -> None:
    plain = model.render(REQUEST, never_cancel)
    for knob in ("density", "brightness", "energy"):
        turned = model.render(replace(REQUEST, **{knob: 1.0}), never_cancel)
        assert not np.array_equal(plain.mel, turned.mel), knob
    assert plain.score is not None
    higher = model.render(replace(REQUEST, transpose=2), never_cancel).score
    assert higher is not None and np.array_equal(higher, sheet.transpose(plain.score, 2))


def test_inpainting_keeps_its_target_exactly() -> None:
    generator = torch.Generator().manual_seed(0)
    noise, target = torch.randn(1, 4, 6, generator=generator), torch.randn(1, 4, 6, generator=generator)
    mask = torch.zeros(4, 6, dtype=torch.bool)
    mask[:, :3] = True
    seen = []

    def velocity(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        seen.append((float(t[0]), x.clone()))
        return torch.ones_like(x)

    end = sample_flow(velocity, noise, 4, never_cancel, inpainting=Inpainting(mask, target))
    assert torch.equal(end[..., :3], target[..., :3])
    assert torch.allclose(end[..., 3:], noise[..., 3:] - 1.0, atol=1e-6)
    for t, x in seen:  # the kept part follows the straight path from its own noise
        assert torch.allclose(x[..., :3], ((1 - t) * target + t * noise)[..., :3], atol=1e-5)


def small_codec() -> LatentCodec:
    shapes = [
        StemShape("drums", CodecParams(n_fft=1024, n_mels=32, frames=256), 8),
        StemShape(
            "bass", CodecParams(n_fft=2048, n_mels=48, frames=128, fmin=55.0, axis="log", bands_per_octave=12), 4
        ),
    ]
    codec = LatentCodec(shapes)
    for lapped in codec._transforms:
        torch.nn.init.orthogonal_(lapped.basis)
    return codec


def test_latents_of_the_stems_are_concatenated() -> None:
    codec = small_codec()
    stems = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 32768)).astype(np.float32)) * 0.1
    latents = codec.encode(codec.mel_images(stems))
    assert latents.shape == (1, 32, codec.channels) and codec.channels == 12
    assert codec.columns("drums") == slice(0, 8) and codec.columns("bass") == slice(8, 12)
    louder = codec.encode(codec.mel_images(torch.stack([stems[0], 2 * stems[1]])))
    assert torch.equal(louder[..., :8], latents[..., :8]) and not torch.equal(louder[..., 8:], latents[..., 8:])


def test_two_threads_give_the_same_samples_as_one() -> None:
    codec = small_codec()
    mels = [
        torch.rand(1, s.codec.frames, s.codec.n_mels, generator=torch.Generator().manual_seed(1)) for s in codec.shapes
    ]
    decoder = StemDecoder(codec, EnvelopeNet(CodecParams()))  # for other images: the drums are decoded as the others
    together = decoder.audio(mels, 32768, 4)
    iterations = 4, 2  # pitched stems need half of those of the drums
    alone = torch.stack(
        [one.decode(mel, 32768, iterations=n)[0] for one, mel, n in zip(codec.codecs, mels, iterations, strict=True)]
    )
    assert torch.equal(together, alone)
    assert torch.equal(decoder.audio(mels, 32768, 4, silent=("bass",))[0], alone[0])


def test_the_shapes_survive_the_header() -> None:
    assert tuple(StemShape.from_dict(shape.as_dict()) for shape in STEMS) == STEMS
