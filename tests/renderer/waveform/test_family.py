"""From text to loop with toy checkpoints of every kind: exact, deterministic, cancelled in time, morphed, retaken."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from riffengine.errors import AudioFileError, RenderCancelled, RendererError
from riffengine.processes.render_request import MorphEnd, RenderRequest, Retake
from riffengine.renderer.registry import family_of, load_family
from tests.renderer.waveform.checkpoints import READERS, REQUEST, family, fresh, never_cancel, toy
from tools.random_waveforms import DENOISING

every = pytest.mark.parametrize("kind", DENOISING)
reading = pytest.mark.parametrize("kind", READERS)


def audio(kind: str, request: RenderRequest = REQUEST) -> np.ndarray:
    return family(kind).render(request, never_cancel).audio[0]


@every
def test_text_becomes_a_loop_of_exactly_the_wanted_beats_at_a_known_loudness(kind: str) -> None:
    for bpm, rate, frames in ((120.0, 44100, 88200), (93.75, 44100, 112896), (101.0, 48000, 114059)):
        rendition = family(kind).render(replace(REQUEST, bpm=bpm, sample_rate=rate), never_cancel)
        assert rendition.audio.shape == (1, frames, 2) and rendition.audio.dtype == np.float32
        assert rendition.mel.shape == (192, 256) and rendition.mel.std() > 0.0
        assert rendition.peak <= 10 ** (-1 / 20) + 1e-6 and np.isfinite(rendition.audio).all()
        assert abs(rendition.loudness_lufs + 14.0) < 0.1
    assert not np.array_equal(*rendition.audio[0].T)  # stereo


@every
def test_the_registry_finds_the_family_by_a_folder(kind: str) -> None:
    loaded = load_family(f"{toy(kind)}?device=cpu")
    assert (loaded.name, loaded.stems, loaded.channels) == ("waveform", ("mix",), 2)
    assert family_of(str(toy(kind).parent)).name == "riffusion"  # which reports what is wrong with it


@every
def test_equal_requests_give_equal_samples_whatever_was_rendered_before(kind: str) -> None:
    wanted = replace(REQUEST, alpha=0.375)
    other = fresh(kind)
    for alpha in (0.0, 0.5, 1.0):
        other.render(replace(REQUEST, alpha=alpha), never_cancel)
    assert np.array_equal(other.render(wanted, never_cancel).audio, fresh(kind).render(wanted, never_cancel).audio)


@every
def test_seed_steps_and_alpha_change_the_loop(kind: str) -> None:
    base = audio(kind)
    changes = ({"start": replace(REQUEST.start, seed=5)}, {"steps": 5}, {"alpha": 0.5})
    for change in changes:
        assert not np.array_equal(audio(kind, replace(REQUEST, **change)), base), change  # type: ignore[arg-type]  # mixed


@reading
def test_words_negative_words_guidance_key_and_tempo_change_the_loop(kind: str) -> None:
    base = audio(kind)
    changes = (
        {"start": replace(REQUEST.start, prompt="slow jazz, organ")},
        {"start": replace(REQUEST.start, guidance=1.0)},
        {"start": replace(REQUEST.start, negative="noise")},
        {"key": "A minor"},
        {"key": "A minor", "transpose": 2},
    )
    heard = [audio(kind, replace(REQUEST, **change)) for change in changes]  # type: ignore[arg-type]  # mixed
    assert not any(np.array_equal(a, b) for a, b in pairwise([base, *heard]))
    assert np.array_equal(audio(kind, replace(REQUEST, transpose=2)), base)  # nothing to transpose without a key


@reading
def test_another_tempo_of_the_same_loop_is_stretched_and_not_generated_again(kind: str) -> None:
    own = fresh(kind)
    own.render(REQUEST, never_cancel)
    slower = own.render(replace(REQUEST, bpm=110.0, source_bpm=120.0), never_cancel)
    assert slower.cost.denoise == 0.0 and slower.audio.shape == (1, 96218, 2)


@every
def test_a_cancelled_job_ends_within_a_step_and_leaves_nothing_behind(kind: str) -> None:
    own, asked = fresh(kind), 0
    steps: list[int] = []
    plain = own.schedule.step
    own.schedule.step = lambda *given: (steps.append(1), plain(*given))[1]  # type: ignore[method-assign]  # counts

    def cancel_at_three() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise RenderCancelled("newer intent")

    with pytest.raises(RenderCancelled):
        own.render(replace(REQUEST, steps=20), cancel_at_three)
    assert len(steps) == 2
    assert np.array_equal(own.render(REQUEST, never_cancel).audio[0], audio(kind))


@every
def test_a_morph_is_gradual(kind: str) -> None:
    latents = [sampled(kind, replace(REQUEST, alpha=alpha)) for alpha in np.linspace(0.0, 1.0, 9)]
    steps = [float(np.abs(a - b).mean()) for a, b in pairwise(latents)]
    whole = float(np.abs(latents[0] - latents[-1]).mean())
    assert 0.0 < max(steps) < 0.5 * whole and max(steps) < 2.5 * min(steps)


def sampled(kind: str, request: RenderRequest) -> np.ndarray:
    """The latents of a loop, before its level is set."""
    own = family(kind, "tempo=told")
    length = round(2.0 * own.networks.sample_rate / own.networks.hop)
    from riffengine.renderer.checkpoints.lap_timer import LapTimer

    timer = LapTimer(own.networks.device)
    return own._sampled(request.canonical(), length, never_cancel, timer).numpy()


@every
def test_a_sound_to_start_from_is_kept_in_part_or_altogether(kind: str, tmp_path: Path) -> None:
    rate, path = 22050, tmp_path / "tone.wav"
    seconds = np.arange(4 * rate) / rate
    clicks = np.exp(-40.0 * (seconds % 0.5))
    soundfile.write(path, np.stack([clicks * np.sin(2 * np.pi * f * seconds) for f in (330.0, 440.0)], axis=1), rate)
    errors = []
    untouched = started(kind, path, 0.0)
    for strength in (0.25, 0.5, 1.0):
        errors.append(float(np.abs(started(kind, path, strength) - untouched).mean()))
    assert errors == sorted(errors) and errors[0] < errors[-1]
    assert np.array_equal(started(kind, path, 1.0), sampled(kind, REQUEST))  # strength 1 forgets it
    whole = replace(REQUEST, init=str(path), start=replace(REQUEST.start, strength=0.5))
    assert family(kind).render(whole, never_cancel).audio.shape == (1, 88200, 2)
    later = replace(whole, init=f"{path}?from=2")
    assert not np.array_equal(audio(kind, later), audio(kind, whole))
    for wrong in ("none.wav", f"{path}?mask=keep-low", f"{path}?from=two"):
        with pytest.raises(AudioFileError):
            family(kind).render(replace(whole, init=wrong), never_cancel)


@reading
def test_the_tempo_of_an_end_is_that_of_the_loop_that_is_heard_there(kind: str, tmp_path: Path) -> None:
    rate, path = 22050, tmp_path / "tone.wav"
    soundfile.write(path, np.sin(np.arange(4 * rate) / 8), rate)
    forgets, keeps = REQUEST.start, replace(REQUEST.start, strength=0.5)
    morph = replace(REQUEST, start=forgets, end=keeps, init=str(path), alpha=0.5)
    own = fresh(kind)
    own.render(replace(morph, alpha=0.0).canonical(), never_cancel)
    decoded: list[int] = []
    decode = own.networks.decode
    own.networks.decode = lambda latents: (decoded.append(1), decode(latents))[1]  # type: ignore[method-assign]
    own.render(morph, never_cancel)
    assert len(decoded) == 2  # the other end and the loop between them


@every
def test_a_sound_to_start_from_is_encoded_once_until_its_file_changes(kind: str, tmp_path: Path) -> None:
    path, own = tmp_path / "tone.wav", fresh(kind)
    own._measures = False
    encoded: list[int] = []
    encode = own.networks.encode
    own.networks.encode = lambda sound: (encoded.append(1), encode(sound))[1]  # type: ignore[method-assign]
    start = replace(REQUEST.start, strength=0.5)
    for begun in (1, 2):
        soundfile.write(path, np.sin(np.arange(4 * 22050) / (4 * begun)), 22050)
        os.utime(path, (begun, begun))
        for seed in (1, 2):
            end = replace(start, seed=seed)
            own.render(replace(REQUEST, start=end, end=end, init=str(path)), never_cancel)
        assert len(encoded) == begun


def started(kind: str, path: Path, strength: float) -> np.ndarray:
    start = replace(REQUEST.start, strength=strength)
    return sampled(kind, replace(REQUEST, start=start, end=start, init=str(path)))


@every
def test_what_is_rendered_again_changes_its_beats_and_no_other(kind: str) -> None:
    own = family(kind, "tempo=told")
    again = replace(REQUEST, retakes=(Retake(("mix",), 0b0010, 1),))
    from riffengine.renderer.checkpoints.lap_timer import LapTimer

    before, after = (
        own._loop(request.canonical(), never_cancel, LapTimer(own.networks.device)) for request in (REQUEST, again)
    )
    beat, fade = len(before) // 4, 64
    changed = np.abs(after - before).max(axis=1)
    assert changed[beat + fade : 2 * beat - fade].max() > 0.0
    assert changed[: beat - fade].max() == changed[2 * beat + fade :].max() == 0.0
    other = replace(REQUEST, retakes=(Retake(("mix",), 0b0010, 2),))
    assert not np.array_equal(audio(kind, again), audio(kind, other))
    with pytest.raises(RendererError, match="no stem 'drums'"):
        own.render(replace(REQUEST, retakes=(Retake(("drums",), 1, 1),)), never_cancel)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"steps": 0}, "at least 1"), ({"beats": 64, "bpm": 40.0}, "another number of beats")],
)
@every
def test_an_impossible_request_is_refused_and_the_next_one_plays(
    change: dict[str, float], words: str, kind: str
) -> None:
    with pytest.raises(RendererError, match=words):
        family(kind).render(replace(REQUEST, **change), never_cancel)  # type: ignore[arg-type]  # mixed
    assert audio(kind).any()


def test_words_that_are_not_read_are_reported() -> None:
    unread = family("dance-diffusion").render(REQUEST, never_cancel).unknown_words
    assert unread == ("slow jazz",)  # the end that alpha 0 does not reach is none of the loop
    end = MorphEnd("a" * 120 + "bcdefghij", 1)
    request = RenderRequest(end, end, steps=1, beats=4)
    assert family("stable-audio").render(request, never_cancel).unknown_words == ("ij",)
