"""ChordHold: a hand on the keys as a chord. Pure: key events in, the chord's text out, time passed in.

Fingers never come down together, and every chord costs a render: it counts once no key has come for a moment. Keys
that are let go change nothing, so the last chord stays until another is held.
"""

from __future__ import annotations

from riffengine.control.midi.event import MidiEvent
from riffengine.performance.chords import MOST_NOTES, chord_text

SETTLE_NS = 80_000_000  # the fingers of one hand are down within this; a slower one plays two chords


class ChordHold:
    """The keys of one range on one controller. Belongs to the event loop."""

    def __init__(self) -> None:
        self._held: set[int] = set()
        self._chord: set[int] = set()  # what is to be answered
        self._pressed_ns: int | None = None  # when its last key came; None once it was answered

    def hear(self, event: MidiEvent, now_ns: int) -> None:
        """A key of the range was pressed or let go at ``now_ns``."""
        if event.kind == "note_off":
            self._held.discard(event.number)
        elif event.kind == "note_on" and (event.number in self._held or len(self._held) < MOST_NOTES):
            self._held.add(event.number)
            if self._pressed_ns is None:
                self._chord = set()
            self._chord |= self._held  # a finger that has lifted before the others came down counts too
            self._pressed_ns = now_ns

    def due(self, now_ns: int) -> str | None:
        """The chord as a parameter ``chords`` holds it, once the fingers are down; ``None`` when none is new."""
        if self._pressed_ns is None or now_ns - self._pressed_ns < SETTLE_NS:
            return None
        self._pressed_ns = None
        return chord_text(self._chord)
