"""The plain rendering: General MIDI by FluidSynth, mono, with the mood's effects; for the judge and for comparison."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riffengine.renderer.bundled.score import BEATS
from tools.train.compose import effects
from tools.train.compose.composition import Composition
from tools.train.compose.performance import Track
from tools.train.compose.tempo import SAMPLE_RATE, loop_frames
from tools.train.studio.dynamics import sidechain
from tools.train.studio.players import play_soundfont
from tools.train.studio.soundfont import SoundFont
from tools.train.studio.soundfont import find_soundfont as find_soundfont

STEMS = ("drums", "bass", "harmony")
STEM_OF = {"drums": "drums", "bass": "bass", "comp": "harmony", "lead": "harmony"}

_MIX_DB = -20.0  # the loudness of a part at level 0; only the balance matters, the mix is levelled
_MOST_GAIN_DB = 26.0  # a part that is almost inaudible (a sub below 40 Hz) is not dragged up without end
_PUMP_BEATS = 0.7


class Band:
    """One soundfont, for many loops; belongs to one process and one thread."""

    def __init__(self, soundfont: Path) -> None:
        self._font = SoundFont(soundfont)

    def render(self, piece: Composition) -> NDArray[np.float32]:
        """The loop's stems ``(3, frames) float32`` in the order ``STEMS``; their sum is the loop, levelled.

        ``frames`` is ``loop_frames(bpm)``. Each part is played alone and balanced by its loudness while it plays,
        since General MIDI presets differ by 20 dB. The effects act on each stem, as on the channels of a mixer.
        """
        dry = np.zeros((len(STEMS), loop_frames(piece.bpm)), np.float32)
        for track in piece.tracks:
            dry[STEMS.index(STEM_OF[track.part])] += self._balanced(piece, track)
        stems = np.zeros_like(dry)
        for stem, part in zip(stems, dry, strict=True):
            if part.any():
                stem[:] = effects.apply(part, piece.sound, len(part) / BEATS, SAMPLE_RATE)
        return effects.levelled(stems)

    def _balanced(self, piece: Composition, track: Track) -> NDArray[np.float32]:
        frames = loop_frames(piece.bpm)
        dry = play_soundfont(self._font, track, frames, layered=False).mean(axis=0)
        if piece.sound.pump and track.part != "drums":  # on every beat, as if a kick pressed it down
            beats = [(round(beat * frames / BEATS), 1.0) for beat in range(BEATS)]
            dry *= sidechain(frames, beats, piece.sound.pump, _PUMP_BEATS * frames / BEATS)
        wanted = _MIX_DB + track.level_db - effects.active_loudness_db(dry, SAMPLE_RATE)
        return dry * np.float32(10.0 ** (min(wanted, _MOST_GAIN_DB) / 20.0))

    def close(self) -> None:
        """Free the synthesiser and its samples."""
        self._font.close()
