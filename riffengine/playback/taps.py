"""Taps: decks and stems as they sound in the master, each kept by itself for an output with a channel for each.

A deck is taken after its effects, a stem before the other stems join it, with the deck's effects; both at the level
that they have in the master (stem gain, deck gain, mute, crossfader, master gain, fade), before the limiter. So the
decks add up to the master before its limiter, and the stems of a deck to the deck, but for the rounding of float32:
the order of the additions differs. What is not wanted costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from riffengine.playback.deck import Deck
from riffengine.playback.effects.effect import DeckEffect
from riffengine.playback.interpolator import Interpolator, Span, taps_at
from riffengine.playback.ramp import Gain, frame_count
from riffengine.processes.audio import Block

TRACK_FRAMES = 1 << 15
"""Frames that are kept of each: twice the longest lead of an output, and a resampler's window."""


class Track:
    """The newest frames of one sound, by their absolute frame. One thread."""

    def __init__(self, channels: int) -> None:
        self._samples = np.zeros((TRACK_FRAMES, channels), dtype=np.float32)
        self._interpolator: Interpolator | None = None

    def put(self, frame: int, sound: Block) -> None:
        """Keep ``sound`` ``(frames, channels) float32``, at most ``TRACK_FRAMES``, which begins at ``frame``."""
        for start, done, run in _pieces(frame, len(sound)):
            self._samples[start : start + run] = sound[done : done + run]

    def scaled(self, frame: int, sound: Block, gain: Gain) -> None:
        """Keep ``sound`` at ``gain``."""
        self.put(frame, sound * _column(gain))

    def read(self, frame: int, frames: int) -> Block:
        """A copy of ``frames`` frames from ``frame`` on."""
        out = np.empty((frames, self._samples.shape[1]), dtype=np.float32)
        for start, done, run in _pieces(frame, frames):
            out[done : done + run] = self._samples[start : start + run]
        return out

    def read_at(self, position: float, step: float, frames: int) -> Block:
        """``frames`` frames from ``position`` on, ``step`` frames apart: the same sound at another sample rate.

        Each is a windowed sinc over the ``TAPS`` frames around it, as loops are read at another tempo, and depends on
        its position alone: no state, and no delay but the half window that must be there already.
        """
        positions = position + frame_count(frames) * step
        floors = np.floor(positions)
        first, reach = int(floors[0]), int(floors[-1] - floors[0])
        steps = None if reach == frames - 1 else (floors - floors[0]).astype(np.int64)
        span = Span(first % TRACK_FRAMES, frames, reach, taps_at(positions - floors), steps)
        if self._interpolator is None:
            self._interpolator = Interpolator()
        read: Block = self._interpolator.read(self._samples[None], span)[0]
        return read


@dataclass
class _StemTap:
    """One stem of one deck: its track, and its own copies of the deck's effects."""

    track: Track
    effects: tuple[DeckEffect, ...]
    running: list[DeckEffect]


class Taps:
    """The decks and stems that an output wants, of the ``decks`` of a mixer. The mixer's thread only."""

    def __init__(self, decks: Mapping[str, Deck], channels: int) -> None:
        self._decks, self._channels = decks, channels
        self._deck_tracks: dict[str, Track] = {}
        self._stems: dict[str, dict[str, _StemTap]] = {}
        self._interpolator = Interpolator()

    def want(self, decks: Iterable[str], stems: Iterable[tuple[str, str]]) -> None:
        """Keep these ``decks`` and these ``stems`` (deck, stem) from now on; one of no such deck stays silent."""
        self._deck_tracks = {name: self._deck_tracks.get(name) or Track(self._channels) for name in decks}
        wanted: dict[str, dict[str, _StemTap]] = {}
        for deck, stem in stems:
            known = self._stems.get(deck, {}).get(stem)
            wanted.setdefault(deck, {})[stem] = known or self._new_stem(deck)
        self._stems = wanted

    def deck(self, name: str) -> Track | None:
        """The track of a deck that is wanted."""
        return self._deck_tracks.get(name)

    def stem(self, deck: str, stem: str) -> Track | None:
        """The track of a stem that is wanted."""
        found = self._stems.get(deck, {}).get(stem)
        return None if found is None else found.track

    # --- for the mixer ----------------------------------------------------------------------------------------------

    def wants_deck(self, name: str) -> bool:
        """Whether ``put_deck`` is to be called for the deck."""
        return name in self._deck_tracks

    def put_deck(self, name: str, sound: Block, level: Gain, frame: int) -> None:
        """The deck's ``sound`` after its effects, to be kept at ``level``."""
        self._deck_tracks[name].scaled(frame, sound, level)

    def begin(self, frame: int) -> None:
        """A piece begins: find the effects that run in it."""
        for taps in self._stems.values():
            for tap in taps.values():
                tap.running = [effect for effect in tap.effects if effect.runs(frame)]

    def cut(self, frame: int) -> int | None:
        """The first frame after ``frame`` on which a piece must begin."""
        cuts = [effect.cut(frame) for taps in self._stems.values() for tap in taps.values() for effect in tap.effects]
        return min((cut for cut in cuts if cut is not None), default=None)

    def take_stems(self, deck: Deck, level: Gain, frame: int, frames: int) -> None:
        """Read the stems of ``deck`` that are wanted, in the piece of ``frames`` from ``frame`` on."""
        taps = self._stems.get(deck.name)
        if not taps:
            return
        sounds = {name: np.zeros((frames, self._channels), dtype=np.float32) for name in taps}
        for loop, playheads, share in deck.voices(frame, frames):
            wanted = [(place, name) for place, name in enumerate(loop.ref.stems) if name in sounds]
            span = playheads.of(loop.ref.frames, loop.ref.beats).span(frame, frames)
            if span.taps is None:
                places = (span.first + np.arange(frames)) % loop.ref.frames
                read = [loop.samples[place, places] for place, _ in wanted]
            else:
                every = self._interpolator.read(loop.samples, span)
                read = [every[place] for place, _ in wanted]
            for (_, name), sound in zip(wanted, read, strict=True):
                ramp = deck.stems.get(name)
                gain = share if ramp is None else share * ramp.over(frame, frames)
                sounds[name] += sound * _column(gain)
        for name, sound in sounds.items():
            for effect in taps[name].running:
                effect.process(sound, frame)
            taps[name].track.scaled(frame, sound, level)

    def _new_stem(self, deck: str) -> _StemTap:
        found = self._decks.get(deck)
        effects = () if found is None else tuple(effect.twin() for effect in found.effects)
        return _StemTap(Track(self._channels), effects, [])


def _pieces(frame: int, frames: int) -> list[tuple[int, int, int]]:
    """Where ``frames`` from ``frame`` on lie in a track: places, frames before them, and lengths."""
    start = frame % TRACK_FRAMES
    head = min(frames, TRACK_FRAMES - start)
    return [(start, 0, head)] if head == frames else [(start, 0, head), (0, head, frames - head)]


def _column(gain: Gain) -> np.float32 | Block:
    return np.float32(gain) if isinstance(gain, float) else gain.astype(np.float32)[:, None]
