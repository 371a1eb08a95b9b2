"""MIDI files: a DAW reads exactly the notes that the loop plays."""

from pathlib import Path

import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riffengine.errors import AudioFileError
from riffengine.notes.loop_notes import PARTS, LoopNote, channel_of
from riffengine.notes.midi_file import TICKS_PER_BEAT, morph_notes, write_midi

LOOP = (
    LoopNote("drums", 36, 0, 1, 127),
    LoopNote("bass", 33, 0, 8, 100),
    LoopNote("bass", 33, 6, 4, 100),  # while the one before still sounds
    LoopNote("comp", 60, 30, 6, 90),  # past the loop's end
    LoopNote("lead", 72, 4, 2, 80),
)
STEP = TICKS_PER_BEAT // 4


def read(path: Path) -> tuple[mido.MidiFile, list[tuple[str, int, int, int, int]]]:
    """The file and its notes ``(track, channel, pitch, begin, end)`` in ticks; a hanging note fails the test."""
    midi = mido.MidiFile(path)
    found = []
    for track in midi.tracks:
        tick, held = 0, {}
        for message in track:
            tick += message.time
            if message.type == "note_on":
                assert (message.channel, message.note) not in held
                held[message.channel, message.note] = tick
            elif message.type == "note_off":
                found.append(
                    (track.name, message.channel, message.note, held.pop((message.channel, message.note)), tick)
                )
        assert not held
    return midi, found


def test_a_loop_as_a_file(tmp_path: Path) -> None:
    path = tmp_path / "loop.mid"
    assert write_midi(path, morph_notes([LOOP], 32, 32), 93.75, 32, "jazz, Flügelhorn") == 5
    midi, notes = read(path)
    assert notes == [
        ("drums", 9, 36, 0, STEP),
        ("bass", 0, 33, 0, 6 * STEP),
        ("bass", 0, 33, 6 * STEP, 10 * STEP),
        ("comp", 1, 60, 30 * STEP, 32 * STEP),
        ("lead", 2, 72, 4 * STEP, 6 * STEP),
    ]
    assert midi.length == pytest.approx(8 * 60 / 93.75, rel=1e-5)
    (tempo,) = [m.tempo for m in midi.tracks[0] if m.type == "set_tempo"]
    assert mido.tempo2bpm(tempo) == pytest.approx(93.75, rel=1e-5)
    assert midi.tracks[0].name == "jazz, Flügelhorn"
    assert all(sum(m.time for m in track) == 32 * STEP for track in midi.tracks)


def test_inaudible_stems_write_no_notes(tmp_path: Path) -> None:
    path = tmp_path / "loop.mid"
    assert write_midi(path, LOOP, 120.0, 32, audible=lambda stem: stem != "bass") == 3
    assert {name for name, *_ in read(path)[1]} == {"drums", "comp", "lead"}


def test_a_morph_plays_the_nearest_loop() -> None:
    first, last = (LoopNote("bass", 30, 0, 40, 100),), (LoopNote("bass", 50, 0, 2, 100),)
    steps = [(note.pitch, note.start_step, note.steps) for note in morph_notes([first, last], 128, 32)]
    assert steps == [(30, 0, 40), (30, 32, 40), (30, 64, 40), (50, 96, 2)]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.builds(
            LoopNote,
            st.sampled_from(PARTS),
            st.integers(0, 127),
            st.integers(0, 31),
            st.integers(1, 32),
            st.integers(1, 127),
        ),
        max_size=30,
        unique_by=lambda note: (note.part, note.pitch, note.start_step),
    )
)
def test_no_note_hangs_or_is_lost(tmp_path_factory: pytest.TempPathFactory, notes: list[LoopNote]) -> None:
    path = tmp_path_factory.mktemp("midi") / "any.mid"
    write_midi(path, morph_notes([notes], 64, 32), 120.0, 64)
    _, found = read(path)
    begun = sorted((channel_of(n.part), n.pitch, (n.start_step + turn) * STEP) for n in notes for turn in (0, 32))
    assert sorted((channel, pitch, begin) for _, channel, pitch, begin, _ in found) == begun
    assert all(begin < end <= 64 * STEP for *_, begin, end in found)


@pytest.mark.parametrize("name", ["loop.wav", "nowhere/loop.mid", "folder.mid"])
def test_a_path_that_cannot_be_a_midi_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.mid").mkdir()
    with pytest.raises(AudioFileError):
        write_midi(tmp_path / name, LOOP, 120.0, 32)
