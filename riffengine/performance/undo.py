"""UndoHistory: the performer's changes, for undo and redo. Pure; drift is not part of the history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from riffengine.performance.command import Value

GESTURE_SECONDS = 0.5  # moves of one knob at smaller intervals are one gesture, undone together
LONGEST = 200  # gestures

Values = Mapping[str, Value]


@dataclass(frozen=True)
class Change:
    """One gesture: the values of the changed parameters before and after. Both have the same paths."""

    before: Values
    after: Values
    seconds: float  # time of its last move


class UndoHistory:
    """The last gestures, the newest at the end. Time is passed in; belongs to the engine process."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._done: list[Change] = []
        self._undone: list[Change] = []
        self._open = False  # whether the newest gesture may continue

    def __len__(self) -> int:
        return len(self._done)

    def record(self, before: Values, after: Values, seconds: float) -> None:
        """Add a command's change of these parameters. What was undone before can no longer be redone."""
        if not after or dict(before) == dict(after):
            return
        self._undone.clear()
        last = self._done[-1] if self._done else None
        if self._open and last and last.after.keys() == after.keys() and seconds - last.seconds < GESTURE_SECONDS:
            self._done[-1] = replace(last, after=dict(after), seconds=seconds)
            return
        self._done.append(Change(dict(before), dict(after), seconds))
        del self._done[: -self._longest]
        self._open = True

    def values(self) -> Iterator[Values]:
        """All values that ``undo`` and ``redo`` could ever restore."""
        for change in (*self._done, *self._undone):
            yield change.before
            yield change.after

    def next_undo(self) -> Values | None:
        """What ``undo`` would return; nothing is undone."""
        return self._done[-1].before if self._done else None

    def next_redo(self) -> Values | None:
        """What ``redo`` would return; nothing is done again."""
        return self._undone[-1].after if self._undone else None

    def undo(self) -> Values | None:
        """The values to restore, or ``None`` when there is nothing to undo."""
        self._open = False
        if not self._done:
            return None
        self._undone.append(self._done.pop())
        return self._undone[-1].before

    def redo(self) -> Values | None:
        """The values that were undone last, or ``None`` when there is nothing to redo."""
        self._open = False
        if not self._undone:
            return None
        self._done.append(self._undone.pop())
        return self._done[-1].after
