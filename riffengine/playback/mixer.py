"""Mixer: finished loops in, one continuous signal out. No I/O, no clock: time is the count of frames pulled.

A block is cut wherever something begins or ends (a message, a ramp, a crossfade), and every value inside a piece is
computed from absolute frames. So the samples do not depend on the size of the blocks, to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from riffengine.playback import limiter
from riffengine.playback.bus import PIECE_FRAMES, Bus
from riffengine.playback.controls import Controls
from riffengine.playback.crossfader import Crossfader
from riffengine.playback.cue_bus import CueBus
from riffengine.playback.deck import BankLaunch, Deck
from riffengine.playback.effects.registry import deck_effects
from riffengine.playback.inserts.attached import AttachedInserts
from riffengine.playback.inserts.staged_mix import MixParts, StagedMix
from riffengine.playback.limiter import Limiter
from riffengine.playback.loop import LoopTable
from riffengine.playback.loop_returns import LoopReturns
from riffengine.playback.message_queue import MessageQueue, Stage
from riffengine.playback.playhead import STRETCH_FRAMES, Playheads
from riffengine.playback.taps import Taps
from riffengine.processes.audio import Block, Samples
from riffengine.processes.player_messages import (
    AttachInsert,
    Audible,
    BankLanded,
    FreeLoop,
    FromPlayer,
    LaunchBank,
    LoopRef,
    PlaceLoop,
    RemoveLoop,
    SetControl,
    SetGrid,
    ToInsert,
    ToInstrument,
    ToPlayer,
)
from riffengine.transport.beat_grid import BeatGrid

MIX_AHEAD_FRAMES = limiter.DELAY
"""The mix is this far ahead of what is handed out, so that limited sound still comes on the frame asked for."""

_GRID_FADE_FRAMES = 2048


@dataclass
class MixerCounters:
    """How often something went wrong so far."""

    late_messages: int = 0
    refused_messages: int = 0
    unusable_loops: int = 0
    damaged_frames: int = 0
    plugin_gaps: int = 0


class Mixer:
    """Plays loops on a beat grid.

    ``samples`` gives ``(stems, frames, channels) float32`` for a loop; ``admit`` calls it once for each loop. Mono
    loops are played in all channels. The control ``FADE`` starts at 0: the mixer is silent until it is raised. With
    ``cue`` blocks have ``channels`` more for the headphones, after those of the master. Without ``compare_ahead`` two
    loops are compared when they first meet: less work in all, but not for a thread that must be in time. With
    ``report_scheduled`` every message is answered with the frame on which it acts. Set ``inserts.waits`` where the
    answers of plugins are to be waited for: right for a file, wrong for a device.

    ``admit``, ``schedule`` and ``fade_ended`` may be called in another thread (the player's control thread); all else
    belongs to the thread that pulls.
    """

    def __init__(
        self,
        sample_rate: int,
        grid: BeatGrid,
        samples: Callable[[LoopRef], Samples],
        decks: tuple[str, ...] = ("a", "b"),
        channels: int = 2,
        cue: bool = False,
        compare_ahead: bool = True,
        report_scheduled: bool = False,
    ) -> None:
        self.sample_rate = sample_rate
        self.channels = channels
        self._width = 2 * channels if cue else channels
        self._playheads = Playheads(grid)
        self._loops = LoopTable(samples, channels, compare_ahead)
        self._decks = {name: Deck(name, self._playheads, deck_effects(sample_rate, channels)) for name in decks}
        self._cue = CueBus(decks, sample_rate, channels) if cue else None
        self._controls = Controls(self._decks, Crossfader(decks), self._cue, sample_rate)
        self.taps = Taps(self._decks, channels)
        self._bus = Bus(channels, self._cue, self.taps)
        self._limiter = Limiter(sample_rate, channels)
        self._messages = MessageQueue()
        self._returns = LoopReturns(self._loops, self._decks, self._messages)
        self._reports: list[FromPlayer] = []
        self._counters = MixerCounters()
        self._mixed = 0
        self._frame = 0
        self._begun = False
        self._report_scheduled = report_scheduled
        self.inserts = AttachedInserts(sample_rate, channels, self._stages)
        self._placed_by_host = False
        self.changes = 0  # messages that were carried out so far

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
        """The current beat grid."""
        return self._playheads.grid

    @property
    def counters(self) -> MixerCounters:
        """What was refused, late or damaged so far."""
        self._counters.late_messages = self._messages.late_messages
        self._counters.unusable_loops = self._loops.unusable
        self._counters.damaged_frames = self._limiter.damaged_frames
        self._counters.plugin_gaps = self.inserts.gaps
        return self._counters

    def sounding(self, deck: str) -> int | None:
        """The bank that ``deck`` plays, or ``None`` before its first launch."""
        return self._decks[deck].sounding

    @property
    def effects_run(self) -> bool:
        """Whether an effect of a deck runs in the piece that was mixed last."""
        return any(deck.running_effects for deck in self._decks.values())

    @property
    def moving(self) -> bool:
        """Whether a control or a crossfade is on its way."""
        ends = (self._controls.next_end(), *(deck.next_end() for deck in self._decks.values()))
        return any(end is not None for end in ends)

    def fade_ended(self) -> bool:
        """Whether the control ``fade`` has reached 0 and the last of the sound has been handed out."""
        fade = self._controls.fade
        return not self._messages.unsorted and fade.target == 0.0 and self._frame >= fade.rest_frame

    def admit(self, message: ToPlayer) -> bool:
        """Attach the loop of a ``PlaceLoop`` or the host of an insert ahead of ``schedule``, in any thread; about 1 ms.

        ``False`` when it cannot be played (not finite, wrong shape, gone); ``schedule`` then refuses the message.
        """
        if isinstance(message, AttachInsert):
            return self.inserts.admit(message)
        return not isinstance(message, PlaceLoop) or self._loops.admit(message.loop) is not None

    def schedule(self, message: ToPlayer) -> None:
        """Take a message. It acts on its frame, or at the start of the next block if it has none or comes late.

        Messages for one frame act in the order they came. A message that cannot be carried out is refused: it is
        counted, and nothing changes.
        """
        self._messages.add(message)

    def pull(self, frames: int) -> Block:
        """The next ``frames`` of sound, ``(frames, channels or twice as many) float32``, never above −0.3 dBFS."""
        self._sort_messages()
        if not self._begun and frames > 0:
            self._begun = True
            self._mix(MIX_AHEAD_FRAMES)
        block = self._mix(frames)
        self._frame += frames
        return block

    def begin_at(self, frame: int) -> None:
        """Count frames from ``frame`` on instead of 0. Call it before the first ``pull``."""
        self._frame = self._mixed = frame

    def skip(self, frame: int) -> None:
        """Continue at ``frame`` after ``pull`` raised, with silence for what was not mixed; the beat does not shift."""
        self._begun = True
        self._frame = max(frame, self._frame)
        missing = self._frame + MIX_AHEAD_FRAMES - self._mixed
        if self.inserts.staged is not None:
            self.inserts.staged.continue_at(self._frame + MIX_AHEAD_FRAMES)
        if missing > 0:
            self._limit(np.zeros((missing, self._width), dtype=np.float32))
            self._mixed += missing

    def place(self, grid: BeatGrid) -> None:
        """Go on at once, without a crossfade, with the music of ``grid``: the next frame pulled is its anchor frame.

        For a host with a timeline of its own, which has jumped. The anchor frame is ``horizon`` or later; what lies
        between is passed over. From now on ``SetGrid`` messages change nothing: the host alone places the music.
        """
        self._placed_by_host = True
        self.pass_to(grid.anchor_frame)
        self._playheads = Playheads(grid)
        for deck in self._decks.values():
            deck.place_on(self._playheads)

    def pass_to(self, frame: int) -> None:
        """Let time go on to ``frame``, which is ``horizon`` or later, without sound: what is due happens on its frame.

        The limiter's look-ahead holds sound from before; ``pull`` fills it anew.
        """
        self.inserts.end()
        self._sort_messages()
        while self._mixed < frame:
            self._begin_piece(self._mixed)
            self._mixed = self._piece_end(self._mixed, frame)
        self._frame = self._mixed
        self._begun = False

    def bend(self, grid: BeatGrid) -> None:
        """Read on ``grid`` from the horizon on, which the music reaches without a jump: the host changes its tempo."""
        self._playheads = Playheads(grid)
        for deck in self._decks.values():
            deck.follow(self._playheads, self._mixed, _GRID_FADE_FRAMES)

    def release_grid(self) -> None:
        """The host places the music no more: ``SetGrid`` messages act again."""
        self._placed_by_host = False

    def reports(self) -> list[FromPlayer]:
        """What happened since the last call. ``Audible.host_ns`` is 0: only the output knows the clock."""
        reports, self._reports = self._reports, []
        return reports

    # --- messages ---------------------------------------------------------------------------------------------------

    def _sort_messages(self) -> None:
        scheduled = self._messages.sort(self._mixed, self._place)
        if self._report_scheduled:
            self._reports += scheduled

    def _place(self, message: ToPlayer) -> tuple[Stage, int] | int:
        """The stage that ``message`` is for and its horizon, or the frame on which it acts, where that is known now."""
        if isinstance(message, ToInsert):
            self._counters.refused_messages += not self._change_insert(message)
            return self._mixed
        staged = self.inserts.staged
        if isinstance(message, ToInstrument):
            frame = None if staged is None else staged.play_notes(message)
            self._counters.refused_messages += frame is None
            return self._mixed if frame is None else frame
        stage = self._controls.stage_of(message.target) if isinstance(message, SetControl) else Stage.VOICES
        if staged is None:
            return stage, self._mixed
        if isinstance(message, SetControl) and (frame := staged.set_parameter(message)) is not None:
            if message.stamp_ns:
                self._reports.append(Audible(message.target, message.stamp_ns, frame, 0))
            return frame
        return stage, staged.horizon(stage)

    def _change_insert(self, message: ToInsert) -> bool:
        """Act on the plugins of a place, at once."""
        if isinstance(message, AttachInsert) and self._placed_by_host:
            self.inserts.refuse(message)  # stages of the mix lie at other places than the host's, and have no taps
            return False
        frame = self._mixed if self._begun else self._mixed + MIX_AHEAD_FRAMES  # where the pulls begin
        return self.inserts.change(message, frame)

    def _stages(self) -> StagedMix:
        parts = MixParts(self._decks, self._controls, self._bus, self._cue, self._messages)
        return StagedMix(self._mixed, parts, self.grid, self._handle, self._start_early, self._after_voices)

    def _handle(self, message: ToPlayer, frame: int) -> None:
        if isinstance(message, SetControl):
            done = self._controls.move(message, frame)
            if done and message.stamp_ns and not self._controls.is_side(message.target):
                self._reports.append(Audible(message.target, message.stamp_ns, max(frame, self._frame), 0))
        elif isinstance(message, SetGrid):
            done = self._set_grid(message.grid, frame)
        elif isinstance(message, FreeLoop):
            done = self._returns.want(message.loop)
        elif isinstance(message, PlaceLoop | RemoveLoop | LaunchBank):
            deck_or_none = self._decks.get(message.deck)
            done = deck_or_none is not None and self._change_deck(deck_or_none, message, frame)
        else:
            done = False
        self.changes += done
        if not done:
            self._counters.refused_messages += 1

    def _set_grid(self, grid: BeatGrid, frame: int) -> bool:
        if grid.bpm <= 0 or grid.sample_rate != self.sample_rate:
            return False
        if self._placed_by_host:
            return True
        self._playheads = Playheads(grid)
        if self.inserts.staged is not None:
            self.inserts.staged.set_grid(grid, frame)
        for deck in self._decks.values():
            deck.follow(self._playheads, frame, _GRID_FADE_FRAMES)
        return True

    def _change_deck(self, deck: Deck, message: PlaceLoop | RemoveLoop | LaunchBank, frame: int) -> bool:
        if isinstance(message, LaunchBank):
            return deck.launch(BankLaunch(message.bank, message.at_frame), frame, message.fade_frames)
        if not math.isfinite(message.alpha):
            return False
        if isinstance(message, RemoveLoop):
            return deck.remove(message.bank, message.alpha, frame, message.fade_frames)
        loop = self._loops.admit(message.loop)
        # A loop that is being given back may be overwritten soon: it cannot be placed again.
        if loop is None or message.loop.loop in self._returns:
            return False
        deck.place(message.bank, message.alpha, loop, frame, message.fade_frames)
        return True

    def _start_early(self, message: ToPlayer, frame: int) -> bool:
        """Whether ``message`` is an alpha move, which is given to its ramp before its ``frame`` has come."""
        return isinstance(message, SetControl) and self._controls.move_later(message, frame)

    # --- sound ------------------------------------------------------------------------------------------------------

    def _mix(self, frames: int) -> Block:
        """The next ``frames`` of the mix through the limiter; if anything is raised, both still advance together."""
        bus = np.zeros((frames, self._width), dtype=np.float32)
        end = self._mixed + frames
        try:
            done = self.inserts.mix_into(bus, self._mixed)
            self._mixed += done
            self._mix_into(bus[done:])
        finally:
            self._mixed = end
            limited = self._limit(bus)
        return limited

    def _limit(self, bus: Block) -> Block:
        if self._cue is None:
            return self._limiter.process(bus)
        master, cued = bus[:, : self.channels], bus[:, self.channels :]
        return np.concatenate((self._limiter.process(master), self._cue.limiter.process(cued)), axis=1)

    def _after_voices(self) -> None:
        for deck in self._decks.values():
            if deck.launched:
                for launch, frame in deck.launched:
                    self._reports.append(BankLanded(deck.name, launch.bank, frame, launch.asked_frame))
                deck.launched.clear()
        if self._returns:
            self._reports += self._returns.given_back()

    def _mix_into(self, bus: Block) -> None:
        """Fill ``bus`` piece by piece: first everything that acts on a piece's first frame, then its sound."""
        done, frames = 0, len(bus)
        while done < frames:
            start = self._mixed
            self._begin_piece(start)
            for deck in self._decks.values():
                deck.start_effects(start)
            end = self._piece_end(start, start + frames - done)
            self.taps.begin(start)
            piece = bus[done : done + end - start]
            for deck in self._decks.values():
                level = self._controls.level(deck, start, len(piece))
                self._bus.add_deck(deck, level, piece, start)
                self.taps.take_stems(deck, level, start, len(piece))
            if self._cue is not None:
                fade = self._controls.fade.over(start, len(piece))
                self._cue.blend(piece[:, self.channels :], piece[:, : self.channels], start, fade)
            done += end - start
            self._mixed = end

    def _begin_piece(self, start: int) -> None:
        """Everything that acts on the first frame of a piece."""
        self._controls.settle(start)
        for deck in self._decks.values():
            deck.settle(start)
        while (message := self._messages.pop_due(start)) is not None:
            self._handle(message, start)
        self._messages.pop_while(start + PIECE_FRAMES, self._start_early)
        self._after_voices()

    def _piece_end(self, start: int, end: int) -> int:
        """The first frame after ``start`` on which anything begins or ends, at most ``end``."""
        end = min(end, start + PIECE_FRAMES, (start // STRETCH_FRAMES + 1) * STRETCH_FRAMES)
        ends = [self._messages.next_frame(), self._controls.next_end(), self.taps.cut(start)]
        for deck in self._decks.values():
            ends.append(deck.next_end())
            for effect in deck.effects:
                ends.append(effect.cut(start))
        for found in ends:
            if found is not None and found < end:
                end = found
        return end
