"""LoopReturns: loops that the engine wants back. Each is given back once no deck reads it, and never placed again."""

from __future__ import annotations

from collections.abc import Mapping

from riffengine.playback.deck import Deck
from riffengine.playback.loop import LoopTable
from riffengine.playback.message_queue import MessageQueue
from riffengine.processes.player_messages import LoopFreed


class LoopReturns:
    """Loops of ``loops`` on their way back from ``decks``. The mixer's thread only."""

    def __init__(self, loops: LoopTable, decks: Mapping[str, Deck], messages: MessageQueue) -> None:
        self._loops, self._decks, self._messages = loops, decks, messages
        self._wanted: dict[int, int] = {}  # number and slot
        self._unread: list[LoopFreed] = []  # of loops that were refused: nothing ever read them

    def __contains__(self, number: int) -> bool:
        """Whether the loop with this number is being given back: its slot may be overwritten soon."""
        return number in self._wanted

    def __bool__(self) -> bool:
        """Whether any loop is on its way back."""
        return bool(self._wanted or self._unread)

    def want(self, number: int) -> bool:
        """Take a loop from all decks; ``False`` for one that nobody knows."""
        loop = self._loops.get(number)
        if loop is None:
            slot = self._loops.refused_slot(number)
            if slot is not None:
                self._unread.append(LoopFreed(number, slot))
            return slot is not None
        self._wanted[number] = loop.ref.slot
        self._messages.drop_placements(number)
        for deck in self._decks.values():
            deck.forget(number)
            deck.changed = True
        return True

    def given_back(self) -> list[LoopFreed]:
        """The loops that no deck reads any more, once each."""
        freed, self._unread = self._unread, []
        if not any(deck.changed for deck in self._decks.values()):
            return freed
        for deck in self._decks.values():
            deck.changed = False
        for number, slot in list(self._wanted.items()):
            if not any(deck.holds(number) for deck in self._decks.values()):
                del self._wanted[number]
                self._loops.drop(number)
                freed.append(LoopFreed(number, slot))
        return freed
