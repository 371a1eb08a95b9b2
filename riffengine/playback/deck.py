"""Deck: banks of loops, the bank that is played, and the crossfades from one to the next.

A deck plays a stack of layers, the newest on top, each fading in over those below it. When a layer has faded in, those
below it are removed. Gains of a loop in several layers are added before it is read, so it is read once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from riffengine.playback.effects.effect import DeckEffect
from riffengine.playback.loop import Loop, correlation
from riffengine.playback.morph import Morph
from riffengine.playback.playhead import Playheads
from riffengine.playback.ramp import Gain, Ramp, equal_power

MAX_FADES = 4
"""Crossfades of one deck that may run at once; one more waits until the oldest has ended, which is then sped up."""

HURRY_FRAMES = 256
"""A crossfade that another waits for ends within this (5.3 ms at 48 kHz): fast, but without a click."""


@dataclass
class Layer:
    """One bank on one grid, and how far it has faded in over the layers below it."""

    bank: int
    morph: Morph | None  # None is silence, before the first launch
    playheads: Playheads
    fade_in: Ramp
    correlation: float = 0.0


@dataclass(frozen=True)
class BankLaunch:
    """A bank that begins to sound, and the frame that its launch asked for."""

    bank: int
    asked_frame: int | None


@dataclass
class _PendingChange:
    """A change that waits because ``MAX_FADES`` crossfades run. A newer one replaces it."""

    bank: int
    morph: Morph
    fade_frames: int
    launch: BankLaunch | None


@dataclass
class Deck:
    """State of one deck; belongs to the mixer's thread."""

    name: str
    playheads: Playheads
    effects: tuple[DeckEffect, ...] = ()  # in the order in which they process the sound
    running_effects: list[DeckEffect] = field(default_factory=list)  # in the piece that is being mixed
    gain: Ramp = field(default_factory=lambda: Ramp(1.0))
    unmuted: Ramp = field(default_factory=lambda: Ramp(1.0))
    alpha: Ramp = field(default_factory=lambda: Ramp(0.0))
    stems: dict[str, Ramp] = field(default_factory=dict)
    banks: dict[int, dict[float, Loop]] = field(default_factory=dict)
    sounding: int | None = None
    launched: list[tuple[BankLaunch, int]] = field(default_factory=list)
    changed: bool = False  # a loop may be no longer read
    _layers: list[Layer] = field(default_factory=list)
    _banks_to_drop: set[int] = field(default_factory=set)
    _pending: _PendingChange | None = None

    def place(self, bank: int, alpha: float, loop: Loop, frame: int, fade_frames: int) -> None:
        """Put ``loop`` at ``alpha`` of ``bank``; crossfade in phase if the bank is being played."""
        self.banks.setdefault(bank, {})[alpha] = loop
        self.changed = True
        if bank == self.sounding:
            self._crossfade_to(Morph(self.banks[bank]), frame, fade_frames, None)

    def remove(self, bank: int, alpha: float, frame: int, fade_frames: int) -> bool:
        """Remove a loop; ``False`` when there is none or it is the last one of the bank that is played."""
        loops = self.banks.get(bank)
        if loops is None or alpha not in loops or (bank == self.sounding and len(loops) == 1):
            return False
        del loops[alpha]
        self.changed = True
        if bank == self.sounding:
            self._crossfade_to(Morph(loops), frame, fade_frames, None)
        elif not loops:
            del self.banks[bank]
        return True

    def launch(self, launch: BankLaunch, frame: int, fade_frames: int) -> bool:
        """Play another bank from ``frame`` on, then drop the old one; ``False`` when it is empty or unknown."""
        loops = self.banks.get(launch.bank)
        if not loops:
            return False
        if launch.bank == self.sounding:
            self.launched.append((launch, frame))
            return True
        if self.sounding is not None:
            self._banks_to_drop.add(self.sounding)
        self._banks_to_drop.discard(launch.bank)
        self.sounding = launch.bank
        self.changed = True
        self._crossfade_to(Morph(loops), frame, fade_frames, launch)
        return True

    def follow(self, playheads: Playheads, frame: int, fade_frames: int) -> None:
        """Change to the grid of ``playheads`` at ``frame``; crossfade only if the music would jump."""
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
            self._crossfade_to(top.morph, frame, fade_frames, None)

    def place_on(self, playheads: Playheads) -> None:
        """Read everything that sounds on the grid of ``playheads`` at once; crossfades go on there."""
        self.playheads = playheads
        for layer in self._layers:
            layer.playheads = playheads

    def forget(self, loop: int) -> None:
        """Remove ``loop`` from every bank that is not being played."""
        for bank, loops in list(self.banks.items()):
            if bank == self.sounding:
                continue
            for alpha in [alpha for alpha, held in loops.items() if held.ref.loop == loop]:
                del loops[alpha]
            if not loops:
                del self.banks[bank]

    def holds(self, loop: int) -> bool:
        """Whether ``loop`` is in a bank or still being read."""
        morphs = [layer.morph for layer in self._layers] + [self._pending.morph if self._pending else None]
        return any(held.ref.loop == loop for loops in self.banks.values() for held in loops.values()) or any(
            held.ref.loop == loop for morph in morphs if morph is not None for held in morph.loops
        )

    def settle(self, frame: int) -> None:
        """End the moves that are over at ``frame``, drop what no longer sounds, begin a change that waited."""
        self.settle_faders(frame)
        self.settle_stems(frame)
        self.settle_voices(frame)

    def settle_faders(self, frame: int) -> None:
        """Settle gain and mute alone."""
        self.gain.settle(frame)
        self.unmuted.settle(frame)

    def settle_stems(self, frame: int) -> None:
        """Settle the gains of the stems alone."""
        for ramp in self.stems.values():
            ramp.settle(frame)

    def settle_voices(self, frame: int) -> None:
        """Settle what is read: alpha, crossfades and changes of bank."""
        self.alpha.settle(frame)
        faded_in = 0
        for index, layer in enumerate(self._layers):
            layer.fade_in.settle(frame)
            if index and layer.fade_in.end_frame is None:
                faded_in = index
        if faded_in:
            del self._layers[:faded_in]
            self._layers[0].correlation = 0.0
            self.changed = True
        if self._pending is not None and len(self._layers) <= MAX_FADES:
            pending, self._pending = self._pending, None
            self._start_layer(pending.bank, pending.morph, frame, pending.fade_frames, pending.launch)
        for bank in [b for b in self._banks_to_drop if all(layer.bank != b for layer in self._layers)]:
            self._banks_to_drop.discard(bank)
            self.banks.pop(bank, None)
            self.changed = True

    def start_effects(self, frame: int) -> None:
        """Find the effects that run in the piece that begins at ``frame``."""
        self.running_effects.clear()
        for effect in self.effects:
            if effect.runs(frame):
                self.running_effects.append(effect)

    def next_end(self) -> int | None:
        """The first frame on which a move of this deck ends."""
        ends = [self.next_voice_end(), _first_end(self.gain, self.unmuted, *self.stems.values())]
        return min((end for end in ends if end is not None), default=None)

    def next_stem_end(self) -> int | None:
        """The first frame on which a move of a stem's gain ends."""
        return _first_end(*self.stems.values())

    def next_fader_end(self) -> int | None:
        """The first frame on which a move of gain or mute ends."""
        return _first_end(self.gain, self.unmuted)

    def next_voice_end(self) -> int | None:
        """The first frame on which a move of alpha or a crossfade ends."""
        ends = [self.alpha.end_frame] if self.alpha.end_frame is not None else []
        ends += [layer.fade_in.end_frame for layer in self._layers if layer.fade_in.end_frame is not None]
        return min(ends, default=None)

    def voices(self, frame: int, frames: int) -> list[tuple[Loop, Playheads, Gain]]:
        """Every loop that sounds in a segment, once for each grid, with its gain before stem gains and mixer."""
        if not self._layers:
            return []
        alpha = self.alpha.over(frame, frames)
        gains: list[Gain] = []
        remaining: Gain = 1.0
        for layer in reversed(self._layers[1:]):
            outgoing, incoming = equal_power(layer.fade_in.over(frame, frames), layer.correlation)
            gains.append(remaining * incoming)
            remaining = remaining * outgoing
        gains.append(remaining)
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

    def stem_names(self) -> tuple[str, ...]:
        """The stems of the loops that may be read now."""
        morphs = [layer.morph for layer in self._layers if layer.morph is not None]
        return tuple(dict.fromkeys(stem for morph in morphs for loop in morph.loops for stem in loop.ref.stems))

    def _crossfade_to(self, morph: Morph, frame: int, fade_frames: int, launch: BankLaunch | None) -> None:
        assert self.sounding is not None
        bank = self.sounding
        if self._pending is not None:  # it never began; this change takes over its launch, unless it has its own
            launch = launch or self._pending.launch
            self._pending = _PendingChange(bank, morph, fade_frames, launch)
            return
        if len(self._layers) > MAX_FADES and self._layers[-1].fade_in.start_frame != frame:
            self._pending = _PendingChange(bank, morph, fade_frames, launch)
            for layer in self._layers[1:]:
                end = layer.fade_in.end_frame
                if end is not None and end > frame + HURRY_FRAMES:
                    layer.fade_in.move(1.0, frame, HURRY_FRAMES)
            return
        self._start_layer(bank, morph, frame, fade_frames, launch)

    def _start_layer(self, bank: int, morph: Morph, frame: int, fade_frames: int, launch: BankLaunch | None) -> None:
        if launch is not None:
            self.launched.append((launch, frame))
        alpha = self.alpha.at(frame)
        wanted = morph.weights_at(alpha)
        if not self._layers:
            self._layers.append(Layer(bank, None, self.playheads, Ramp(1.0)))
        top = self._layers[-1]
        if top.playheads is self.playheads and top.morph is not None and top.morph.weights_at(alpha) == wanted:
            # The same loops at the same gains: nothing changes, so no fade is needed.
            top.morph, top.bank = morph, bank
            self.changed = True
            return
        if len(self._layers) > 1 and top.fade_in.start_frame == frame and top.fade_in.at(frame) == 0.0:
            self._layers.pop()  # several changes on one frame are one crossfade
        fade_in = Ramp(0.0)
        fade_in.move(1.0, frame, fade_frames)
        alike = correlation(self._sounding_loops(frame), wanted)
        self._layers.append(Layer(bank, morph, self.playheads, fade_in, alike))

    def _sounding_loops(self, frame: int) -> list[tuple[Loop, float]]:
        """The loops that sound at ``frame`` and their gains, each loop once."""
        found: dict[int, tuple[Loop, float]] = {}
        for loop, _, gain in self.voices(frame, 1):
            level = gain if isinstance(gain, float) else float(gain[0])
            known = found.get(loop.ref.loop)
            found[loop.ref.loop] = (loop, level if known is None else known[1] + level)
        return [entry for entry in found.values() if entry[1] != 0.0]


def _first_end(*ramps: Ramp) -> int | None:
    return min((ramp.end_frame for ramp in ramps if ramp.end_frame is not None), default=None)
