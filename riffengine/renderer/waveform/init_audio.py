"""InitAudio: reads the sound that a loop starts from as a circular canvas at a model's rate.

song.wav               cut to whole beats from a bar line
song.wav?from=16       the same, sixteen beats after the song's first bar line
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from riffengine.errors import AudioFileError
from riffengine.files.regular import home_path, is_file
from riffengine.renderer.loop_audio import read_loop
from riffengine.renderer.song import Song
from riffengine.renderer.time_stretch import stretch_loop

_MOST_FROM_BEATS = 100_000


@dataclass(frozen=True)
class InitAudio:
    """A parsed ``init``: the file, and the beat to begin at; ``None`` lets the beat tracker choose a bar."""

    file: Path
    beat: int | None = None

    @classmethod
    def parse(cls, init: str) -> InitAudio:
        """Parse ``init``. ``AudioFileError`` for a missing file and for an option that a waveform has no use for."""
        source, _, rest = init.partition("?")
        options = dict(entry.partition("=")[::2] for entry in filter(None, rest.split("&")))
        beat = options.pop("from", "")
        if options or (beat and not (beat.isdecimal() and int(beat) <= _MOST_FROM_BEATS)):
            raise AudioFileError(
                f"init {init!r} cannot be read; a model of waveforms knows the option ?from=BEATS alone"
            )
        path = home_path(source)
        if not is_file(path):
            raise AudioFileError(f"there is no file {source!r} to start from; give the path of a sound")
        return cls(path, int(beat) if beat else None)

    def file_state(self) -> tuple[str, int, int, int]:
        """Path, modification time in ns, size and first beat: changes when the file does."""
        try:
            found = self.file.stat()
        except OSError as error:
            raise AudioFileError(f"{self.file} cannot be read: {error.strerror}; give the path of a file") from error
        return str(self.file), found.st_mtime_ns, found.st_size, -1 if self.beat is None else self.beat

    def read(self, beats: int, bpm: float, sample_rate: int, channels: int, frames: int) -> Tensor:
        """``(1, channels, frames) float32``: ``beats`` of the sound, stretched to ``frames`` at its own pitch."""
        if self.beat is None:
            loop = read_loop(str(self.file), beats, bpm, sample_rate, channels)
        else:
            loop = Song.read(self.file, sample_rate, channels=channels).piece(self.beat, beats)
        sides = loop[:, None] if loop.ndim == 1 else loop
        stretched = stretch_loop(sides, frames, sample_rate)
        return torch.from_numpy(np.ascontiguousarray(stretched.T))[None]
