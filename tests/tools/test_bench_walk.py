"""The measures of a walk on sequences whose memory is known."""

import numpy as np
import pytest

from riffengine.renderer.bundled import score as sheet
from tools.bench import walk

STEMS = ("drums", "bass", "harmony")


def test_a_walk_that_stays_is_told_from_one_that_does_not() -> None:
    rng = np.random.default_rng(1)
    sections = np.repeat(rng.standard_normal((6, 20)), 16, axis=0)
    stays = sections + 0.3 * rng.standard_normal(sections.shape)
    for lag in walk.LAGS:
        assert walk.autocorrelation(stays, lag) > 4.0 * walk.shuffled(stays, lag)
        jumps = stays[rng.permutation(len(stays))]
        assert abs(walk.autocorrelation(jumps, lag)) < 4.0 * walk.shuffled(jumps, lag)
    assert walk.autocorrelation(np.ones((8, 3)), 1) == 0.0  # nothing ever changes


def test_two_loops_in_turn_are_alike_over_two_and_opposite_over_one() -> None:
    turns = np.tile(np.eye(2), (16, 1))
    assert walk.autocorrelation(turns, 1) == pytest.approx(-1.0)
    assert walk.autocorrelation(turns, 2) == pytest.approx(1.0)


def test_harmony_tells_notes_and_timbre_tells_brightness() -> None:
    seconds = np.arange(4 * walk.RATE) / walk.RATE

    def loop(*hz: float) -> np.ndarray:
        return sum(np.sin(2 * np.pi * each * seconds) for each in hz).astype(np.float32)  # type: ignore[union-attr]

    a_minor, octave_up, c_sharp = loop(220, 261.6, 329.6), loop(440, 523.3, 659.3), loop(277.2, 349.2, 415.3)
    chords = [walk.harmony_of(walk.spectrum(each)) for each in (a_minor, octave_up, c_sharp)]
    assert chords[0].shape == (48,)
    assert float(chords[0] @ chords[1]) > 3.6 > 2.0 > float(chords[0] @ chords[2])  # of 4, one for each part
    assert np.argmax(chords[0][:12]) in (0, 4, 9)
    timbres = [walk.timbre_of(walk.spectrum(each)) for each in (a_minor, octave_up, loop(220, 8000.0))]
    assert timbres[0].shape == (80,)
    assert np.abs(timbres[0] - timbres[2])[:40].max() > np.abs(timbres[0] - timbres[1])[:40].max() * 0.5 > 5.0


def test_the_requests_are_those_of_a_set() -> None:
    plain = [request for request, _ in walk.requests_of_walk("off", 0.5, 0, 5, STEMS, 8)]
    assert len({request.start.seed for request in plain}) == 5 and not any(request.retakes for request in plain)
    walked = list(walk.requests_of_walk("turns", 0.5, 0, 66, STEMS, 8))
    assert walked[0][0] == plain[0] and walked[2][0] == walked[0][0]
    assert [at for _, at in walked[8:16]] == pytest.approx([0, 0, 1 / 6, 1 / 6, 1 / 3, 1 / 3, 0.5, 0.5], abs=1e-6)
    assert walked[63][0].start.seed == 100 and walked[64][0].start.seed == 500


def test_strokes_in_common_are_shares_of_all_strokes() -> None:
    one, other = (np.zeros((sheet.STEPS, sheet.COLUMNS), np.float32) for _ in range(2))
    assert np.isnan(walk.strokes_in_common(one, other))
    one[::4, 0] = 1.0
    other[::8, 0] = 0.5
    assert walk.strokes_in_common(one, other) == 0.5
    assert walk.strokes_in_common(one, one) == 1.0
