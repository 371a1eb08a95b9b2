"""ChordKeys: the keys that are held on a keyboard, as a chord. Pure: key events in, text out, time passed in.

The fingers of a hand never press at the same instant, and every chord costs a render: a chord counts once no key has
been pressed for a moment. Releasing keys changes nothing, so the last chord stays until another one is played.
"""

from __future__ import annotations

from riffengine.control.midi.event import MidiEvent
from riffengine.performance.chords import MOST_NOTES, chord_text

SETTLE_NS = 80_000_000  # the fingers of one hand press within this time; a slower hand plays two chords


class ChordKeys:
    """The keys of one range on one controller. Belongs to the event loop."""

    def __init__(self) -> None:
        self._held: set[int] = set()
        self._chord: set[int] = set()  # what ``due`` will return
        self._pressed_ns: int | None = None  # when its last key was pressed; None once ``due`` has returned it

    def on_event(self, event: MidiEvent, now_ns: int) -> None:
        """A key of the range was pressed or released at ``now_ns``."""
        if event.kind == "note_off":
            self._held.discard(event.number)
        elif event.kind == "note_on" and (event.number in self._held or len(self._held) < MOST_NOTES):
            self._held.add(event.number)
            if self._pressed_ns is None:
                self._chord = set()
            self._chord |= self._held  # a key released before the others were pressed counts too
            self._pressed_ns = now_ns

    def due(self, now_ns: int) -> str | None:
        """The new chord as text for a parameter ``chords``, once its keys are pressed; ``None`` when there is none."""
        if self._pressed_ns is None or now_ns - self._pressed_ns < SETTLE_NS:
            return None
        self._pressed_ns = None
        return chord_text(self._chord)
