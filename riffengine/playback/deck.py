"""Deck: banks of loops, the one that sounds, and the crossfades between what sounded and what shall sound.

What a deck plays is a pile of layers, the newest on top, each fading in over those below it. When a layer has arrived,
all below it are gone. Gains of a loop that lies in several layers are added before it is read, so it is read once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from riffengine.playback.loop import Loop, correlation
from riffengine.playback.morph import Morph
from riffengine.playback.playhead import Playheads
from riffengine.playback.ramp import Gain, Ramp, equal_power

MAX_FADES = 4
"""Crossfades of one deck that may run at once; one more waits until the oldest has hurried home."""

HURRY_FRAMES = 256
"""A crossfade that others wait for ends within this (5.3 ms at 48 kHz): fast, and still no click."""


@dataclass
class Layer:
    """One bank on one grid, and how far it has faded in over what lies below."""

    bank: int
    morph: Morph | None  # None is silence, before the first launch
    playheads: Playheads
    rise: Ramp
    correlation: float = 0.0


@dataclass(frozen=True)
class Landing:
    """A bank that begins to sound: who asked for which frame."""

    bank: int
    asked_frame: int | None


@dataclass
class _Waiting:
    """A change that found ``MAX_FADES`` fades running. A newer one takes its place."""

    bank: int
    morph: Morph
    fade_frames: int
    landing: Landing | None


@dataclass
class Deck:
    """State of one deck; belongs to the mixer's thread."""

    name: str
    playheads: Playheads
    gain: Ramp = field(default_factory=lambda: Ramp(1.0))
    unmuted: Ramp = field(default_factory=lambda: Ramp(1.0))
    alpha: Ramp = field(default_factory=lambda: Ramp(0.0))
    stems: dict[str, Ramp] = field(default_factory=dict)
    banks: dict[int, dict[float, Loop]] = field(default_factory=dict)
    sounding: int | None = None
    landed: list[tuple[Landing, int]] = field(default_factory=list)
    changed: bool = False  # something may have stopped being read
    _layers: list[Layer] = field(default_factory=list)
    _leaving: set[int] = field(default_factory=set)
    _waiting: _Waiting | None = None

    def place(self, bank: int, alpha: float, loop: Loop, frame: int, fade_frames: int) -> None:
        """Put ``loop`` at ``alpha`` of ``bank``; crossfade in phase if the bank sounds."""
        self.banks.setdefault(bank, {})[alpha] = loop
        self.changed = True
        if bank == self.sounding:
            self._turn_to(Morph(self.banks[bank]), frame, fade_frames, None)

    def remove(self, bank: int, alpha: float, frame: int, fade_frames: int) -> bool:
        """Take a loop out; ``False`` when there is none or it is the last one of the sounding bank."""
        loops = self.banks.get(bank)
        if loops is None or alpha not in loops or (bank == self.sounding and len(loops) == 1):
            return False
        del loops[alpha]
        self.changed = True
        if bank == self.sounding:
            self._turn_to(Morph(loops), frame, fade_frames, None)
        elif not loops:
            del self.banks[bank]
        return True

    def launch(self, landing: Landing, frame: int, fade_frames: int) -> bool:
        """Sound another bank from ``frame`` on; ``False`` when it is empty or unknown. The old one is dropped after."""
        loops = self.banks.get(landing.bank)
        if not loops:
            return False
        if landing.bank == self.sounding:
            self.landed.append((landing, frame))
            return True
        if self.sounding is not None:
            self._leaving.add(self.sounding)
        self._leaving.discard(landing.bank)
        self.sounding = landing.bank
        self.changed = True
        self._turn_to(Morph(loops), frame, fade_frames, landing)
        return True

    def follow(self, playheads: Playheads, frame: int, fade_frames: int) -> None:
        """Read on the grid of ``playheads`` from ``frame``; crossfaded only if the music would jump."""
        self.playheads = playheads
        top = self._layers[-1] if self._layers else None
        if top is None or top.morph is None:
            return
        if all(playheads.in_phase(top.playheads, frame, loop.ref.frames, loop.ref.beats) for loop in top.morph.loops):
            before = top.playheads
            for layer in self._layers:
                if layer.playheads is before:
                    layer.playheads = playheads
        else:
            self._turn_to(top.morph, frame, fade_frames, None)

    def forget(self, loop: int) -> None:
        """Take ``loop`` out of every bank that does not sound."""
        for bank, loops in list(self.banks.items()):
            if bank == self.sounding:
                continue
            for alpha in [alpha for alpha, held in loops.items() if held.ref.loop == loop]:
                del loops[alpha]
            if not loops:
                del self.banks[bank]

    def holds(self, loop: int) -> bool:
        """Whether ``loop`` is in a bank or still being read."""
        morphs = [layer.morph for layer in self._layers] + [self._waiting.morph if self._waiting else None]
        return any(held.ref.loop == loop for loops in self.banks.values() for held in loops.values()) or any(
            held.ref.loop == loop for morph in morphs if morph is not None for held in morph.loops
        )

    def settle(self, frame: int) -> None:
        """End the moves that are over at ``frame``, forget what no longer sounds, begin what waited."""
        for ramp in (self.gain, self.unmuted, self.alpha, *self.stems.values()):
            ramp.settle(frame)
        arrived = 0
        for index, layer in enumerate(self._layers):
            layer.rise.settle(frame)
            if index and layer.rise.end_frame is None:
                arrived = index
        if arrived:
            del self._layers[:arrived]
            self._layers[0].correlation = 0.0
            self.changed = True
        if self._waiting is not None and len(self._layers) <= MAX_FADES:
            waiting, self._waiting = self._waiting, None
            self._push(waiting.bank, waiting.morph, frame, waiting.fade_frames, waiting.landing)
        for bank in [b for b in self._leaving if all(layer.bank != b for layer in self._layers)]:
            self._leaving.discard(bank)
            self.banks.pop(bank, None)
            self.changed = True

    def next_end(self) -> int | None:
        """The first frame on which a move of this deck ends."""
        ends = [
            ramp.end_frame
            for ramp in (self.gain, self.unmuted, self.alpha, *self.stems.values())
            if ramp.end_frame is not None
        ]
        ends += [layer.rise.end_frame for layer in self._layers if layer.rise.end_frame is not None]
        return min(ends, default=None)

    def voices(self, frame: int, frames: int) -> list[tuple[Loop, Playheads, Gain]]:
        """Every loop that sounds in a segment, once for each grid, with its gain before stems and mixer."""
        if not self._layers:
            return []
        alpha = self.alpha.over(frame, frames)
        gains: list[Gain] = []
        left: Gain = 1.0
        for layer in reversed(self._layers[1:]):
            outgoing, incoming = equal_power(layer.rise.over(frame, frames), layer.correlation)
            gains.append(left * incoming)
            left = left * outgoing
        gains.append(left)
        voices: dict[tuple[int, int], tuple[Loop, Playheads, Gain]] = {}
        for layer, share in zip(self._layers, reversed(gains), strict=True):
            if layer.morph is None:
                continue
            for loop, weight in layer.morph.weights(alpha):
                key = (loop.ref.loop, id(layer.playheads))
                gain = weight * share
                if key in voices:
                    gain = voices[key][2] + gain
                voices[key] = (loop, layer.playheads, gain)
        return list(voices.values())

    def _turn_to(self, morph: Morph, frame: int, fade_frames: int, landing: Landing | None) -> None:
        assert self.sounding is not None
        bank = self.sounding
        if self._waiting is not None:  # it never began; its landing is this one's, unless this one has its own
            landing = landing or self._waiting.landing
            self._waiting = _Waiting(bank, morph, fade_frames, landing)
            return
        if len(self._layers) > MAX_FADES and self._layers[-1].rise.start_frame != frame:
            self._waiting = _Waiting(bank, morph, fade_frames, landing)
            for layer in self._layers[1:]:
                end = layer.rise.end_frame
                if end is not None and end > frame + HURRY_FRAMES:
                    layer.rise.move(1.0, frame, HURRY_FRAMES)
            return
        self._push(bank, morph, frame, fade_frames, landing)

    def _push(self, bank: int, morph: Morph, frame: int, fade_frames: int, landing: Landing | None) -> None:
        if landing is not None:
            self.landed.append((landing, frame))
        alpha = self.alpha.at(frame)
        wanted = morph.weights_at(alpha)
        if not self._layers:
            self._layers.append(Layer(bank, None, self.playheads, Ramp(1.0)))
        top = self._layers[-1]
        if top.playheads is self.playheads and top.morph is not None and top.morph.weights_at(alpha) == wanted:
            # The same loops at the same gains: nothing to hear, so nothing to fade.
            top.morph, top.bank = morph, bank
            self.changed = True
            return
        if len(self._layers) > 1 and top.rise.start_frame == frame and top.rise.at(frame) == 0.0:
            self._layers.pop()  # several changes on one frame are one crossfade
        rise = Ramp(0.0)
        rise.move(1.0, frame, fade_frames)
        self._layers.append(Layer(bank, morph, self.playheads, rise, correlation(self._heard(frame), wanted)))

    def _heard(self, frame: int) -> list[tuple[Loop, float]]:
        """The loops that sound at ``frame`` and their gains, each once."""
        found: dict[int, tuple[Loop, float]] = {}
        for loop, _, gain in self.voices(frame, 1):
            level = gain if isinstance(gain, float) else float(gain[0])
            known = found.get(loop.ref.loop)
            found[loop.ref.loop] = (loop, level if known is None else known[1] + level)
        return [entry for entry in found.values() if entry[1] != 0.0]
