"""What tools/listen.py counts, and what it must not let pass."""

from pathlib import Path

import numpy as np
import soundfile

from riffengine.performance.journal import Journal, JournalHeader
from riffengine.transport.beat_grid import BeatGrid, Moment
from tools.listen import Splice, examine, splices, went_wrong

RATE = 8000


def journal(path: Path, *messages: tuple[int, str, int, float, int]) -> Path:
    """(frame, kind, bank, alpha, fade) each on the tape."""
    with Journal(path, JournalHeader("p", "m", "w", RATE, 0, {})) as book:
        for number, (frame, kind, bank, alpha, fade) in enumerate(messages):
            facts = {"number": number, "deck": "a", "bank": bank, "alpha": alpha, "fade_frames": fade}
            book.record_player(Moment.on(BeatGrid(RATE, 120.0), frame), kind, facts)
    return path


SET = (
    (0, "PlaceLoop", 1, 0.0, 0),
    (0, "LaunchBank", 1, 0.0, 0),
    (9000, "PlaceLoop", 1, 0.5, 500),  # a new point of the bank: nothing is replaced
    (20000, "PlaceLoop", 1, 0.0, 500),  # the finer loop in the draft's place
    (30000, "PlaceLoop", 2, 0.0, 500),
    (30000, "PlaceLoop", 2, 0.0, 500),  # replaced before it is heard
    (40000, "LaunchBank", 2, 0.0, 700),
)


def recorded(path: Path, click_at: int | None = None) -> Path:
    sound = 0.3 * np.sin(np.arange(8 * RATE) * 0.05) + 0.01 * np.random.default_rng(1).standard_normal(8 * RATE)
    if click_at is not None:
        sound[click_at] += 0.4
    soundfile.write(path, sound.astype(np.float32), RATE, subtype="FLOAT")
    return path


def test_landings_and_finer_loops_are_splices_and_what_nobody_hears_is_none(tmp_path: Path) -> None:
    assert splices(journal(tmp_path / "j", *SET)) == [Splice("swap", 20000, 500), Splice("landing", 40000, 700)]


def test_a_click_where_a_finer_loop_begins_or_its_fade_ends_is_found(tmp_path: Path) -> None:
    book = journal(tmp_path / "j", *SET)
    clean = examine(recorded(tmp_path / "clean.wav"), book, None)
    assert (clean["swaps"], clean["landings"], clean["splices"]) == (1, 1, 2)
    assert not went_wrong(clean)
    for place in (20000, 20500, 40000, 40700):
        assert went_wrong(examine(recorded(tmp_path / f"{place}.wav", place), book, None))


def test_a_journal_without_a_splice_proves_nothing(tmp_path: Path) -> None:
    book = journal(tmp_path / "j", *SET[:3])
    assert went_wrong(examine(recorded(tmp_path / "clean.wav"), book, None))
    assert not went_wrong(examine(tmp_path / "clean.wav", None, None))
