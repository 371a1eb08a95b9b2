"""InstrumentNotes: the notes of the loops, sent to hosted instruments. One thread, the engine's.

An instrument on a stem plays that stem's notes, one on a deck those of the whole deck. It plays behind the faders and
mutes of its place, so notes do not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from riffengine.engine.midi_out.notes import notes_since
from riffengine.notes.loop_notes import STEM_OF
from riffengine.notes.sequencer import DeckNotes, NoteSequencer
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import CancelNotes, PlayNotes, ToPlayer
from riffengine.scheduler.conductor import Conductor

_AHEAD_SECONDS = 0.25  # an engine that is blocked for less than this does not delay a note
_MARGIN_SECONDS = 0.06  # from a tick until the player has the message
_DRUMS = 9


@dataclass
class InstrumentNotes:
    """Plans notes for the places of ``instruments()``; ``slot_notes`` gives the packed notes of a loop by its slot."""

    conductor: Conductor
    slot_notes: Callable[[int], bytes]
    send: Callable[[ToPlayer], None]
    instruments: Callable[[], Iterable[str]]

    def __post_init__(self) -> None:
        self._sequencers: dict[str, NoteSequencer] = {}

    def tick(self, frame: int, lead_frames: int) -> None:
        """Time has passed. ``frame``: the first on which a fader can still act; sound is sent ``lead_frames`` ahead."""
        places = set(self.instruments())
        for place in [place for place in self._sequencers if place not in places]:
            del self._sequencers[place]
        scheduler = self.conductor.scheduler
        first = frame + lead_frames + scheduler.frames(_MARGIN_SECONDS)
        until = first + scheduler.frames(_AHEAD_SECONDS)
        for place in sorted(places):
            sequencer = self._sequencers.setdefault(place, NoteSequencer())
            withdrawn, new = sequencer.plan(first, until, scheduler.timeline, [self._notes(place, first)])
            if withdrawn is not None:
                self.send(CancelNotes(place, withdrawn.frame))
            for entry in new:
                data = tuple(byte for message in entry.messages for byte in _on_one_channel(message))
                self.send(PlayNotes(place, data, entry.frame))

    def forget(self) -> None:
        """The player is a new one: plan everything again."""
        self._sequencers.clear()

    def _notes(self, place: str, frame: int) -> DeckNotes:
        path, scheduler = parse_path(f"{place}/x"), self.conductor.scheduler
        if path.deck not in scheduler.decks:
            return DeckNotes()
        deck = scheduler.decks[path.deck]
        banks = notes_since(deck, scheduler.alpha(deck), frame, self.slot_notes)
        others = frozenset(STEM_OF.values()) - {path.stem} if path.stem in STEM_OF.values() else frozenset()
        return DeckNotes(banks, others, scheduler.facts.beats)


def _on_one_channel(message: bytes) -> tuple[int, int, int]:
    """``message`` on the first channel, or on that of drums: most instruments hear no other."""
    channel = message[0] & 0x0F
    status = (message[0] & 0xF0) | (_DRUMS if channel == _DRUMS else 0)
    return status, message[1], message[2]
