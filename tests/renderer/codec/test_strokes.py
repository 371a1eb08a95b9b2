"""Strokes become steep where the envelopes rise, wherever that is in the loop; a steady noise stays as it is."""

import numpy as np
import pytest

from riffengine.renderer.codec.strokes import stroke_gains

CELL = 16 / 44100
CELLS = 6000
AT = (1000, 3000, 5990)  # the last one begins in the last cells of the loop


def envelopes(at: tuple[int, ...], rise_seconds: float) -> np.ndarray:
    """A decaying stroke at every place, over a floor of -60 dB, in dB; it rises for ``rise_seconds``."""
    cells, rise = np.arange(CELLS), max(rise_seconds / CELL, 1.0)
    level = np.full(CELLS, 1e-3)
    for place in at:
        since = (cells - place + 500) % CELLS - 500
        level += np.where(since < 0, 0.0, np.minimum(since / rise, 1.0) * np.exp(-since / 400))
    return np.tile(20 * np.log10(level), (4, 1)).astype(np.float32)


def noise(envelope_db: np.ndarray) -> np.ndarray:
    """Levels of a noise with these envelopes, as they are found over a millisecond."""
    draw = np.random.default_rng(3).standard_normal((4, CELLS))
    smooth = 1.0 + 0.05 * sum(np.roll(draw, shift, axis=1) for shift in range(-2, 3)) / 5
    return (smooth * 10 ** (envelope_db / 20)).astype(np.float32)


def rise_ms(levels: np.ndarray, place: int) -> float:
    """From 20 to 80 % of the highest level of a stroke, in ms."""
    piece = levels[(place + np.arange(-40, 60)) % CELLS]
    until_top = piece[: piece.argmax() + 1] / piece.max()
    first, last = (np.flatnonzero(until_top < share).max(initial=0) for share in (0.2, 0.8))
    return float(last - first) * CELL * 1000


def test_a_blurred_stroke_rises_in_two_milliseconds_wherever_it_is() -> None:
    blurred = envelopes(AT, rise_seconds=0.008)
    levels = noise(blurred)
    steep = levels * stroke_gains(blurred, levels, CELL)
    for zone in range(4):
        for place in AT:
            assert rise_ms(steep[zone], place) <= 1.5 < 3.0 < rise_ms(levels[zone], place)


def test_what_is_far_from_every_stroke_is_not_changed() -> None:
    blurred = envelopes(AT, rise_seconds=0.008)
    gains = stroke_gains(blurred, noise(blurred), CELL)
    far = np.ones(CELLS, bool)
    for place in AT:
        far[(place + np.arange(-90, 90)) % CELLS] = False
    assert (gains[:, far] == 1.0).all()
    assert gains.min() >= 0.05 and gains.max() <= 2.0


@pytest.mark.parametrize("level_db", [-20.0, -60.0])
def test_a_steady_noise_has_no_strokes(level_db: float) -> None:
    steady = np.full((4, CELLS), level_db, np.float32)
    assert (stroke_gains(steady, noise(steady), CELL) == 1.0).all()


def test_a_slow_swell_is_no_stroke() -> None:
    swell = envelopes((2000,), rise_seconds=0.2)
    assert (stroke_gains(swell, noise(swell), CELL)[:, 2100:] == 1.0).all()


def test_a_rotated_loop_gets_rotated_gains() -> None:
    blurred = envelopes(AT, rise_seconds=0.008)
    levels = noise(blurred)
    gains = stroke_gains(blurred, levels, CELL)
    rotated = stroke_gains(np.roll(blurred, 777, axis=1), np.roll(levels, 777, axis=1), CELL)
    np.testing.assert_allclose(rotated, np.roll(gains, 777, axis=1), rtol=1e-5)


def test_a_stroke_at_the_seam_begins_at_once_in_all_zones() -> None:
    blurred = envelopes((0,), rise_seconds=0.008)
    levels = noise(blurred)
    middle = stroke_gains(np.roll(blurred, 3000, axis=1), np.roll(levels, 3000, axis=1), CELL)
    np.testing.assert_allclose(stroke_gains(blurred, levels, CELL), np.roll(middle, -3000, axis=1), rtol=1e-5)


def test_silence_where_a_stroke_was_predicted_is_left_as_it_is() -> None:
    blurred = envelopes(AT, rise_seconds=0.008)
    assert (stroke_gains(blurred, np.zeros_like(blurred), CELL) == 1.0).all()
