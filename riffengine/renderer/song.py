"""Song: a complete piece of music that is cut into pieces of whole beats. Read once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riffengine.errors import AudioFileError
from riffengine.renderer.audio_file import read_audio
from riffengine.renderer.beat_tracking import track_beats

LONGEST_SECONDS = 1200.0  # 53 million samples, 212 MB
DEFAULT_BPM = 93.75  # for music without a beat: one has 64 columns of a spectrogram, ten milliseconds each
_SEAM_SECONDS = 0.02


@dataclass(frozen=True)
class Song:
    """``samples`` ``(frames,)`` or ``(frames, 2) float32``, the tempo, and the frame of the first bar line."""

    samples: NDArray[np.float32]
    sample_rate: int
    bpm: float
    first_frame: float

    @classmethod
    def read(cls, path: Path, sample_rate: int, longest: float = LONGEST_SECONDS, channels: int = 1) -> Song:
        """Read the song at ``path``, mono or with 2 ``channels``, and track its beat.

        Without a clear beat, beats of 0.64 s are counted from the start. Raises ``AudioFileError`` for a file that
        cannot be read, is longer than ``longest`` seconds, silent or empty.
        """
        channels_first = read_audio(path, channels, sample_rate, longest=longest).samples
        track = track_beats(channels_first.mean(axis=0), sample_rate)
        samples = np.ascontiguousarray(channels_first.T) if channels > 1 else channels_first[0]
        bpm, first = (track.bpm, track.first_bar) if track.clear else (DEFAULT_BPM, 0.0)
        return cls(samples, sample_rate, bpm, first * sample_rate)

    @property
    def frames_per_beat(self) -> float:
        """Frames of one beat, not rounded."""
        return 60.0 / self.bpm * self.sample_rate

    def piece_count(self, beats: int) -> int:
        """The number of complete pieces of ``beats`` beats, at least one; a shorter song repeats within it."""
        return max(1, int((len(self.samples) - self.first_frame) / (beats * self.frames_per_beat) + 1e-6))

    def piece(self, beat: int, beats: int) -> NDArray[np.float32]:
        """``beats`` beats from ``beat`` on as a seamless loop: its end is crossfaded into the audio before its start.

        Raises ``AudioFileError`` when the song ends before ``beat``.
        """
        start = round(self.first_frame + beat * self.frames_per_beat)
        frames = round(beats * self.frames_per_beat)
        if start >= len(self.samples):
            last = int((len(self.samples) - self.first_frame) / self.frames_per_beat)
            raise AudioFileError(f"the sound ends before beat {beat}; its last beat is {last}: start earlier (?from=)")
        clip: NDArray[np.float32] = np.resize(self.samples[start : start + frames], (frames, *self.samples.shape[1:]))
        fade = min(round(_SEAM_SECONDS * self.sample_rate), start, frames)
        if fade:
            share = np.linspace(0.0, 1.0, fade, dtype=np.float32).reshape(-1, *(1 for _ in clip.shape[1:]))
            clip[-fade:] = clip[-fade:] * (1.0 - share) + self.samples[start - fade : start] * share
        return clip
