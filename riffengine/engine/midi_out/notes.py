"""MidiNotesOut: sends the notes of the loops that sound as MIDI, in time with the sound, for a DAW's instruments.

At every tick of the engine it reads the scheduler's state and the player's clock and gives the sender each message with
its time. What is muted, turned down or faded to the other side sends no notes. One thread, the engine's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from riffengine.control.midi.sender import CancelMessages, TimedMessage
from riffengine.engine.midi_out.optional_sender import OptionalSender, Sender
from riffengine.notes.loop_notes import STEM_OF
from riffengine.notes.sequencer import DeckNotes, NoteSequencer
from riffengine.performance.gain import SILENT_DB, stem_audible
from riffengine.performance.state import PerformanceState
from riffengine.processes.parameter_path import stems_of
from riffengine.scheduler.conductor import Conductor
from riffengine.scheduler.deck_state import DeckState
from riffengine.scheduler.morph_bank import MorphBank
from riffengine.transport.sync.frame_clock import FrameClock

_AHEAD_SECONDS = 0.25  # an engine that is blocked for less than this does not delay a note
_NEAR_END = 0.001  # a crossfader this near to its end lets nothing through from the other side


class MidiNotesOut:
    """Sends notes while ``midi/notes_out`` is on. ``open_sender`` may raise ``ControlError``."""

    def __init__(
        self,
        conductor: Conductor,
        frames: FrameClock,
        open_sender: Callable[[], Sender[TimedMessage | CancelMessages]],
        say: Callable[[str], None],
    ) -> None:
        self._conductor, self._frames = conductor, frames
        self._sender = OptionalSender(open_sender, "no notes are sent", say)
        self._sequencer = NoteSequencer()
        self._slots: dict[int, bytes] = {}
        self._sent: deque[tuple[int, int]] = deque()  # frame and host time of the messages that the sender still has

    def set_slot_notes(self, slot: int, notes: bytes) -> None:
        """The loop in ``slot`` of the loop store has ``notes``, packed."""
        self._slots[slot] = notes

    def slot_notes(self, slot: int) -> bytes:
        """The packed notes of the loop in ``slot``."""
        return self._slots.get(slot, b"")

    def tick(self, frame: int, now_ns: int, paused: bool = False) -> None:
        """Time has passed; ``frame`` is the first that can still be changed. ``paused``: the leader has stopped."""
        sender = self._sender.sender(self._conductor.state.values.get("midi/notes_out") is True, now_ns)
        if sender is None:
            self._reset()
        elif self._frames.known:
            self._plan(sender, frame, now_ns, paused)

    def close(self) -> None:
        """End the notes that are held."""
        self._sender.close()

    def end(self) -> None:
        """After ``close``: end the process by force if it has not ended by itself."""
        self._sender.end()
        self._reset()

    def _reset(self) -> None:
        """No note is held, and nothing was sent."""
        self._sequencer = NoteSequencer()
        self._sent.clear()

    def _plan(self, sender: Sender[TimedMessage | CancelMessages], frame: int, now_ns: int, paused: bool) -> None:
        scheduler = self._conductor.scheduler
        open_ = scheduler.master_fade.heard and not paused
        decks = [self._deck_notes(name, frame) if open_ else DeckNotes() for name in scheduler.decks]
        until = frame + scheduler.frames(_AHEAD_SECONDS)
        withdrawn, new = self._sequencer.plan(frame, until, scheduler.timeline, decks)
        while self._sent and self._sent[0][1] < now_ns - 1_000_000_000:
            self._sent.popleft()
        if withdrawn is not None:
            taken = [ns for at, ns in self._sent if at >= withdrawn.frame]
            if taken:
                sender.send(CancelMessages(from_ns=min(taken)))
            self._sent = deque(entry for entry in self._sent if entry[0] < withdrawn.frame)
        for entry in new:
            host_ns = self._frames.heard_ns(entry.frame)
            if self._sent:  # in the order of the frames, also when the clock was corrected since
                host_ns = max(host_ns, self._sent[-1][1] + 1)
            for message in entry.messages:
                sender.send(TimedMessage(host_ns, message))
            self._sent.append((entry.frame, host_ns))

    def _deck_notes(self, name: str, frame: int) -> DeckNotes:
        """The notes of the deck ``name``, and which of its stems are not heard."""
        scheduler = self._conductor.scheduler
        deck, state = scheduler.decks[name], scheduler.state
        if not deck_audible(state, name):
            return DeckNotes()
        banks = notes_since(deck, scheduler.alpha(deck), frame, self.slot_notes)
        silent = frozenset(
            stem
            for stem in stems_of(state.values, name)
            if state.number(f"deck/{name}/stem/{stem}/gain") <= SILENT_DB or not stem_audible(state, name, stem)
        )
        if silent >= {"mix"}:  # a model of one stem
            silent |= frozenset(STEM_OF.values())
        return DeckNotes(banks, silent, scheduler.facts.beats)


def notes_since(
    deck: DeckState, alpha: float, frame: int, slot_notes: Callable[[int], bytes]
) -> tuple[tuple[int, bytes], ...]:
    """The packed notes of the banks that ``deck`` plays and will play, each with the frame from which on it plays."""
    banks = []
    for bank in (deck.sounding, deck.launching):
        if bank is not None:
            since = 0 if bank is deck.sounding or bank.frame <= frame else bank.frame
            banks.append((since, bank_notes(bank, alpha, slot_notes)))
    return tuple(banks)


def bank_notes(bank: MorphBank, alpha: float, slot_notes: Callable[[int], bytes]) -> bytes:
    """The packed notes of the loop that is nearest to ``alpha``; ``slot_notes`` has those of every slot."""
    if not bank.placed:
        return b""
    nearest = min(bank.placed, key=lambda at: (abs(at - alpha), at))
    return slot_notes(bank.placed[nearest].ref.slot)


def deck_audible(state: PerformanceState, deck: str) -> bool:
    """Whether the faders, the mutes and the crossfader let anything of ``deck`` through."""
    at = f"deck/{deck}"
    if state[f"{at}/mute"] or min(state.number(f"{at}/gain"), state.number("master/gain")) <= SILENT_DB:
        return False
    side, position = state.text(f"{at}/side"), state.number("crossfader")
    return not (side == "left" and position >= 1.0 - _NEAR_END) and not (side == "right" and position <= _NEAR_END)
