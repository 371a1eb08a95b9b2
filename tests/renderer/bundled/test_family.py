"""The packaged weights: properties that every loop has."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from riffengine.errors import ModelError, RenderCancelled, RendererError
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.bundled.family import BundledModel
from riffengine.renderer.bundled.weights import packaged_weights
from riffengine.renderer.registry import load_family

HOUSE, JAZZ = MorphEnd("house, piano, synth bass", 3), MorphEnd("jazz, saxophone, upright bass", 4)


def never_cancel() -> None:
    """A check that never cancels."""


@pytest.fixture(scope="module")
def model() -> BundledModel:
    return BundledModel.load()


def request(start: MorphEnd = HOUSE, end: MorphEnd = JAZZ, **changes: object) -> RenderRequest:
    return replace(RenderRequest(start, end, steps=2), **changes)  # type: ignore[arg-type]


def test_equal_requests_give_equal_samples_in_a_new_model(model: BundledModel) -> None:
    first = model.render(request(alpha=0.3), never_cancel)
    again = BundledModel.load().render(request(alpha=0.3), never_cancel)
    assert np.array_equal(first.audio, again.audio)


@pytest.mark.parametrize("bpm", [60.0, 93.75, 123.4, 180.0])
@pytest.mark.parametrize("rate", [44100, 48000])
def test_a_loop_is_exactly_eight_beats_and_has_no_seam(model: BundledModel, bpm: float, rate: int) -> None:
    audio = model.render(request(bpm=bpm, sample_rate=rate), never_cancel).audio.sum(axis=(0, 2))
    assert len(audio) == round(8 * 60 * rate / bpm)
    steps = np.abs(np.diff(audio))
    assert abs(audio[0] - audio[-1]) <= np.quantile(steps, 0.9999)


def test_alpha_travels_between_its_ends(model: BundledModel) -> None:
    at = {alpha: model.render(request(alpha=alpha), never_cancel) for alpha in (0.0, 0.5, 1.0)}
    alone = model.render(request(start=HOUSE, end=HOUSE), never_cancel)
    assert np.array_equal(at[0.0].audio, alone.audio)
    assert np.array_equal(at[1.0].audio, model.render(request(start=JAZZ, end=JAZZ), never_cancel).audio)
    mels = {alpha: rendition.mel for alpha, rendition in at.items()}
    far = np.linalg.norm(mels[0.0] - mels[1.0])
    assert np.linalg.norm(mels[0.0] - mels[0.5]) < 1.2 * far
    assert far > 0.1 * np.linalg.norm(mels[0.0])


def test_levels_are_alike(model: BundledModel) -> None:
    found = [
        model.render(request(MorphEnd(prompt, seed), MorphEnd(prompt, seed)), never_cancel)
        for seed, prompt in enumerate(("metal, distorted guitar", "ambient, pad", "no drums, piano", ""))
    ]
    assert all(rendition.peak <= 0.9 for rendition in found)
    loudness = [rendition.loudness_lufs for rendition in found]
    assert max(loudness) - min(loudness) < 4.0


def test_the_tune_stays_when_tempo_steps_or_key_change(model: BundledModel) -> None:
    score = model.render(request(), never_cancel).score
    assert score is not None
    assert np.array_equal(score, model.render(request(bpm=90.0), never_cancel).score)
    assert np.array_equal(score, model.render(request(steps=3), never_cancel).score)


def test_another_tempo_needs_synthesis_alone(model: BundledModel) -> None:
    slow = model.render(request(HOUSE, HOUSE, bpm=100.0), never_cancel)

    def refuse() -> None:
        raise AssertionError("a denoising step")

    fast = model.render(request(HOUSE, HOUSE, bpm=137.0, source_bpm=100.0), refuse)
    assert fast.score is not None and slow.score is not None and np.array_equal(fast.score, slow.score)
    assert np.linalg.norm(fast.mel - slow.mel) < 0.2 * np.linalg.norm(slow.mel)
    assert fast.audio.shape[1] == round(8 * 60 * 44100 / 137)
    afresh = BundledModel.load().render(request(HOUSE, HOUSE, bpm=137.0, source_bpm=100.0), never_cancel)
    assert np.array_equal(fast.audio, afresh.audio)


def test_a_negative_prompt_and_guidance_are_heard(model: BundledModel) -> None:
    plain = model.render(request(HOUSE, HOUSE), never_cancel)
    without = model.render(request(replace(HOUSE, negative="piano"), replace(HOUSE, negative="piano")), never_cancel)
    strict = model.render(request(replace(HOUSE, guidance=5.0), replace(HOUSE, guidance=5.0)), never_cancel)
    assert not np.array_equal(plain.audio, without.audio)
    assert not np.array_equal(plain.audio, strict.audio)


def test_audio_to_start_from_is_kept_by_little_strength(model: BundledModel, tmp_path: Path) -> None:
    source = model.render(request(steps=8), never_cancel)
    path = tmp_path / "init.wav"
    soundfile.write(path, source.audio.sum(axis=0), 44100, subtype="FLOAT")

    def distance(strength: float) -> float:
        point = replace(JAZZ, strength=strength)
        made = model.render(request(point, point, init=str(path), steps=8), never_cancel)
        return float(np.linalg.norm(made.mel - source.mel))

    assert distance(0.2) < 0.6 * distance(1.0)


def test_a_mix_is_heard_as_notes(model: BundledModel) -> None:
    def alike(one: np.ndarray, other: np.ndarray) -> float:
        return float(2 * (one & other).sum() / (one.sum() + other.sum()))

    made = [model.render(request(point, point, steps=8), never_cancel) for point in (HOUSE, JAZZ)]
    written = [rendition.score > 0 for rendition in made]
    heard = [model.encode(rendition.audio.sum(axis=(0, 2))).score.numpy() > 0 for rendition in made]
    for columns, least in ((slice(0, 8), 0.7), (slice(8, 163), 0.4)):  # drums; bass, comp and lead
        for mine, another, found in zip(written, written[::-1], heard, strict=True):
            assert alike(mine[:, columns], found[:, columns]) > least
            assert alike(another[:, columns], found[:, columns]) < 0.5 * alike(mine[:, columns], found[:, columns])


def test_unknown_words_are_told(model: BundledModel) -> None:
    point = MorphEnd("house with xylofoon and qwertz", 1)
    assert model.render(request(point, point), never_cancel).unknown_words == ("xylofoon", "qwertz")


def test_a_job_can_be_stopped_between_any_two_steps(model: BundledModel) -> None:
    calls = 0

    def stop_at_five() -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise RenderCancelled("enough")

    with pytest.raises(RenderCancelled):
        model.render(request(MorphEnd("techno", 99), MorphEnd("techno", 99), steps=8), stop_at_five)
    assert calls == 5


@pytest.mark.parametrize("change", [{"key": "H minor"}, {"steps": 0}])
def test_impossible_requests_are_refused(model: BundledModel, change: dict[str, object]) -> None:
    with pytest.raises(RendererError):
        model.render(request(**change), never_cancel)


@pytest.mark.parametrize("damage", ["missing", "cut", "text", "pickle"])
def test_damaged_weights_are_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "weights.safetensors"
    whole = packaged_weights().read_bytes()
    content = {"cut": whole[: len(whole) // 2], "text": b"not weights", "pickle": b"\x80\x04K\x01."}
    if damage != "missing":
        path.write_bytes(content[damage])
    with pytest.raises(ModelError, match=r"weights\.safetensors"):
        load_family(str(path))


def test_a_name_that_is_no_model_is_refused() -> None:
    with pytest.raises(ModelError, match="there is no folder magic"):
        load_family("magic")


def test_the_weights_are_small_enough_to_ship() -> None:
    assert packaged_weights().stat().st_size <= 40_000_000
