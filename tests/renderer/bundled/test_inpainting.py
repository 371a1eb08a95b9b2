"""Retakes: audio that is kept is the same bit for bit, and a splice is not audible as a step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riffengine.errors import RendererError
from riffengine.processes.render_request import Retake
from riffengine.renderer.bundled.inpainting import apply_retake, keeps_audio, splice_beats
from riffengine.renderer.levelling import level, true_peaks

RATE, BEATS, FRAMES = 8000, 8, 32000
NAMES = ("drums", "bass", "harmony")
EDGE = round(0.026 * RATE)  # before a beat: the fade, and what it is ahead


def noise(seed: int, stems: int = 3) -> np.ndarray:
    """``(stems, frames, 2)``"""
    return (np.random.default_rng(seed).standard_normal((stems, FRAMES, 2)) * 0.05).astype(np.float32)


def beats_of(bits: int) -> list[int]:
    return [beat for beat in range(BEATS) if bits >> beat & 1]


def test_a_frozen_stem_keeps_every_bit_and_the_new_one_its_gain() -> None:
    base, fresh = level(noise(1), -19.0, RATE), noise(2)
    after = apply_retake(base, fresh, Retake(("bass",), 0xFF, 1), NAMES, BEATS, RATE)
    assert np.array_equal(after.audio[[0, 2]], base.audio[[0, 2]])
    assert np.allclose(after.audio[1], fresh[1] * base.gain[:, None], rtol=1e-5)
    assert np.array_equal(after.gain, base.gain)
    assert after.peak == pytest.approx(np.abs(after.audio.sum(axis=0)).max(), rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 255), st.integers(0, 2**32))
def test_frozen_beats_keep_every_bit_but_at_their_very_end(bits: int, seed: int) -> None:
    old, new = noise(seed, 1)[0], noise(seed + 1, 1)[0]
    made = splice_beats(old, new, bits, BEATS, RATE)
    for beat in range(BEATS):
        inside = slice(beat * 4000, (beat + 1) * 4000 - EDGE)
        assert np.array_equal(made[inside], (new if beat in beats_of(bits) else old)[inside])
    loudest = max(np.abs(old).max(), np.abs(new).max())
    assert np.abs(made).max() <= 1.5 * loudest
    assert bits not in (0, 255) or np.array_equal(made, new if bits else old)


@pytest.mark.parametrize("likeness", [1.0, 0.0])
def test_the_level_holds_through_the_joint(likeness: float) -> None:
    old, other = noise(3, 1)[0], noise(4, 1)[0]
    new = (likeness * old + np.sqrt(1 - likeness**2) * other).astype(np.float32)
    power = np.mean(
        [
            np.mean(
                splice_beats(np.roll(old, shift), np.roll(new, shift), 0b00001111, BEATS, RATE)[4 * 4000 - EDGE :][:160]
                ** 2
            )
            for shift in range(0, FRAMES, 500)
        ]
    )
    assert 10 * np.log10(power / np.mean(old**2)) == pytest.approx(0.0, abs=0.4)


def test_a_joint_of_one_sound_with_itself_is_none() -> None:
    old = noise(5, 1)[0]
    assert np.allclose(splice_beats(old, old.copy(), 0b0101, BEATS, RATE), old, atol=1e-7)


def test_what_is_too_loud_is_turned_down_and_what_is_kept_is_not() -> None:
    base, fresh = level(noise(6), -19.0, RATE), noise(7)
    fresh[0, 100] = 2.0 / base.gain[100]
    after = apply_retake(base, fresh, Retake(("drums",), 0xFF, 1), NAMES, BEATS, RATE)
    assert np.array_equal(after.audio[1:], base.audio[1:])
    assert float(true_peaks(after.audio.sum(0)).max()) <= 10 ** (-1 / 20)
    assert np.abs(after.audio[0]).max() < np.abs(fresh[0] * base.gain[:, None]).max()


def test_what_keeps_nothing_is_told() -> None:
    assert not keeps_audio(Retake(NAMES, 0xFF, 1), NAMES, BEATS)
    assert keeps_audio(Retake(NAMES, 0xFE, 1), NAMES, BEATS)
    assert keeps_audio(Retake(NAMES[:2], 0xFF, 1), NAMES, BEATS)


def test_damage_and_silence_are_refused() -> None:
    only = noise(8)
    only[1:] = 0.0
    base = level(only, -19.0, RATE)
    again = Retake(("drums",), 0xFF, 1)
    with pytest.raises(RendererError, match="silent"):
        apply_retake(base, np.zeros_like(only), again, NAMES, BEATS, RATE)
    only[0, 0, 0] = np.nan
    with pytest.raises(RendererError, match="NaN"):
        apply_retake(base, only, again, NAMES, BEATS, RATE)


def test_a_retake_of_a_limited_loop_keeps_its_level() -> None:
    """Strokes that are limited leave no room under the ceiling where they are; the new stem is lowered only there."""
    rng = np.random.default_rng(9)
    stems = noise(10) * 0.3
    since_beat = np.arange(FRAMES) % (FRAMES // BEATS) / RATE
    stems[0] = (rng.standard_normal((FRAMES, 2)) * np.exp(-since_beat / 0.03)[:, None] * 0.3).astype(np.float32)
    base = level(stems, -14.0, RATE)
    assert 20 * np.log10(base.gain.max() / base.gain.min()) > 2.0
    fresh = noise(11) * 0.3
    after = apply_retake(base, fresh, Retake(("harmony",), 0xFF, 1), NAMES, BEATS, RATE)
    levels = [10 * np.log10(np.mean(np.square(audio))) for audio in (base.audio[2], after.audio[2])]
    assert levels[1] == pytest.approx(levels[0], abs=2.0)
    kept = float(true_peaks(base.audio[:2].sum(0)).max())
    assert float(true_peaks(after.audio.sum(0)).max()) <= max(kept, 10 ** (-1 / 20)) * 1.05


@pytest.mark.parametrize("factor", [0.6, 1.8])
def test_a_whole_stem_that_is_new_leaves_the_loop_about_as_loud_and_its_later_takes_follow(factor: float) -> None:
    base = level(noise(1), -24.0, RATE)
    quiet = noise(2)
    quiet[1:] *= factor
    after = apply_retake(base, quiet, Retake(("bass", "harmony"), 0xFF, 1), NAMES, BEATS, RATE)
    assert np.array_equal(after.audio[0], base.audio[0])
    drums, bass, harmony = after.stem_gains
    assert drums == 1.0 and bass == harmony and (bass > 1.0) == (factor < 1.0)
    assert abs(after.loudness_lufs - base.loudness_lufs) == pytest.approx(0.5, abs=0.1)
    later = apply_retake(after, quiet, Retake(("bass",), 0b11, 2), NAMES, BEATS, RATE)
    first_beats = slice(0, 2 * 4000 - EDGE)
    assert np.allclose(later.audio[1, first_beats], after.audio[1, first_beats], atol=1e-6)
    assert later.stem_gains == after.stem_gains


def test_a_stem_that_is_new_and_about_as_loud_keeps_its_gain() -> None:
    base = level(noise(1), -24.0, RATE)
    after = apply_retake(base, noise(2), Retake(("bass",), 0xFF, 1), NAMES, BEATS, RATE)
    assert after.stem_gains == (1.0, 1.0, 1.0)
    assert abs(after.loudness_lufs - base.loudness_lufs) <= 0.5
