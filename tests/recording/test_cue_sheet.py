"""The cue sheet of a recording, read back as a player would read it."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from riffengine.recording import Cue, CueFile, cue_sheet

RATE = 44100
SECOND = RATE


def read_sheet(text: str) -> list[tuple[str, str, float]]:
    """(file, title, seconds in the file) of every track; also checks the format."""
    found: list[tuple[str, str, float]] = []
    file = title = ""
    for line in text.splitlines():
        if match := re.fullmatch(r'FILE "([^"]*)" WAVE', line):
            file = match[1]
        elif match := re.fullmatch(r"  TRACK (\d\d) AUDIO", line):
            assert int(match[1]) == len(found) + 1
        elif match := re.fullmatch(r'    TITLE "([^"]*)"', line):
            title = match[1]
        elif match := re.fullmatch(r"    INDEX 01 (\d\d+):([0-5]\d):([0-7]\d)", line):
            assert int(match[3]) < 75
            found.append((file, title, 60 * int(match[1]) + int(match[2]) + int(match[3]) / 75))
        else:
            assert line.startswith(("REM ", 'TITLE "', 'PERFORMER "')), line
    return found


def test_tracks_begin_where_a_prompt_or_a_scene_was_heard() -> None:
    cues = [
        Cue(0, "dub"),
        Cue(10 * SECOND, "seed 4", remark=True),
        Cue(12 * SECOND + 588, "drop: techno"),  # 588 frames are one 75th of a second
        Cue(90 * SECOND, 'a "quoted"\nprompt'),
    ]
    text = cue_sheet("A set", RATE, [CueFile("set.flac", 0)], 100 * SECOND, cues)
    assert read_sheet(text) == [
        ("set.flac", "dub", 0.0),
        ("set.flac", "drop: techno", 12 + 1 / 75),
        ("set.flac", "a 'quoted' prompt", 90.0),
    ]
    assert 'TITLE "A set"' in text and "REM 00:10:00 seed 4" in text


def test_a_short_track_takes_the_title_of_the_next_one_anywhere_in_a_recording() -> None:
    cues = [Cue(0, "dub"), Cue(60 * SECOND, "passing"), Cue(62 * SECOND - 1, "house"), Cue(64 * SECOND, "jazz")]
    text = cue_sheet("x", RATE, [CueFile("set.flac", 0)], 100 * SECOND, cues)
    assert read_sheet(text) == [
        ("set.flac", "dub", 0.0),
        ("set.flac", "house", 60.0),
        ("set.flac", "jazz", 64.0),  # four seconds after the track that it follows
    ]


def test_a_save_begins_with_the_track_that_sounded_then_and_ends_at_its_end() -> None:
    cues = [Cue(0, "dub"), Cue(50 * SECOND, "house"), Cue(250 * SECOND, "jazz"), Cue(401 * SECOND, "later")]
    text = cue_sheet("x", RATE, [CueFile("last.flac", 100 * SECOND)], 400 * SECOND, cues)
    assert read_sheet(text) == [("last.flac", "house", 0.0), ("last.flac", "jazz", 150.0)]


def test_a_track_continues_in_the_next_file() -> None:
    files = [CueFile("a.flac", 0), CueFile("a-2.flac", 60 * SECOND), CueFile("a-3.flac", 120 * SECOND)]
    text = cue_sheet("x", RATE, files, 150 * SECOND, [Cue(0, "dub"), Cue(70 * SECOND, "house")])
    assert read_sheet(text) == [
        ("a.flac", "dub", 0.0),
        ("a-2.flac", "dub", 0.0),
        ("a-2.flac", "house", 10.0),
        ("a-3.flac", "house", 0.0),
    ]


def test_silence_before_the_first_sound_has_a_title() -> None:
    text = cue_sheet("x", RATE, [CueFile("a.wav", 0)], 60 * SECOND, [Cue(5 * SECOND, "dub")])
    assert read_sheet(text) == [("a.wav", "before the first sound", 0.0), ("a.wav", "dub", 5.0)]


def test_of_more_than_99_tracks_the_longest_are_kept() -> None:
    cues = [Cue(n * 20 * SECOND + (n % 3) * SECOND, f"prompt {n}") for n in range(400)]
    text = cue_sheet("x", RATE, [CueFile("a.flac", 0)], 8000 * SECOND, cues)
    assert len(read_sheet(text)) == 99
    assert "REM 301 short tracks are left out" in text


@given(
    st.lists(st.tuples(st.integers(0, 10**7), st.text(max_size=8), st.booleans()), max_size=150),
    st.lists(st.integers(0, 10**7), max_size=5),
)
def test_every_sheet_can_be_read(raw: list[tuple[int, str, bool]], starts: list[int]) -> None:
    cues = [Cue(frame, title, remark) for frame, title, remark in raw]
    files = [CueFile(f"{n}.flac", frame) for n, frame in enumerate(sorted(set(starts)))]
    tracks = read_sheet(cue_sheet("t", RATE, files, 10**7 + 1, cues))
    assert len(tracks) <= 99
    assert {file for file, _, _ in tracks} == {file.name for file in files}
    for file in files:
        times = [seconds for name, _, seconds in tracks if name == file.name]
        assert times == sorted(times) and times[0] == 0.0
