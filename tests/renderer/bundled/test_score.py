"""The score: notes to array and back, round the loop, and up and down the keyboard."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riffengine.renderer.bundled.score import (
    BASS,
    COLUMNS,
    COMP,
    DRUM_VOICES,
    DRUMS,
    HIGHEST,
    LEAD,
    LOWEST,
    ONSET_COLUMN,
    ONSETS,
    PITCHED_PARTS,
    STEPS,
    Hit,
    Note,
    notes_from_score,
    score_from_notes,
    transpose,
)

_velocities = st.integers(0, 127).map(lambda velocity: velocity / 127)
_notes = st.sampled_from(PITCHED_PARTS).flatmap(
    lambda part: st.builds(
        Note,
        st.just(part),
        st.integers(LOWEST[part], HIGHEST[part]),
        st.integers(0, STEPS - 1),
        st.integers(1, STEPS),
        _velocities,
    )
)
_hits = st.builds(Hit, st.sampled_from(DRUM_VOICES), st.integers(0, STEPS - 1), st.sampled_from((0.3, 0.55, 0.8, 1.0)))


def test_the_columns_cover_the_score_once() -> None:
    covered = [column for part in (DRUMS, BASS, COMP, LEAD, ONSETS) for column in range(COLUMNS)[part]]
    assert covered == list(range(COLUMNS)) and COLUMNS == 166


def test_a_note_fills_its_steps_and_marks_its_onset() -> None:
    score = score_from_notes([Note("bass", 40, 30, 4)], [Hit("snare", 4, 0.8)])
    assert np.flatnonzero(score[:, BASS.start + 12]).tolist() == [0, 1, 30, 31]
    assert np.flatnonzero(score[:, ONSET_COLUMN["bass"]]).tolist() == [30]
    assert score[4, 1] == np.float32(0.8)
    assert score[30, ONSET_COLUMN["bass"]] == np.float32(0.9)  # 0.5 + 0.8 / 2
    assert score.sum() == pytest.approx(5.7)


def test_a_wrapping_note_reads_back_as_one() -> None:
    notes, hits = notes_from_score(score_from_notes([Note("lead", 72, 30, 4)]))
    assert notes == [Note("lead", 72, 30, 4)] and hits == []


def test_repeated_notes_stay_apart() -> None:
    written = [Note("bass", 33, step, 4) for step in range(0, STEPS, 4)]
    assert notes_from_score(score_from_notes(written))[0] == written


def test_a_note_held_all_the_way_round() -> None:
    held = Note("comp", 60, 5, STEPS)
    assert notes_from_score(score_from_notes([held]))[0] == [held]
    score = score_from_notes([held])
    score[:, ONSETS] = 0.0
    assert notes_from_score(score)[0] == [Note("comp", 60, 0, STEPS)]


@given(st.lists(_notes, max_size=25), st.lists(_hits, max_size=15))
def test_reading_and_writing_again_changes_nothing(notes: list[Note], hits: list[Hit]) -> None:
    score = score_from_notes(notes, hits)
    again = score_from_notes(*notes_from_score(score))
    np.testing.assert_array_equal(score, again)


@given(st.lists(_notes, max_size=25), st.integers(0, STEPS - 1))
def test_rolling_the_score_rolls_the_notes(notes: list[Note], by: int) -> None:
    rolled = [Note(n.part, n.pitch, (n.start_step + by) % STEPS, n.steps, n.velocity) for n in notes]
    np.testing.assert_array_equal(np.roll(score_from_notes(notes), by, axis=0), score_from_notes(rolled))


@given(st.lists(_notes, max_size=25))
def test_velocities_survive_the_score_and_its_storage_in_bytes(notes: list[Note]) -> None:
    loudest: dict[tuple[str, int], float] = {}
    for note in notes:
        at = note.part, note.start_step
        loudest[at] = max(loudest.get(at, 0.0), note.velocity)
    score = score_from_notes(notes)
    stored = np.round(score * 255).astype(np.uint8).astype(np.float32) / 255
    for kept in (score, stored, transpose(stored, 5)):
        for note in notes_from_score(kept)[0]:
            assert round(127 * note.velocity) == round(127 * loudest[note.part, note.start_step])


def test_a_note_that_starts_without_an_onset_has_the_usual_velocity() -> None:
    score = score_from_notes([Note("bass", 40, 0, 2, 0.2), Note("bass", 40, 4, 2, 0.6)])
    score[4, ONSET_COLUMN["bass"]] = 0.0
    assert [note.velocity for note in notes_from_score(score)[0]] == [0.2, 0.8]


def test_transposing_moves_pitches_and_leaves_drums_and_onsets() -> None:
    score = score_from_notes([Note("bass", 40, 0, 4), Note("lead", 60, 8, 2)], [Hit("kick", 0, 1.0)])
    up = score_from_notes([Note("bass", 45, 0, 4), Note("lead", 65, 8, 2)], [Hit("kick", 0, 1.0)])
    np.testing.assert_array_equal(transpose(score, 5), up)
    np.testing.assert_array_equal(transpose(transpose(score, 5), -5), score)
    np.testing.assert_array_equal(transpose(score, 0), score)


def test_a_note_that_leaves_its_range_folds_by_an_octave() -> None:
    low = transpose(score_from_notes([Note("bass", 28, 0, 4)]), -1)
    high = transpose(score_from_notes([Note("lead", 108, 0, 4)]), 3)
    assert [note.pitch for note in notes_from_score(low)[0]] == [39]
    assert [note.pitch for note in notes_from_score(high)[0]] == [99]


@given(st.lists(_notes, max_size=12), st.integers(-30, 30))
def test_transposing_keeps_every_pitch_class(notes: list[Note], semitones: int) -> None:
    moved, _ = notes_from_score(transpose(score_from_notes(notes), semitones))
    heard = {(note.part, note.pitch % 12) for note in moved}
    assert heard == {(note.part, (note.pitch + semitones) % 12) for note in notes}


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="bass"):
        score_from_notes([Note("bass", 61, 0, 1)])
    with pytest.raises(ValueError, match="score is"):
        notes_from_score(np.zeros((15, COLUMNS), np.float32))
