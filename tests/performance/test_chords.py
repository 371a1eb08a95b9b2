"""Chords in words and in pitches, there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riffengine.errors import OutOfRange
from riffengine.performance.chords import chord_text, parse_chords, transposed
from riffengine.performance.parameters import standard_tree


def classes(chord: tuple[int, ...]) -> tuple[int, set[int]]:
    return chord[0] % 12, {pitch % 12 for pitch in chord}


@pytest.mark.parametrize(
    ("text", "bass", "tones"),
    [
        ("C", 0, {0, 4, 7}), ("Am7", 9, {9, 0, 4, 7}), ("Bbmaj7", 10, {10, 2, 5, 9}), ("F#m", 6, {6, 9, 1}),
        ("G/B", 11, {7, 11, 2}), ("D7sus4", 2, {2, 7, 9, 0}), ("C6/9", 0, {0, 4, 7, 9, 2}), ("Ab°7", 8, {8, 11, 2, 5}),
        ("C+", 0, {0, 4, 8}), ("Em7b5/D", 2, {4, 7, 10, 2}), ("A+C+E", 9, {9, 0, 4}), ("E3+C4+G4", 4, {0, 4, 7}),
        ("C4", 0, {0}), ("C6", 0, {0, 4, 7, 9}), ("Cb", 11, {11, 3, 6}), ("Bb", 10, {10, 2, 5}),
    ],
)  # fmt: skip
def test_a_chord_is_its_bass_and_its_tones(text: str, bass: int, tones: set[int]) -> None:
    (chord,) = parse_chords(text)
    assert classes(chord) == (bass, tones)
    assert list(chord) == sorted(chord) and chord[0] >= 0 and chord[-1] <= 127


def test_several_chords_stand_apart_by_spaces_commas_or_bars() -> None:
    assert parse_chords("Am F C G") == parse_chords("Am, F, C, G") == parse_chords("| Am | F | C | G |")
    assert parse_chords("") == parse_chords(" off ") == ()


@pytest.mark.parametrize("text", ["H", "Amm", "C/H", "A+H", "C/E4", "am", "C D E F G A B C D", "+", "C10+E10"])
def test_what_is_no_chord_is_refused_in_words(text: str) -> None:
    rule = standard_tree()["deck/a/chords"]
    with pytest.raises(OutOfRange, match=r"^deck/a/chords: .*(not a chord|too many|keyboard)"):
        rule.check(text)


@given(st.lists(st.integers(12, 120), min_size=1, max_size=10))
def test_held_notes_come_back_with_the_same_bass_and_tones(pitches: list[int]) -> None:
    text = chord_text(pitches)
    (chord,) = parse_chords(text)
    assert classes(chord) == (min(pitches) % 12, {pitch % 12 for pitch in pitches})
    standard_tree()["chords"].check(text)


def test_two_ways_to_hold_a_chord_are_one_chord() -> None:
    assert chord_text([57, 60, 64, 67]) == chord_text([45, 64, 67, 72]) == "Am7"
    assert chord_text([52, 60, 67]) == "C/E"
    assert chord_text([60, 61, 62]) == "C4+Db4+D4"
    assert chord_text([]) == ""


def test_a_chord_moves_as_a_whole() -> None:
    assert [classes(c) for c in transposed(parse_chords("Am F"), 2)] == [classes(c) for c in parse_chords("Bm G")]
