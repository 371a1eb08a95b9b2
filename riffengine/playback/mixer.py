"""Mixer: finished loops in, one continuous signal out. No I/O, no clock: time is the count of frames pulled.

A block is cut wherever something begins or ends (a message, a ramp, a crossfade), and every value inside a piece is
computed from absolute frames. So what is heard does not depend on the size of the blocks, to the last bit.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riffengine.playback import limiter
from riffengine.playback.bus import PIECE_FRAMES, Bus
from riffengine.playback.controls import Controls
from riffengine.playback.crossfader import Crossfader
from riffengine.playback.cue_bus import CueBus
from riffengine.playback.deck import Deck, Landing
from riffengine.playback.effects.filter import DeckFilter
from riffengine.playback.limiter import Limiter
from riffengine.playback.loop import LoopTable, Samples
from riffengine.playback.playhead import STRETCH_FRAMES, Playheads
from riffengine.processes.player_messages import (
    Audible,
    BankLanded,
    FreeLoop,
    FromPlayer,
    LaunchBank,
    LoopFreed,
    LoopRef,
    PlaceLoop,
    RemoveLoop,
    SetControl,
    SetGrid,
    ToPlayer,
)
from riffengine.transport.beat_grid import BeatGrid

MIX_AHEAD_FRAMES = limiter.DELAY
"""The mix is this far ahead of what is handed out, so that limited sound still comes on the frame asked for."""

_GRID_FADE_FRAMES = 2048
Block = NDArray[np.float32]


@dataclass
class MixerCounters:
    """What went wrong so far, for a person to see."""

    late_messages: int = 0
    refused_messages: int = 0
    unusable_loops: int = 0
    damaged_frames: int = 0


class Mixer:
    """Plays loops on a beat grid.

    ``samples`` gives ``(stems, frames, channels) float32`` for a loop; it is asked once for each, by ``admit``. That
    may run in another thread (the player's control thread); all else belongs to the thread that pulls. Mono loops
    sound in all channels. The control ``fade`` starts at 0: nothing is heard until it is raised. With ``cue`` blocks
    have ``channels`` more for the headphones, after those of the master. Without ``weigh_ahead`` two loops are weighed
    when they first meet: less work in all, but not for a thread that must be in time.
    """

    def __init__(
        self,
        sample_rate: int,
        grid: BeatGrid,
        samples: Callable[[LoopRef], Samples],
        decks: tuple[str, ...] = ("a", "b"),
        channels: int = 2,
        cue: bool = False,
        weigh_ahead: bool = True,
    ) -> None:
        self.sample_rate = sample_rate
        self.channels = channels
        self._playheads = Playheads(grid)
        self._shelf = LoopTable(samples, channels, weigh_ahead)
        self._decks = {name: Deck(name, self._playheads) for name in decks}
        self._filters = {name: DeckFilter(sample_rate, channels) for name in decks}
        self._cue = CueBus(decks, sample_rate, channels) if cue else None
        self._controls = Controls(self._decks, self._filters, Crossfader(decks), self._cue, sample_rate)
        self._summing = Bus(channels, self._cue)
        self._limiter = Limiter(sample_rate, channels)
        self._inbox: list[ToPlayer] = []
        self._due: list[tuple[int, int, ToPlayer]] = []
        self._sequence = 0
        self._freeing: dict[int, int] = {}
        self._reports: list[FromPlayer] = []
        self._counters = MixerCounters()
        self._mixed = 0
        self._frame = 0
        self._begun = False

    @property
    def frame(self) -> int:
        """The next frame that ``pull`` hands out."""
        return self._frame

    @property
    def horizon(self) -> int:
        """The earliest frame on which a message can still act: ``frame`` and the limiter's look-ahead."""
        return self._mixed

    @property
    def grid(self) -> BeatGrid:
        """The grid that rules now."""
        return self._playheads.grid

    @property
    def counters(self) -> MixerCounters:
        """What was refused, late or damaged so far."""
        self._counters.unusable_loops = self._shelf.unusable
        self._counters.damaged_frames = self._limiter.damaged_frames
        return self._counters

    def sounding(self, deck: str) -> int | None:
        """The bank that ``deck`` sounds, or ``None`` before its first launch."""
        return self._decks[deck].sounding

    def fade_ended(self) -> bool:
        """Whether the control ``fade`` has come to 0 and the last of the sound has been handed out."""
        fade = self._controls.fade
        return fade.target == 0.0 and self._frame >= fade.rest_frame

    def admit(self, message: ToPlayer) -> bool:
        """Attach and weigh the loop of a ``PlaceLoop`` ahead of ``schedule``, in any thread; costs about 1 ms.

        ``False`` when the loop cannot be played (not finite, wrong shape); ``schedule`` then refuses the message.
        """
        return not isinstance(message, PlaceLoop) or self._shelf.admit(message.loop) is not None

    def schedule(self, message: ToPlayer) -> None:
        """Take a message. It acts on its frame, or at the start of the next block if it has none or comes late.

        Messages for one frame act in the order they came. What cannot be done is refused: counted, and nothing changes.
        """
        self._inbox.append(message)

    def pull(self, frames: int) -> Block:
        """The next ``frames`` of sound, ``(frames, channels or twice as many) float32``, never above −0.3 dBFS."""
        if self._inbox:
            self._sort_inbox()
        if not self._begun and frames > 0:
            self._begun = True
            self._mix(MIX_AHEAD_FRAMES)
        block = self._mix(frames)
        self._frame += frames
        return block

    def begin_at(self, frame: int) -> None:
        """Count frames from ``frame`` on instead of 0. Before the first ``pull``."""
        self._frame = self._mixed = frame

    def skip(self, frame: int) -> None:
        """Go on at ``frame`` after ``pull`` raised, with silence for what was not mixed: the beat stays where it is."""
        self._begun = True
        self._frame = max(frame, self._frame)
        missing = self._frame + MIX_AHEAD_FRAMES - self._mixed
        if missing > 0:
            self._limit(np.zeros((missing, self._width), dtype=np.float32))
            self._mixed += missing

    def reports(self) -> list[FromPlayer]:
        """What happened since the last call. ``Audible.host_ns`` is 0: only the output knows the clock."""
        reports, self._reports = self._reports, []
        return reports

    # --- messages ---------------------------------------------------------------------------------------------------

    def _sort_inbox(self) -> None:
        inbox, self._inbox = self._inbox, []
        for message in inbox:
            asked = getattr(message, "at_frame", None)
            if asked is not None and asked < self._mixed:
                self._counters.late_messages += 1
            frame = self._mixed if asked is None else max(asked, self._mixed)
            heapq.heappush(self._due, (frame, self._sequence, message))
            self._sequence += 1

    def _act(self, message: ToPlayer, frame: int) -> None:
        if isinstance(message, SetControl):
            done = self._controls.move(message, frame)
            if done and message.stamp_ns and not message.name.endswith("/side"):
                self._reports.append(Audible(message.name, message.stamp_ns, max(frame, self._frame), 0))
        elif isinstance(message, SetGrid):
            done = message.grid.bpm > 0 and message.grid.sample_rate == self.sample_rate
            if done:
                self._playheads = Playheads(message.grid)
                for deck in self._decks.values():
                    deck.follow(self._playheads, frame, _GRID_FADE_FRAMES)
        elif isinstance(message, FreeLoop):
            done = self._free(message.loop)
        elif isinstance(message, PlaceLoop | RemoveLoop | LaunchBank):
            deck_or_none = self._decks.get(message.deck)
            done = deck_or_none is not None and self._change_deck(deck_or_none, message, frame)
        else:
            done = False
        if not done:
            self._counters.refused_messages += 1

    def _change_deck(self, deck: Deck, message: PlaceLoop | RemoveLoop | LaunchBank, frame: int) -> bool:
        if isinstance(message, LaunchBank):
            return deck.launch(Landing(message.bank, message.at_frame), frame, message.fade_frames)
        if not math.isfinite(message.alpha):
            return False
        if isinstance(message, RemoveLoop):
            return deck.remove(message.bank, message.alpha, frame, message.fade_frames)
        loop = self._shelf.admit(message.loop)
        # A loop that is being given back may be overwritten soon: it cannot be placed again.
        if loop is None or message.loop.loop in self._freeing:
            return False
        deck.place(message.bank, message.alpha, loop, frame, message.fade_frames)
        return True

    def _free(self, number: int) -> bool:
        loop = self._shelf.get(number)
        if loop is None:
            slot = self._shelf.refused_slot(number)
            if slot is not None:
                self._reports.append(LoopFreed(number, slot))
            return slot is not None
        self._freeing[number] = loop.ref.slot
        self._due = [
            entry for entry in self._due if not (isinstance(entry[2], PlaceLoop) and entry[2].loop.loop == number)
        ]
        heapq.heapify(self._due)
        for deck in self._decks.values():
            deck.forget(number)
            deck.changed = True
        return True

    # --- sound ------------------------------------------------------------------------------------------------------

    def _mix(self, frames: int) -> Block:
        """The next ``frames`` of the mix through the limiter; whatever is raised, mix and limiter stay in step."""
        bus = np.zeros((frames, self._width), dtype=np.float32)
        end = self._mixed + frames
        try:
            self._mix_into(bus)
        finally:
            self._mixed = end
            limited = self._limit(bus)
        return limited

    @property
    def _width(self) -> int:
        return self.channels if self._cue is None else 2 * self.channels

    def _limit(self, bus: Block) -> Block:
        if self._cue is None:
            return self._limiter.process(bus)
        master, cued = bus[:, : self.channels], bus[:, self.channels :]
        return np.concatenate((self._limiter.process(master), self._cue.limiter.process(cued)), axis=1)

    def _mix_into(self, bus: Block) -> None:
        done, frames = 0, len(bus)
        while done < frames:
            start = self._mixed
            self._settle(start)
            while self._due and self._due[0][0] <= start:
                self._act(heapq.heappop(self._due)[2], start)
            self._foresee(start + PIECE_FRAMES)
            self._report_landings()
            for own in self._filters.values():
                own.runs(start)
            end = self._piece_end(start, start + frames - done)
            piece = bus[done : done + end - start]
            for deck in self._decks.values():
                level = self._controls.level(deck, start, len(piece))
                self._summing.add_deck(deck, self._filters[deck.name], level, piece, start)
            if self._cue is not None:
                fade = self._controls.fade.over(start, len(piece))
                self._cue.blend(piece[:, self.channels :], piece[:, : self.channels], start, fade)
            done += end - start
            self._mixed = end

    def _foresee(self, frame: int) -> None:
        while self._due and self._due[0][0] < frame:
            due, _, message = self._due[0]
            if not isinstance(message, SetControl) or not self._controls.foresee(message, due):
                return
            heapq.heappop(self._due)

    def _settle(self, frame: int) -> None:
        self._controls.settle(frame)
        for deck in self._decks.values():
            deck.settle(frame)

    def _report_landings(self) -> None:
        changed = False
        for deck in self._decks.values():
            for landing, frame in deck.landed:
                self._reports.append(BankLanded(deck.name, landing.bank, frame, landing.asked_frame))
            deck.landed.clear()
            changed = changed or deck.changed
            deck.changed = False
        if changed and self._freeing:
            for number, slot in list(self._freeing.items()):
                if not any(deck.holds(number) for deck in self._decks.values()):
                    del self._freeing[number]
                    self._shelf.drop(number)
                    self._reports.append(LoopFreed(number, slot))

    def _piece_end(self, start: int, end: int) -> int:
        """The first frame after ``start`` on which anything begins or ends, at most ``end``."""
        end = min(end, start + PIECE_FRAMES, (start // STRETCH_FRAMES + 1) * STRETCH_FRAMES)
        if self._due:
            end = min(end, self._due[0][0])
        ends = [self._controls.next_end()]
        for deck in self._decks.values():
            ends += [deck.next_end(), self._filters[deck.name].cut(start)]
        return min([end, *(found for found in ends if found is not None)])
