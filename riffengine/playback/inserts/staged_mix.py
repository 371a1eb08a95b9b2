"""StagedMix: the mix where there are inserts: each part works as far ahead as the plugins after it need.

The music is known ahead, so nothing that goes through plugins gets late: loops are read, and the effects of decks run,
ahead of the faders by the lead of the deck's plugins, and so on. Every signal is kept by absolute frames between the
stages, hence it comes on its frame whatever the leads are, and while they change.

    loops → (stem plugins) → stem gains, filter → (deck plugins) → faders, sends → (master plugins) → master, fade
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from riffengine.playback.bus import PIECE_FRAMES, Bus
from riffengine.playback.controls import Controls
from riffengine.playback.cue_bus import CueBus
from riffengine.playback.deck import Deck
from riffengine.playback.inserts.insert import Insert
from riffengine.playback.inserts.lead import Lead
from riffengine.playback.inserts.return_path import ReturnPath
from riffengine.playback.message_queue import MessageQueue, Stage
from riffengine.playback.playhead import STRETCH_FRAMES
from riffengine.processes.audio import CHANNELS, SENDS, Block
from riffengine.processes.parameter_path import ParameterPath, parse_path
from riffengine.processes.player_messages import (
    AttachInsert,
    CancelNotes,
    DetachInsert,
    SetControl,
    SetInsertLatency,
    ToInsert,
    ToInstrument,
    ToPlayer,
)
from riffengine.transport.beat_grid import BeatGrid

MASTER = "master"
_GRIDS_KEPT = 8
_REST_FRAMES = 4096  # longer than a fade


@dataclass(frozen=True)
class MixParts:
    """What the plain mix and the staged mix share."""

    decks: Mapping[str, Deck]
    controls: Controls
    bus: Bus
    cue: CueBus | None
    messages: MessageQueue


class StagedMix:
    """Mixes the decks of ``parts`` from ``frame`` on, which have played on ``grid`` so far.

    ``handle(message, frame)`` carries out a message, ``start_early`` takes moves of alpha ahead of their frame, and
    ``after_voices`` follows the messages of the first stage. Mixer's thread only.
    """

    def __init__(
        self,
        frame: int,
        parts: MixParts,
        grid: BeatGrid,
        handle: Callable[[ToPlayer, int], None],
        start_early: Callable[[ToPlayer, int], bool],
        after_voices: Callable[[], None],
    ) -> None:
        self._decks, self._controls, self._bus, self._cue = parts.decks, parts.controls, parts.bus, parts.cue
        self._messages, self._handle = parts.messages, handle
        self._start_early, self._after_voices = start_early, after_voices
        decks, cue = parts.decks, parts.cue
        self._frames = dict.fromkeys(Stage, frame)
        self._grids: deque[tuple[int, BeatGrid]] = deque([(0, grid)], maxlen=_GRIDS_KEPT)
        self._leads = {kind: Lead() for kind in ("stem", "deck", "send", "master")}
        self._by_deck = {name: Insert(frame, frame) for name in decks}
        self._stems: dict[str, dict[str, Insert]] = {}  # by deck; empty unless a stem has plugins
        self._sends = {name: Insert(frame, frame, dry=False) for name in SENDS}
        self._width = CHANNELS if cue is None else 2 * CHANNELS
        self._master = Insert(frame, frame, self._width)
        self._aligned = {name: Insert(frame, frame) for name in decks}  # from the sends' frame to the faders'
        self._targets: dict[ParameterPath, tuple[Insert, int]] = {}
        self._sent_to = frame
        self._ahead = 0  # of the sends before the faders, in this call
        self._sound = np.zeros((PIECE_FRAMES, CHANNELS), dtype=np.float32)
        self._sums = {name: np.zeros((PIECE_FRAMES, CHANNELS), dtype=np.float32) for name in SENDS}
        self._mixed = np.zeros((PIECE_FRAMES, self._width), dtype=np.float32)
        self._by_stem: dict[str, Block] = {}

    # --- what the mixer asks ----------------------------------------------------------------------------------------

    def horizon(self, stage: Stage) -> int:
        """The first frame that ``stage`` has not done."""
        return self._frames[stage]

    def inserts(self) -> Iterable[tuple[str, Insert]]:
        """Every insert by its place."""
        yield from ((f"deck/{name}", insert) for name, insert in self._by_deck.items())
        yield from (
            (f"deck/{name}/stem/{stem}", insert)
            for name, stems in self._stems.items()
            for stem, insert in stems.items()
        )
        yield from ((f"send/{name}", insert) for name, insert in self._sends.items())
        yield MASTER, self._master

    @property
    def ends_at(self) -> int | None:
        """The frame from which on nothing goes through plugins and all stages are on one frame; ``None`` for never.

        It follows from the messages alone, so that the plain mix goes on from the same frame for every size of block.
        """
        if any(insert.path is not None for _, insert in self.inserts()):
            return None
        rest = max(lead.reached_at for lead in self._leads.values()) + _REST_FRAMES
        return -(-rest // _REST_FRAMES) * _REST_FRAMES

    def set_grid(self, grid: BeatGrid, frame: int) -> None:
        """From ``frame`` on ``grid`` is the transport that plugins are told."""
        self._grids.append((frame, grid))

    def change(self, message: ToInsert, path: ReturnPath | None, frame: int) -> bool:
        """Attach ``path``, detach a place or change its latency from ``frame`` on; ``False`` where that cannot be."""
        insert = self._at(message.place)
        if insert is None:
            return False
        match message:
            case AttachInsert():
                assert path is not None
                insert.attach(path)
                self._forget(insert)
                self._targets |= {parse_path(text): (insert, n) for n, text in enumerate(message.controls)}
            case DetachInsert():
                insert.detach()
                self._forget(insert)
            case SetInsertLatency():
                if insert.path is None:
                    return False
                insert.path.latency_frames = message.latency_frames
        self._set_leads(frame)
        return True

    def set_parameter(self, message: SetControl) -> int | None:
        """Pass a parameter of a plugin to its host; the frame on which it acts, ``None`` when there is none such."""
        found = self._targets.get(message.target)
        if found is None or not math.isfinite(message.value):
            return None
        insert, number = found
        frame = max(insert.fed, message.at_frame or 0)
        if insert.path is not None:
            insert.path.change(number, message.value, frame)
        return frame

    def play_notes(self, message: ToInstrument) -> int | None:
        """Pass MIDI messages to a host, or take them back; the frame on which it acts, ``None`` without a host."""
        insert = self._at(message.place)
        if insert is None or insert.path is None:
            return None
        frame = max(insert.fed, message.at_frame or 0)
        if isinstance(message, CancelNotes):
            insert.path.cancel_notes(frame)
        else:
            for at in range(0, len(message.data) - 2, 3):
                first, second, third = message.data[at : at + 3]
                insert.path.play(frame, (first, second, third))
        return frame

    @property
    def gaps(self) -> int:
        """How often answers of plugins were missing so far."""
        return sum(insert.gaps + sum(path.gaps for path in insert.paths) for _, insert in self.inserts())

    def _at(self, place: str) -> Insert | None:
        path = parse_path(f"{place}/x")
        if path.deck and path.deck in self._decks and not path.group:
            return self._stem(path.deck, path.stem) if path.stem else self._by_deck[path.deck]
        if place == MASTER:
            return self._master
        return self._sends.get(place.removeprefix("send/"))

    def _stem(self, deck: str, stem: str) -> Insert:
        """The insert of a stem; with the first one, every deck is read stem by stem."""
        for name in self._decks:
            self._stems.setdefault(name, {})
        fed, read_to = self._frames[Stage.VOICES], self._frames[Stage.DECKS]
        if stem not in self._stems[deck]:
            self._stems[deck][stem] = Insert(fed, read_to)
        return self._stems[deck][stem]

    def _forget(self, insert: Insert) -> None:
        path = insert.path
        keep = set() if path is None else {parse_path(text) for text in path.message.controls}
        self._targets = {t: found for t, found in self._targets.items() if found[0] is not insert or t in keep}

    def _set_leads(self, frame: int) -> None:
        after = settled = 0
        kinds = {"master": [self._master], "send": self._sends.values(), "deck": self._by_deck.values()}
        for kind, inserts in {**kinds, "stem": self._all_stems()}.items():
            lead, paths = self._leads[kind], [path for insert in inserts if (path := insert.path) is not None]
            lead.move(max((path.lead(frame + after) for path in paths), default=0), frame)
            settled = max(settled, lead.reached_at)
            for path in paths:
                path.hold_until(settled + after + path.message.pull_frames)
            after += lead.target

    def _all_stems(self) -> list[Insert]:
        return [insert for stems in self._stems.values() for insert in stems.values()]

    # --- sound ------------------------------------------------------------------------------------------------------

    def mix_into(self, out: Block) -> None:
        """Fill ``out`` ``(frames, channels or twice as many)`` with the next frames of the last stage."""
        start = self._frames[Stage.OUT]
        end = start + len(out)
        to_faders = end + self._leads["master"].at(end)
        self._ahead = self._leads["send"].at(end)
        sent_to = to_faders + self._ahead
        to_decks = sent_to + self._leads["deck"].at(end)
        if self._stems:
            self._run((Stage.VOICES,), to_decks + self._leads["stem"].at(end), self._stem_voices)
            _collect(self._all_stems(), to_decks)
            self._run((Stage.DECKS,), to_decks, self._stem_decks)
        else:
            self._run((Stage.VOICES, Stage.DECKS), to_decks, self._whole_decks)
        _collect(self._by_deck.values(), sent_to)
        self._run((Stage.FADERS,), to_faders, self._faders)
        _collect((self._master,), end)
        self._run((Stage.OUT,), end, lambda at, frames: self._end(at, out[at - start : at - start + frames]))

    def continue_at(self, frame: int) -> None:
        """Hand out ``frame`` next, after a block that could not be mixed."""
        self._frames[Stage.OUT] = max(frame, self._frames[Stage.OUT])

    def close(self) -> None:
        """Let go of every host."""
        for _, insert in self.inserts():
            for path in insert.paths:
                path.close()

    def _run(self, stages: tuple[Stage, ...], end: int, sound: Callable[[int, int], None]) -> None:
        """Advance ``stages`` to ``end`` in pieces within which nothing begins or ends."""
        while (start := self._frames[stages[0]]) < end:
            for stage in stages:
                self._settle(stage, start)
            while (message := self._messages.pop_due(start, stages)) is not None:
                self._handle(message, start)
            if Stage.VOICES in stages:
                self._messages.pop_while(start + PIECE_FRAMES, self._start_early)
                self._after_voices()
            if Stage.DECKS in stages:
                for deck in self._decks.values():
                    deck.start_effects(start)
            until = self._piece_end(stages, start, end)
            sound(start, until - start)
            for stage in stages:
                self._frames[stage] = until

    def _settle(self, stage: Stage, frame: int) -> None:
        self._controls.settle(frame, stage)
        for deck in self._decks.values():
            match stage:
                case Stage.VOICES:
                    deck.settle_voices(frame)
                case Stage.DECKS:
                    deck.settle_stems(frame)
                case Stage.FADERS:
                    deck.settle_faders(frame)

    def _piece_end(self, stages: tuple[Stage, ...], start: int, end: int) -> int:
        end = min(end, start + PIECE_FRAMES, (start // STRETCH_FRAMES + 1) * STRETCH_FRAMES)
        ends = [self._messages.next_frame(stages)]
        for stage in stages:
            ends.append(self._controls.next_end(stage))
            for deck in self._decks.values():
                match stage:
                    case Stage.VOICES:
                        ends.append(deck.next_voice_end())
                    case Stage.DECKS:
                        ends.append(deck.next_stem_end())
                        ends += [effect.cut(start) for effect in deck.effects]
                    case Stage.FADERS:
                        ends.append(deck.next_fader_end())
        return min((found for found in ends if found is not None and found < end), default=end)

    # --- the stages -------------------------------------------------------------------------------------------------

    def _whole_decks(self, start: int, frames: int) -> None:
        grid = self._grid_at(start)
        for name, deck in self._decks.items():
            sound = _cleared(self._sound, frames)
            self._bus.add_sound(deck, sound, start)
            for effect in deck.running_effects:
                effect.process(sound, start)
            self._by_deck[name].feed(sound, grid)

    def _stem_voices(self, start: int, frames: int) -> None:
        grid = self._grid_at(start)
        for name, deck in self._decks.items():
            for stem in deck.stem_names():
                self._stem(name, stem)
            inserts = self._stems[name]
            if not inserts:
                continue
            sounds = {stem: _cleared(self._stem_sound(stem), frames) for stem in inserts}
            self._bus.add_stems(deck, sounds, start)
            for stem, insert in inserts.items():
                insert.feed(sounds[stem], grid)

    def _stem_decks(self, start: int, frames: int) -> None:
        grid = self._grid_at(start)
        for name, deck in self._decks.items():
            sound = _cleared(self._sound, frames)
            for stem, insert in self._stems[name].items():
                part = self._stem_sound(stem)[:frames]
                insert.read(part)
                ramp = deck.stems.get(stem)
                self._bus.add(sound, part, 1.0 if ramp is None else ramp.over(start, frames))
            for effect in deck.running_effects:
                effect.process(sound, start)
            self._by_deck[name].feed(sound, grid)

    def _faders(self, start: int, frames: int) -> None:
        end = start + frames
        self._send(start, frames, max(end + self._ahead, self._sent_to))
        mixed = _cleared(self._mixed, frames)
        master, cued = mixed[:, :CHANNELS], mixed[:, CHANNELS:]
        sound = self._sound[:frames]
        for name, deck in self._decks.items():
            self._aligned[name].read(sound)
            self._bus.add(master, sound, self._controls.deck_level(deck, start, frames))
            if self._cue is not None:
                self._bus.add(cued, sound, self._cue.share(name, start, frames))
        for insert in self._sends.values():
            if insert.paths:
                insert.collect(end)
                insert.read(sound)
                master += sound
            else:
                insert.pass_over(self._sent_to, end)
        self._master.feed(mixed, self._grid_at(start))

    def _send(self, start: int, frames: int, end: int) -> None:
        """Pass the decks' sound on up to ``end``: to the faders, and to the send buses at what the faders are now."""
        grid = self._grid_at(self._sent_to)
        while (left := end - self._sent_to) > 0:
            run = min(left, PIECE_FRAMES)
            sums = {name: _cleared(self._sums[name], run) for name, insert in self._sends.items() if insert.paths}
            sound = self._sound[:run]
            for name, deck in self._decks.items():
                self._by_deck[name].read(sound)
                self._aligned[name].feed(sound, grid)
                level = self._controls.deck_level(deck, start, frames) if sums else 0.0
                for send, bus in sums.items():
                    gain = level * self._controls.send_level(deck, send, start, frames)
                    if not isinstance(gain, float) and run != frames:  # while the lead changes
                        gain = float(gain[0])
                    self._bus.add(bus, sound, gain)
            for send, bus in sums.items():
                self._sends[send].feed(bus, grid)
            self._sent_to += run

    def _end(self, start: int, out: Block) -> None:
        frames = len(out)
        self._master.read(out)
        level = self._controls.end_level(start, frames)
        out[:, :CHANNELS] *= level if isinstance(level, float) else level.astype(np.float32)[:, None]
        if self._cue is not None:
            fade = self._controls.fade.over(start, frames)
            self._cue.blend(out[:, CHANNELS:], out[:, :CHANNELS], start, fade)

    def _grid_at(self, frame: int) -> BeatGrid:
        return next((grid for begin, grid in reversed(self._grids) if begin <= frame), self._grids[0][1])

    def _stem_sound(self, stem: str) -> Block:
        return self._by_stem.setdefault(stem, np.zeros((PIECE_FRAMES, CHANNELS), dtype=np.float32))


def _cleared(scratch: Block, frames: int) -> Block:
    part = scratch[:frames]
    part[:] = 0.0
    return part


def _collect(inserts: Iterable[Insert], needed: int) -> None:
    for insert in inserts:
        insert.collect(needed)
