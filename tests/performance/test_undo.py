from __future__ import annotations

from riffengine.performance.undo import UndoHistory


def test_moves_of_one_knob_are_one_gesture_until_it_rests() -> None:
    history = UndoHistory()
    for move in range(10):
        history.record({"g": move}, {"g": move + 1}, 0.1 * move)
    history.record({"g": 10}, {"g": 11}, 5.0)
    history.record({"h": 0}, {"h": 1}, 5.1)
    assert [history.undo() for _ in range(4)] == [{"h": 0}, {"g": 10}, {"g": 0}, None]
    assert [history.redo() for _ in range(4)] == [{"g": 10}, {"g": 11}, {"h": 1}, None]


def test_a_new_change_forgets_what_was_undone_and_the_oldest_goes_first() -> None:
    history = UndoHistory(longest=3)
    for number in range(5):
        history.record({"g": number}, {"g": number + 1}, 10.0 * number)
    assert len(history) == 3
    history.undo()
    history.record({"g": 4}, {"g": 9}, 60.0)
    assert history.redo() is None
    assert [history.undo() for _ in range(4)] == [{"g": 4}, {"g": 3}, {"g": 2}, None]


def test_what_changes_nothing_is_no_gesture() -> None:
    history = UndoHistory()
    history.record({"g": 1}, {"g": 1}, 0.0)
    history.record({}, {}, 0.0)
    assert len(history) == 0 and history.undo() is None
