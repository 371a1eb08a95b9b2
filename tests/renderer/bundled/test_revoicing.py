"""A score follows the chords it is given: right notes, the same rhythm, the same drums, and no end to the loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riffengine.renderer.bundled.revoicing import major_scale, revoice
from riffengine.renderer.bundled.score import (
    DRUM_VOICES,
    DRUMS,
    HIGHEST,
    LOWEST,
    ONSET_COLUMN,
    PART_COLUMNS,
    PITCHED_PARTS,
    STEPS,
    Hit,
    Note,
    Score,
    notes_from_score,
    score_from_notes,
)

AM, F, C, G, E = (45, 57, 60, 64), (41, 57, 60, 65), (36, 52, 55, 60), (43, 55, 59, 62), (40, 56, 59, 64)
C_MAJOR = major_scale(0)

_note = st.sampled_from(PITCHED_PARTS).flatmap(
    lambda part: st.builds(
        Note, st.just(part), st.integers(LOWEST[part], HIGHEST[part]), st.integers(0, STEPS - 1), st.integers(1, STEPS)
    )
)
_hit = st.builds(Hit, st.sampled_from(DRUM_VOICES), st.integers(0, STEPS - 1), st.sampled_from((0.02, 0.3, 0.55, 1.0)))
_scores = st.builds(score_from_notes, st.lists(_note, max_size=24), st.lists(_hit, max_size=12))
_chord = st.lists(st.integers(24, 96), min_size=1, max_size=6, unique=True).map(sorted)
_harmonies = st.lists(_chord, min_size=1, max_size=8)


def place(step: int, chords: int) -> int:
    return step * chords // STEPS


def seams(chords: int) -> set[int]:
    return {step for step in range(STEPS) if place(step, chords) != place((step - 1) % STEPS, chords)}


def sounding(score: Score, part: str, step: int) -> set[int]:
    return {LOWEST[part] + int(i) for i in np.flatnonzero(score[step, PART_COLUMNS[part]])}


def one_voice(score: Score) -> Score:
    """With one voice at a time in bass and lead, as players have them.

    Of several lead notes, one that changes would make the others begin again; of several bass notes on one step,
    another may be the lowest once they have moved, so only one voice is left alone the second time.
    """
    notes, _ = notes_from_score(score)
    lead = [note for note in notes if note.part == "lead"][:1]
    bass: list[Note] = []
    taken: set[int] = set()
    for note in notes:
        steps = {(note.start_step + k) % STEPS for k in range(note.steps)}
        if note.part == "bass" and not steps & taken:
            bass.append(note)
            taken |= steps
    return score_from_notes([*(note for note in notes if note.part == "comp"), *bass, *lead])


def classes(pitches: set[int] | list[int]) -> set[int]:
    return {pitch % 12 for pitch in pitches}


@given(_scores, _harmonies)
@settings(deadline=None, max_examples=20)
def test_drums_and_rhythm_stay(score: Score, harmony: list[list[int]]) -> None:
    out = revoice(score, harmony)
    assert out.shape == score.shape and out.dtype == np.float32
    np.testing.assert_array_equal(out[:, DRUMS], score[:, DRUMS])
    for part in PITCHED_PARTS:
        columns, onset = PART_COLUMNS[part], ONSET_COLUMN[part]
        np.testing.assert_array_equal(out[:, columns].any(axis=1), score[:, columns].any(axis=1))
        before, after = (set(np.flatnonzero(s[:, onset])) for s in (score, out))
        assert before <= after and after - before <= seams(len(harmony))


@given(_scores, _harmonies)
@settings(deadline=None, max_examples=20)
def test_only_tones_of_the_chord_that_sounds(score: Score, harmony: list[list[int]]) -> None:
    out = revoice(one_voice(score), harmony)
    for step in range(STEPS):
        chord = harmony[place(step, len(harmony))]
        tones, bass = classes(chord), chord[0] % 12
        fifths = {(bass + interval) % 12 for interval in (6, 7, 8)}
        assert classes(sounding(out, "comp", step)) <= tones
        assert classes(sounding(out, "bass", step)) <= {bass} | (tones & fifths)
    notes, _ = notes_from_score(out)
    for note in notes:
        if note.part == "lead" and note.start_step % 4 == 0 and note.steps >= 4:
            reached = {harmony[place((note.start_step + k) % STEPS, len(harmony))][0] for k in range(note.steps)}
            if len(reached) == 1:
                assert note.pitch % 12 in classes(harmony[place(note.start_step, len(harmony))])


@given(_scores, _harmonies)
@settings(deadline=None, max_examples=20)
def test_what_follows_the_chords_already_is_left_alone(score: Score, harmony: list[list[int]]) -> None:
    score = one_voice(score)
    once = revoice(score, harmony, C_MAJOR)
    np.testing.assert_array_equal(revoice(once, harmony, C_MAJOR), once)


@given(_scores, st.integers(1, 3))
@settings(deadline=None, max_examples=20)
def test_nothing_knows_where_the_loop_begins(score: Score, turn: int) -> None:
    harmony = [AM, F, C, G]
    notes, hits = notes_from_score(score)
    score = score_from_notes(notes, hits)  # onsets without a note have no meaning
    turned = revoice(np.roll(score, 8 * turn, axis=0), harmony[-turn:] + harmony[:-turn])
    np.testing.assert_array_equal(turned, np.roll(revoice(score, harmony), 8 * turn, axis=0))


def test_without_chords_nothing_changes() -> None:
    score = score_from_notes([Note("lead", 61, 3, 5)], [Hit("kick", 0, 1.0)])
    out = revoice(score, ())
    np.testing.assert_array_equal(out, score)
    assert out is not score


def test_voices_move_as_little_as_they_can() -> None:
    held = [Note("comp", pitch, 0, 16) for pitch in (60, 64, 67)]  # C major, held under both chords
    out = revoice(score_from_notes(held), [AM, F], C_MAJOR)
    assert sounding(out, "comp", 0) == {60, 64, 69}  # only the fifth moves, by a whole tone
    assert sounding(revoice(score_from_notes(held), [C, F], C_MAJOR), "comp", 8) == {60, 64, 67}


def test_a_held_chord_changes_with_the_chord_and_begins_anew_there() -> None:
    held = score_from_notes([Note("comp", pitch, 0, 32) for pitch in (60, 64, 67)])
    out = revoice(held, [C, F], C_MAJOR)
    assert sounding(out, "comp", 15) == {60, 64, 67} and sounding(out, "comp", 16) == {60, 65, 69}
    assert set(np.flatnonzero(out[:, ONSET_COLUMN["comp"]])) == {0, 16}


def test_a_held_chord_that_need_not_change_is_not_struck_again() -> None:
    held = score_from_notes([Note("comp", pitch, 4, 32) for pitch in (60, 64, 67)])
    out = revoice(held, [C, (*C[:1], 55, 60, 64)], C_MAJOR)
    assert set(np.flatnonzero(out[:, ONSET_COLUMN["comp"]])) == {4}


def test_the_bass_takes_the_root_and_keeps_its_octaves_and_moves() -> None:
    line = [(36, 0), (48, 4), (43, 8), (38, 12), (41, 16), (53, 20)]
    out = revoice(score_from_notes([Note("bass", pitch, step, 2) for pitch, step in line]), [AM, G], C_MAJOR)
    heard = [sorted(sounding(out, "bass", step)) for _, step in line]
    assert heard == [[33], [45], [40], [33], [43], [55]]


def test_a_slash_chord_puts_its_lowest_note_in_the_bass() -> None:
    out = revoice(score_from_notes([Note("bass", 36, 0, 8)]), [(40, 60, 64, 67)], C_MAJOR)
    assert sounding(out, "bass", 0) == {40}


def test_strong_notes_of_the_lead_take_the_chord_and_weak_ones_the_scale() -> None:
    tune = [Note("lead", 72, 0, 2), Note("lead", 74, 2, 2), Note("lead", 77, 4, 2), Note("lead", 79, 6, 1)]
    out = revoice(score_from_notes(tune), [AM], C_MAJOR)
    heard = [sorted(sounding(out, "lead", step)) for step in (0, 2, 4, 6)]
    assert heard == [[72], [74], [76], [79]]  # F, strong, becomes E; D and G, weak, are in the scale


def test_the_scale_makes_way_for_an_altered_tone() -> None:
    out = revoice(score_from_notes([Note("lead", 67, 1, 1)]), [E], C_MAJOR)  # G under E major: G sharp is in the chord
    assert sounding(out, "lead", 1) in ({66}, {68})


def test_a_full_voicing_sings_every_tone_of_the_chord() -> None:
    chord = (45, 57, 60, 64, 67)  # A minor seventh
    out = revoice(score_from_notes([Note("comp", pitch, 0, 4) for pitch in (60, 62, 65, 69)]), [chord])
    assert classes(sounding(out, "comp", 0)) == {9, 0, 4, 7}


def test_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="a score is"):
        revoice(np.zeros((32, 165), np.float32), [AM])


def test_velocities_stay_with_their_notes() -> None:
    tune = [Note("bass", 36, 0, 8, 0.25), Note("comp", 60, 4, 20, 0.5), Note("comp", 64, 4, 20, 0.5)]
    out = revoice(score_from_notes(tune), [C, F], C_MAJOR)
    assert {(n.part, n.start_step, n.velocity) for n in notes_from_score(out)[0]} == {
        ("bass", 0, 0.25),
        ("comp", 4, 0.5),
        ("comp", 16, 0.5),  # struck again where the chord changes, as loud as before
    }
