"""Controls: every knob and fader of the mixer by its name, each a ramp over absolute frames."""

from __future__ import annotations

import math
from collections.abc import Mapping

from riffengine.playback.crossfader import Crossfader
from riffengine.playback.cue_bus import CueBus
from riffengine.playback.deck import Deck
from riffengine.playback.effects.filter import DeckFilter
from riffengine.playback.ramp import Gain, Ramp
from riffengine.processes.player_messages import SetControl

_MUTE_SECONDS = 0.005
_MOST_GAIN = 16.0  # +24 dB


class Controls:
    """The controls of the mixer and of its ``decks``; belongs to the mixer's thread.

    The names are those of the parameters they stand behind (``deck/a/gain``), and ``fade``, which starts at 0.
    """

    def __init__(
        self,
        decks: Mapping[str, Deck],
        filters: Mapping[str, DeckFilter],
        cross: Crossfader,
        cue: CueBus | None,
        sample_rate: int,
    ) -> None:
        self.master = Ramp(1.0)
        self.fade = Ramp(0.0)
        self._decks, self._filters, self._cross, self._cue = decks, filters, cross, cue
        self._mute_frames = round(_MUTE_SECONDS * sample_rate)
        # Those of a deck are its own to settle.
        self._ramps = [self.master, self.fade, *cross.ramps, *(cue.ramps if cue else ())]
        self._ramps += [own.knob for own in filters.values()]

    def settle(self, frame: int) -> None:
        """Rest where the move is over at ``frame``."""
        for ramp in self._ramps:
            ramp.settle(frame)

    def next_end(self) -> int | None:
        """The first frame on which a move ends."""
        return min((ramp.end_frame for ramp in self._ramps if ramp.end_frame is not None), default=None)

    def level(self, deck: Deck, frame: int, frames: int) -> Gain:
        """What master, fade, crossfader and the deck's own fader and mute make of a deck's sound."""
        level = self.master.over(frame, frames) * self.fade.over(frame, frames)
        level = level * deck.gain.over(frame, frames) * deck.unmuted.over(frame, frames)
        return level * self._cross.gain(deck.name, frame, frames)

    def move(self, message: SetControl, frame: int) -> bool:
        """Begin a move on ``frame``; ``False`` when there is no such control or the value is no number."""
        if not math.isfinite(message.value):
            return False
        value, ramp_frames = float(message.value), message.ramp_frames
        if message.name.endswith("/side"):
            deck = self._decks.get(message.name.split("/")[1])
            return deck is not None and self._cross.assign(deck.name, round(value), frame, ramp_frames)
        ramp, most = self._find(message.name)
        if ramp is None:
            return False
        value = min(max(value, -1.0 if message.name.endswith("/filter") else 0.0), most)
        if message.name.endswith("/mute"):
            value, ramp_frames = 1.0 - value, self._mute_frames
        ramp.move(value, frame, ramp_frames)
        return True

    def foresee(self, message: SetControl, frame: int) -> bool:
        """Whether ``message`` is a plain move of an alpha, which is then known ahead: it need not cut a piece.

        A walk moves alpha on every sixteenth note; hours of it are mixed five times as fast in long pieces.
        """
        words = message.name.split("/")
        if message.stamp_ns or words[-1] != "alpha" or len(words) != 3 or not math.isfinite(message.value):
            return False
        deck = self._decks.get(words[1])
        if deck is None:
            return False
        deck.alpha.move_later(min(max(float(message.value), 0.0), 1.0), frame, message.ramp_frames)
        return True

    def _find(self, name: str) -> tuple[Ramp | None, float]:
        """The ramp behind a control's name and the largest value it takes; no ramp if there is no such control."""
        if name == "master/gain":
            return self.master, _MOST_GAIN
        if name == "fade":
            return self.fade, 1.0
        if self._cue is not None and name in ("cue/gain", "cue/mix"):
            return (self._cue.gain, _MOST_GAIN) if name == "cue/gain" else (self._cue.mix, 1.0)
        if name == "crossfader":
            return self._cross.position, 1.0
        words = name.split("/")
        deck = self._decks.get(words[1]) if len(words) > 2 and words[0] == "deck" else None
        return (None, 0.0) if deck is None else self._find_on(deck, words[2:])

    def _find_on(self, deck: Deck, words: list[str]) -> tuple[Ramp | None, float]:
        match words:
            case ["gain"]:
                return deck.gain, _MOST_GAIN
            case ["mute"]:
                return deck.unmuted, 1.0
            case ["alpha"]:
                return deck.alpha, 1.0
            case ["cue"] if self._cue is not None:
                return self._cue.switches[deck.name], 1.0
            case ["filter"]:
                return self._filters[deck.name].knob, 1.0
            case ["stem", stem, "gain"]:
                return deck.stems.setdefault(stem, Ramp(1.0)), _MOST_GAIN
        return None, 0.0
