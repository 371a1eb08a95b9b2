"""Loop notes: from a score to packed bytes and back; every part of every deck has its own MIDI channel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riffengine.notes.loop_notes import PARTS, LoopNote, channel_of, pack, unpack
from riffengine.renderer.bundled import score as sheet
from riffengine.renderer.bundled.score_notes import DRUM_KEYS, loop_notes

NOTES = st.builds(
    LoopNote, st.sampled_from(PARTS), st.integers(0, 127), st.integers(0, 31), st.integers(1, 32), st.integers(1, 127)
)


@given(st.lists(NOTES, max_size=50))
def test_unpack_is_the_inverse_of_pack(notes: list[LoopNote]) -> None:
    assert unpack(pack(notes)) == tuple(notes)


def test_damaged_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="whole number"):
        unpack(pack([LoopNote("bass", 40, 0, 2, 100)])[:-1])
    with pytest.raises(ValueError, match="not packed notes"):
        unpack(b"\x04" + pack([LoopNote("bass", 40, 0, 2, 100)])[1:])


def test_no_two_parts_of_four_decks_share_a_channel() -> None:
    channels = [channel_of(part, deck) for deck in range(4) for part in PARTS]
    assert sorted(channels) == list(range(16))
    assert channel_of("drums") == 9  # the General MIDI drum channel


def test_a_score_becomes_notes() -> None:
    score = sheet.score_from_notes(
        [sheet.Note("bass", 33, 30, 4, 0.5), sheet.Note("comp", 60, 0, 8), sheet.Note("comp", 64, 0, 8)],
        [sheet.Hit("kick", 0, 1.0), sheet.Hit("snare", 4, 0.3)],
    )
    found = loop_notes(score)
    assert [(n.part, n.pitch, n.start_step, n.steps) for n in found] == [
        ("comp", 60, 0, 8),
        ("comp", 64, 0, 8),
        ("drums", 36, 0, 1),
        ("drums", 38, 4, 1),
        ("bass", 33, 30, 4),
    ]
    assert {n.velocity for n in found if n.part == "drums"} == {127, 38}
    assert [n.velocity for n in found if n.part != "drums"] == [102, 102, 64]
    assert [n.stem for n in found] == ["harmony", "harmony", "drums", "drums", "bass"]


def test_every_drum_voice_has_its_own_key() -> None:
    assert set(DRUM_KEYS) == set(sheet.DRUM_VOICES) and len(set(DRUM_KEYS.values())) == len(DRUM_KEYS)
    assert loop_notes(np.zeros((sheet.STEPS, sheet.COLUMNS), np.float32)) == ()
