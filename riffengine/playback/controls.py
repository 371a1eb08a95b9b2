"""Controls: every knob and fader of the mixer by its path, each a ramp over absolute frames."""

from __future__ import annotations

import math
from collections.abc import Mapping

from riffengine.playback.crossfader import Crossfader
from riffengine.playback.cue_bus import CueBus
from riffengine.playback.deck import Deck
from riffengine.playback.message_queue import Stage
from riffengine.playback.ramp import Control, Gain, Ramp
from riffengine.processes.audio import SENDS
from riffengine.processes.parameter_path import ParameterPath, parse_path
from riffengine.processes.player_messages import FADE, SetControl

_MUTE_SECONDS = 0.005
_MAX_GAIN = 16.0  # +24 dB


class Controls:
    """The controls of the mixer and of its ``decks``; belongs to the mixer's thread.

    Each is known by the path of the parameter that moves it (``deck/a/gain``), and ``FADE``, which starts at 0.
    """

    def __init__(self, decks: Mapping[str, Deck], crossfader: Crossfader, cue: CueBus | None, sample_rate: int) -> None:
        self.master = Ramp(1.0)
        self.fade = Ramp(0.0)
        self._decks, self._crossfader = decks, crossfader
        self._mute_frames = round(_MUTE_SECONDS * sample_rate)
        effects = {
            parse_path(f"deck/{name}/{control}"): found
            for name, deck in decks.items()
            for effect in deck.effects
            for control, found in effect.controls.items()
        }
        self._alphas = {ParameterPath("alpha", name): deck.alpha for name, deck in decks.items()}
        self._mutes = {ParameterPath("mute", name): deck.unmuted for name, deck in decks.items()}
        self._sides = {ParameterPath("side", name): name for name in decks}
        self._sends = {ParameterPath(send, name, group="send"): Ramp(0.0) for name in decks for send in SENDS}
        self._controls = {
            **effects,
            ParameterPath("gain", group="master"): Control(self.master, high=_MAX_GAIN),
            FADE: Control(self.fade),
            ParameterPath("crossfader"): Control(crossfader.position),
            **{ParameterPath("gain", name): Control(deck.gain, high=_MAX_GAIN) for name, deck in decks.items()},
            **{path: Control(ramp, high=_MAX_GAIN) for path, ramp in self._sends.items()},
            **{path: Control(ramp) for path, ramp in (*self._alphas.items(), *self._mutes.items())},
        }
        if cue is not None:
            self._controls[ParameterPath("gain", group="cue")] = Control(cue.gain, high=_MAX_GAIN)
            self._controls[ParameterPath("mix", group="cue")] = Control(cue.mix)
            self._controls |= {ParameterPath("cue", name): Control(switch) for name, switch in cue.switches.items()}
        # Each deck settles its own gain, mute, alpha and stems.
        ends = (self.master, self.fade, *((cue.gain, cue.mix) if cue else ()))
        faders = (*crossfader.ramps, *self._sends.values(), *(cue.switches.values() if cue else ()))
        self._ramps: Mapping[Stage, tuple[Ramp, ...]] = {
            Stage.VOICES: (),
            Stage.DECKS: tuple(control.ramp for control in effects.values()),
            Stage.FADERS: faders,
            Stage.OUT: ends,
        }
        self._all_ramps = [ramp for ramps in self._ramps.values() for ramp in ramps]
        self._effects = frozenset(effects)
        self._ends = frozenset(path for path, control in self._controls.items() if control.ramp in ends)

    def settle(self, frame: int, stage: Stage | None = None) -> None:
        """End the moves that are over at ``frame``, all or those of one stage."""
        for ramp in self._all_ramps if stage is None else self._ramps[stage]:
            ramp.settle(frame)

    def next_end(self, stage: Stage | None = None) -> int | None:
        """The first frame on which a move ends, of all or of one stage."""
        ramps = self._all_ramps if stage is None else self._ramps[stage]
        return min((ramp.end_frame for ramp in ramps if ramp.end_frame is not None), default=None)

    def stage_of(self, target: ParameterPath) -> Stage:
        """The stage of the mixer that the control ``target`` belongs to."""
        if target in self._alphas:
            return Stage.VOICES
        if target in self._effects or target.stem:
            return Stage.DECKS
        return Stage.OUT if target in self._ends else Stage.FADERS

    def level(self, deck: Deck, frame: int, frames: int) -> Gain:
        """The gain of a deck's sound: master, fade, crossfader, and the deck's own gain and mute."""
        level = self.master.over(frame, frames) * self.fade.over(frame, frames)
        level = level * deck.gain.over(frame, frames) * deck.unmuted.over(frame, frames)
        return level * self._crossfader.gain(deck.name, frame, frames)

    def deck_level(self, deck: Deck, frame: int, frames: int) -> Gain:
        """The gain of a deck's sound without master and fade."""
        level = deck.gain.over(frame, frames) * deck.unmuted.over(frame, frames)
        return level * self._crossfader.gain(deck.name, frame, frames)

    def end_level(self, frame: int, frames: int) -> Gain:
        """The gain of master and fade."""
        return self.master.over(frame, frames) * self.fade.over(frame, frames)

    def send_level(self, deck: Deck, send: str, frame: int, frames: int) -> Gain:
        """How much of a deck's sound, after its fader, goes to a send bus."""
        return self._sends[ParameterPath(send, deck.name, group="send")].over(frame, frames)

    def move(self, message: SetControl, frame: int) -> bool:
        """Begin a move on ``frame``; ``False`` when there is no such control or the value is not finite."""
        if not math.isfinite(message.value):
            return False
        target, value, ramp_frames = message.target, float(message.value), message.ramp_frames
        if target in self._sides:
            return self._crossfader.assign(self._sides[target], round(value), frame, ramp_frames)
        control = self._controls.get(target) or self._stem_gain(target)
        if control is None:
            return False
        value = min(max(value, control.low), control.high)
        if target in self._mutes:
            # While nothing is heard there is nothing to smooth, and a muted deck must not be heard at all.
            value, ramp_frames = 1.0 - value, self._mute_frames if self.fade.at(frame) > 0.0 else 0
        control.ramp.move(value, frame, ramp_frames)
        return True

    def move_later(self, message: SetControl, frame: int) -> bool:
        """Give a plain move of an alpha to its ramp before ``frame`` has come; ``False`` for any other message.

        Such a move does not cut a piece. Drift moves alpha on every sixteenth note; hours of it are mixed five times
        as fast in long pieces.
        """
        alpha = self._alphas.get(message.target)
        if alpha is None or message.stamp_ns or not math.isfinite(message.value):
            return False
        alpha.move_later(min(max(float(message.value), 0.0), 1.0), frame, message.ramp_frames)
        return True

    def is_side(self, target: ParameterPath) -> bool:
        """Whether ``target`` assigns a deck to a side of the crossfader: no control that moves."""
        return target in self._sides

    def _stem_gain(self, target: ParameterPath) -> Control | None:
        """The gain of a stem: made at its first move, since the mixer learns the names of stems from its loops."""
        deck = self._decks.get(target.deck)
        if deck is None or target != ParameterPath("gain", deck.name, target.stem) or not target.stem:
            return None
        return Control(deck.stems.setdefault(target.stem, Ramp(1.0)), high=_MAX_GAIN)
