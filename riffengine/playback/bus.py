"""Bus: reads the loops of a deck, passes them through its effects, and adds them to the master and cue channels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from riffengine.playback.cue_bus import CueBus
from riffengine.playback.deck import Deck
from riffengine.playback.interpolator import Interpolator, Span
from riffengine.playback.ramp import Gain
from riffengine.playback.taps import Taps
from riffengine.processes.audio import Block, Samples

PIECE_FRAMES = 1024
"""The most that is added at once: longer pieces leave the processor's cache (4 stems of 32 taps: 1 MB)."""


class Bus:
    """Adds decks to a bus ``channels`` wide, with the cue bus beside it if there is one; one thread only."""

    def __init__(self, channels: int, cue: CueBus | None, taps: Taps) -> None:
        self._channels = channels
        self._cue, self._taps = cue, taps
        self._interpolator = Interpolator()
        self._scratch = np.zeros((PIECE_FRAMES, channels), dtype=np.float32)
        self._deck_sound = np.zeros((PIECE_FRAMES, channels), dtype=np.float32)

    def add_deck(self, deck: Deck, level: Gain, bus: Block, frame: int) -> None:
        """Add the sound of ``deck`` from ``frame`` on to ``bus`` at ``level``, through its running effects."""
        frames = len(bus)
        cued = 0.0 if self._cue is None else self._cue.share(deck.name, frame, frames)
        bus, cue_bus = bus[:, : self._channels], bus[:, self._channels :]
        is_cued = not isinstance(cued, float) or cued != 0.0
        tapped = self._taps.wants_deck(deck.name)
        if deck.running_effects or is_cued or tapped:  # effects have memory: they run on a deck that is not heard too
            sound = self._deck_sound[:frames]
            sound[:] = 0.0
            self._add_voices(deck, sound, frame, 1.0)
            for effect in deck.running_effects:
                effect.process(sound, frame)
            if is_cued:
                self._add(cue_bus, sound, cued)
            if tapped:
                self._taps.put_deck(deck.name, sound, level, frame)
            self._add(bus, sound, level)
        elif not isinstance(level, float) or level != 0.0:
            self._add_voices(deck, bus, frame, level)

    def add_sound(self, deck: Deck, bus: Block, frame: int) -> None:
        """Add the sound of ``deck`` at full level, without its effects, to ``bus`` ``(frames, channels)``."""
        self._add_voices(deck, bus, frame, 1.0)

    def add_stems(self, deck: Deck, buses: Mapping[str, Block], frame: int) -> None:
        """Add every stem of ``deck`` at full level, without its gain, to its bus; ``buses`` has one for each stem."""
        frames = len(next(iter(buses.values())))
        for loop, playheads, share in deck.voices(frame, frames):
            if isinstance(share, float) and share == 0.0:
                continue
            span = playheads.of(loop.ref.frames, loop.ref.beats).span(frame, frames)
            read = None if span.taps is None else self._interpolator.read(loop.samples, span)
            for index, stem in enumerate(loop.ref.stems):
                if read is None:
                    self._add_whole(buses[stem], loop.samples[index], span, share)
                else:
                    self._add(buses[stem], read[index], share)

    def add(self, bus: Block, sound: Block, gain: Gain) -> None:
        """Add ``sound`` at ``gain`` to ``bus``, both ``(frames, channels)`` and at most ``PIECE_FRAMES`` long."""
        self._add(bus, sound, gain)

    def _add_voices(self, deck: Deck, bus: Block, frame: int, level: Gain) -> None:
        frames = len(bus)
        for loop, playheads, share in deck.voices(frame, frames):
            gain = level * share
            if isinstance(gain, float) and gain == 0.0:
                continue
            span = playheads.of(loop.ref.frames, loop.ref.beats).span(frame, frames)
            ramps = [deck.stems.get(stem) for stem in loop.ref.stems]
            stem_gains: list[Gain] = [1.0 if ramp is None else ramp.over(frame, frames) for ramp in ramps]
            if span.taps is None:
                for index, stem_gain in enumerate(stem_gains):
                    self._add_whole(bus, loop.samples[index], span, gain * stem_gain)
                continue
            resting = [stem_gain for stem_gain in stem_gains if isinstance(stem_gain, float)]
            if len(resting) == len(stem_gains):
                self._add(bus, self._interpolator.read_mixed(loop.samples, span, resting)[0], gain)
                continue
            read = self._interpolator.read(loop.samples, span)
            for index, stem_gain in enumerate(stem_gains):
                self._add(bus, read[index], gain * stem_gain)

    def _add_whole(self, bus: Block, samples: Samples, span: Span, gain: Gain) -> None:
        """Add one stem that is read sample by sample, in pieces that do not cross the end of the loop."""
        done, position, length = 0, span.first, len(samples)
        while done < span.frames:
            run = min(span.frames - done, length - position)
            piece_gain = gain if isinstance(gain, float) else gain[done : done + run]
            self._add(bus[done : done + run], samples[position : position + run], piece_gain)
            done, position = done + run, 0

    def _add(self, bus: Block, sound: Samples, gain: Gain) -> None:
        scale = gain if isinstance(gain, float) else gain.astype(np.float32)[:, None]
        scratch = self._scratch[: len(bus), : sound.shape[1]]
        np.multiply(sound, scale, out=scratch)
        np.add(bus, scratch, out=bus)
