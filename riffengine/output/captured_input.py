"""Captured input: bars of the sound input in a file that says how many beats it holds, so that nobody tracks them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from riffengine.errors import AudioFileError, reason
from riffengine.processes.audio import Block
from riffengine.processes.audio_files import beats_comment
from riffengine.processes.audio_tap import AudioTap

TAIL_SECONDS = 0.02
"""What is kept of the sound after the last bar: a loop fades from it into its beginning."""

_SILENT = 1e-3  # -60 dBFS: a cable without a signal


@dataclass(frozen=True)
class InputBars:
    """What of the input ring to save: ``frames`` from ``first`` on, ``beats`` beats that end at ``end_beat``."""

    first: int
    frames: int
    beats: int
    end_beat: int


def save_input(ring: AudioTap, bars: InputBars, path: Path) -> None:
    """Write ``bars`` of ``ring`` and the tail after them to the new .flac file ``path``, 24 bit. A worker thread.

    ``AudioFileError`` where the ring does not hold all of it, it is silent, or the file cannot be written.
    """
    import soundfile

    wanted = bars.frames + round(TAIL_SECONDS * ring.sample_rate)
    found = ring.read(bars.first, wanted)
    if found.frame != bars.first or len(found.samples) < wanted:
        raise AudioFileError("the sound input was away in these bars; play them again")
    sound: Block = np.nan_to_num(found.samples, nan=0.0, posinf=1.0, neginf=-1.0)
    if np.abs(sound).max() < _SILENT:
        raise AudioFileError("the sound input was silent in these bars; check its cable and its level")
    partial = path.with_suffix(".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with soundfile.SoundFile(
            partial, "x", ring.sample_rate, ring.channels, subtype="PCM_24", format="FLAC"
        ) as file:
            file.comment = beats_comment(bars.beats, bars.frames)
            file.write(np.clip(sound, -1.0, 1.0))
        partial.rename(path)
    except (soundfile.LibsndfileError, OSError) as error:
        partial.unlink(missing_ok=True)
        raise AudioFileError(
            f"{path} cannot be written: {reason(error)}; choose another folder (record: folder:)"
        ) from error
