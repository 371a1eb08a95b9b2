from __future__ import annotations

import functools
import io
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riffengine.errors import JournalError
from riffengine.files.line_file import LineFile
from riffengine.performance.command import Accepted, Command, Landing, Rejected
from riffengine.performance.journal import Journal, JournalHeader, read_journal
from riffengine.transport.beat_grid import BeatGrid, Moment
from tests.standing_stream import PATIENCE_SECONDS, StandingStream

HEADER = JournalHeader("first-sound.yaml", "bundled", "ab12", 44100, 7, {"deck/a/alpha": 0.1, "deck/a/prompt": "piano"})
GRID = BeatGrid(44100, 120.0)


def moment(frame: int) -> Moment:
    return Moment.on(GRID, frame)


def a_set(path: Path) -> None:
    with Journal(path, HEADER) as journal:
        for number, (where, value) in enumerate([("deck/a/alpha", 0.3), ("deck/a/to", ""), ("deck/a/prompt", "déjà")]):
            command = Command(where, value, "osc:127.0.0.1:9001")
            journal.record_command(moment(1000 * number), command, value, number + 1)
            answer = Accepted(command, value, Landing(where, 16.0, 1.25))
            journal.record_reply(moment(1000 * number), answer, number + 1)
        journal.record_reply(moment(5000), Rejected(Command("steps", math.nan, "osc:x:1"), "not a number"), 3)
        journal.record_landing(moment(352800), "deck/a/prompt", "déjà", "osc:127.0.0.1:9001", 3)
        journal.record_event(moment(400000), "renderer", "died and came back", 2)


def test_a_set_reads_back_as_it_was_written(tmp_path: Path) -> None:
    a_set(tmp_path / "set.jsonl")
    recording = read_journal(tmp_path / "set.jsonl")
    assert recording.header == HEADER and recording.damaged == ()
    again = recording.commands()
    assert [(e.frame, c.path, c.value) for e, c in again] == [
        (0, "deck/a/alpha", 0.3),
        (1000, "deck/a/to", ""),
        (2000, "deck/a/prompt", "déjà"),
    ]
    assert again[1][0].beat == GRID.beat_at(1000)  # to the last bit
    by_kind = {entry.kind: entry for entry in recording.entries}
    assert by_kind["landing"].beat == 16.0 and by_kind["landing"].value == "déjà"
    assert "rejected: not a number" in [entry.note for entry in recording.entries]
    assert any("lands on beat 16.000 in 1.25 s" in entry.note for entry in recording.entries)


def test_a_set_cut_at_any_byte_keeps_every_whole_line(tmp_path: Path) -> None:
    a_set(tmp_path / "set.jsonl")
    whole = (tmp_path / "set.jsonl").read_bytes()
    entries = read_journal(tmp_path / "set.jsonl").entries
    first = whole.index(b"\n") + 1
    for cut in range(first, len(whole), 3):
        torn = tmp_path / "torn.jsonl"
        torn.write_bytes(whole[:cut])
        found = read_journal(torn)
        lines = whole[first:cut].count(b"\n")
        # A last line that lacks nothing but its line break is whole.
        assert found.entries in (entries[:lines], entries[: lines + 1])
        assert len(found.damaged) <= 1


@given(st.binary(max_size=200))
def test_no_file_raises_anything_but_a_journal_error(rubbish: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "j"
        path.write_bytes(rubbish)
        with pytest.raises(JournalError):
            read_journal(path)
        a_set(Path(folder) / "set")
        path.write_bytes((Path(folder) / "set").read_bytes() + rubbish + b"\n")
        assert len(read_journal(path).entries) >= 9


def test_every_line_is_on_disk_without_an_end(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", HEADER)
    journal.record_event(moment(0), "engine", "started")
    assert journal.settle(PATIENCE_SECONDS)
    assert len(read_journal(tmp_path / "j").entries) == 1
    journal.close()


def test_a_journal_never_overwrites_a_set(tmp_path: Path) -> None:
    a_set(tmp_path / "j")
    with pytest.raises(JournalError, match="already exists"):
        Journal(tmp_path / "j", HEADER)
    with pytest.raises(JournalError, match="folder"):
        Journal(tmp_path / "none" / "j", HEADER)


def test_a_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    a_set(tmp_path / "j")
    text = (tmp_path / "j").read_text().replace('"version": 1', '"version": 2', 1)
    (tmp_path / "j").write_text(text)
    with pytest.raises(JournalError, match="version 2"):
        read_journal(tmp_path / "j")


class FullDisk(io.StringIO):
    full = False

    def write(self, text: str) -> int:
        if self.full:
            super().write(text[:10])
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_a_full_disk_costs_entries_but_neither_the_set_nor_the_lines_around(tmp_path: Path) -> None:
    disk = FullDisk()
    told: list[str] = []
    journal = Journal(disk, HEADER, told.append)
    for path, full in (("a", False), ("b", True), ("c", False)):
        assert journal.settle(PATIENCE_SECONDS)
        disk.full = full
        journal.record_event(moment(1), path, "an event")
    assert journal.settle(PATIENCE_SECONDS)
    assert journal.lost == 1
    journal.close()
    assert told == ["the journal is not complete: the disk did not take all lines, 1 are missing; is it full?"]
    (tmp_path / "j").write_text(disk.getvalue())
    found = read_journal(tmp_path / "j")
    assert [entry.path for entry in found.entries] == ["a", "c"] and len(found.damaged) == 1


def test_a_disk_that_does_not_answer_ends_the_journal_and_not_the_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("riffengine.performance.journal.END_SECONDS", 0.0)
    monkeypatch.setattr("riffengine.performance.journal.LineFile", functools.partial(LineFile, most_waiting=50))
    disk, told = StandingStream(), list[str]()
    journal = Journal(disk, HEADER, told.append)
    for number in range(100):
        journal.record_event(moment(number), "a", "an event")
    assert told == ["the journal ends here: its disk does not answer; the music continues"]
    journal.close()
    assert len(told) == 2 and "is not complete" in told[1]
    disk.released.set()
    assert journal.settle(PATIENCE_SECONDS)
    (tmp_path / "j").write_text(disk.getvalue())
    found = read_journal(tmp_path / "j")
    assert [entry.frame for entry in found.entries] == list(range(len(found.entries)))
    assert len(found.entries) >= 50 - 1 and not found.damaged
