"""Song: a whole piece of music, cut at its own beats. Read once, played piece by piece."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riffengine.errors import AudioFileError
from riffengine.renderer.beat_tracking import track_beats
from riffengine.renderer.riffusion.codec import COLUMNS_PER_BEAT
from riffengine.renderer.riffusion.spectrogram_audio import read_sound

LONGEST_SECONDS = 1200.0  # 53 million samples, 212 MB
PLAIN_BPM = 60_000.0 / 10.0 / COLUMNS_PER_BEAT  # 93.75: of music without a beat, ten milliseconds a column
_SEAM_SECONDS = 0.02


@dataclass(frozen=True)
class Song:
    """``samples`` ``(frames,)`` or ``(frames, 2) float32``, their tempo, and the frame of the first bar line."""

    samples: NDArray[np.float32]
    sample_rate: int
    bpm: float
    first_frame: float

    @classmethod
    def read(cls, path: Path, sample_rate: int, longest: float = LONGEST_SECONDS, channels: int = 1) -> Song:
        """The song at ``path``, mono or with 2 ``channels``, its beat tracked.

        Without a clear one its beats are of 0.64 s from the start on.
        Raises ``AudioFileError`` for a file that cannot be read, is longer than ``longest`` seconds, silent or empty.
        """
        sides = read_sound(path, channels, sample_rate, longest=longest).samples
        track = track_beats(sides.mean(axis=0), sample_rate)
        sound = np.ascontiguousarray(sides.T) if channels > 1 else sides[0]
        bpm, first = (track.bpm, track.first_bar) if track.clear else (PLAIN_BPM, 0.0)
        return cls(sound, sample_rate, bpm, first * sample_rate)

    @property
    def frames_of_a_beat(self) -> float:
        """Frames of one beat, not whole."""
        return 60.0 / self.bpm * self.sample_rate

    def pieces(self, beats: int) -> int:
        """How many whole pieces of ``beats`` there are, one at least: the last one may then repeat what there is."""
        return max(1, int((len(self.samples) - self.first_frame) / (beats * self.frames_of_a_beat) + 1e-6))

    def piece(self, beat: int, beats: int) -> NDArray[np.float32]:
        """``beats`` beats from ``beat`` on, without an edge: its end is faded into what comes before its start.

        Raises ``AudioFileError`` where the song is over by then.
        """
        start = round(self.first_frame + beat * self.frames_of_a_beat)
        frames = round(beats * self.frames_of_a_beat)
        if start >= len(self.samples):
            last = int((len(self.samples) - self.first_frame) / self.frames_of_a_beat)
            raise AudioFileError(f"the sound is over at beat {beat}; its last is {last}: begin earlier (?from=)")
        clip: NDArray[np.float32] = np.resize(self.samples[start : start + frames], (frames, *self.samples.shape[1:]))
        fade = min(round(_SEAM_SECONDS * self.sample_rate), start, frames)
        if fade:
            share = np.linspace(0.0, 1.0, fade, dtype=np.float32).reshape(-1, *(1 for _ in clip.shape[1:]))
            clip[-fade:] = clip[-fade:] * (1.0 - share) + self.samples[start - fade : start] * share
        return clip
