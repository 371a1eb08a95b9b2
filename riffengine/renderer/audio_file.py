"""Reads and writes audio files of any allowed length, with errors that say what to do. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from riffengine.errors import AudioFileError, reason
from riffengine.files.regular import open_regular

LONGEST_SECONDS = 300.0  # 30,000 columns of 10 ms; 53 MB as mono samples, 61 MB as bands
HIGHEST_RATE = 768_000  # Hz
MOST_CHANNELS = 64
MOST_SAMPLES = 120_000_000  # that are kept at the file's own rate: twenty minutes of 48 kHz in stereo, 480 MB
_BLOCK_SAMPLES = 1 << 20  # of all channels, read at a time
_LOSSY = {".ogg": "VORBIS", ".mp3": "MPEG_LAYER_III"}
_WRITTEN_FRAMES = 1 << 14


@dataclass(frozen=True)
class Excerpt:
    """A part of an audio file: ``samples`` ``(channels, frames) float32`` at ``sample_rate``, and where it starts."""

    samples: NDArray[np.float32]
    sample_rate: int
    start_seconds: float


def read_audio(
    path: Path, channels: int, sample_rate: int, start: float = 0.0, seconds: float | None = None,
    longest: float = LONGEST_SECONDS,
) -> Excerpt:  # fmt: skip
    """``seconds`` of the file from ``start``, as 1 or 2 ``channels`` at ``sample_rate``.

    The length is checked before reading. Raises ``AudioFileError`` for a file that cannot be read, is too long or too
    short, holds NaN or infinity, or is silent.
    """
    name = path.name
    try:
        with open_regular(path) as opened, soundfile.SoundFile(opened.fileno(), closefd=False) as file:
            check_shape(name, file.samplerate, file.channels)
            rate, first = file.samplerate, round(start * file.samplerate)
            wanted = file.frames - first if seconds is None else min(round(seconds * rate), file.frames - first)
            if wanted < rate / 4:
                raise AudioFileError(
                    f"{name} is {file.frames / rate:.2f} s long; less than 0.25 s is left after {start:g} s"
                )
            if wanted > longest * rate:
                raise AudioFileError(
                    f"{name}: {wanted / rate / 60:.1f} minutes are too long; at most {longest / 60:g} minutes are "
                    "possible at a time; give --start and --seconds"
                )
            if wanted * channels > MOST_SAMPLES:
                raise AudioFileError(
                    f"{name}: {wanted:,} frames at {rate:,} Hz are too many at a time; convert it to 48 kHz, or give "
                    "--start and --seconds"
                )
            file.seek(first)
            sound = read_frames(file, wanted, channels)
    except (soundfile.LibsndfileError, OSError, TypeError, ValueError, MemoryError) as error:
        raise AudioFileError(f"{name} cannot be read as audio: {reason(error)}; convert it to .wav or .flac") from error
    if not np.isfinite(sound).all():
        raise AudioFileError(f"{name} holds NaN or infinity; every sample must be finite; export it again")
    if not sound.size or not np.abs(sound).max() > 1e-5:
        raise AudioFileError(f"{name} is silent from {start:g} s on; choose a part with sound")
    if rate != sample_rate:
        sound = np.ascontiguousarray(soxr.resample(sound.T, rate, sample_rate).T)
    return Excerpt(sound, sample_rate, start)


def check_shape(name: str, sample_rate: int, channels: int) -> None:
    """``AudioFileError`` for a rate or a number of channels that no sound has."""
    if not 0 < sample_rate <= HIGHEST_RATE or not 0 < channels <= MOST_CHANNELS:
        raise AudioFileError(
            f"{name} has {channels} channels at {sample_rate:,} Hz; up to {MOST_CHANNELS} channels and "
            f"{HIGHEST_RATE:,} Hz can be read; convert it to .wav or .flac"
        )


def read_frames(file: soundfile.SoundFile, frames: int, channels: int) -> NDArray[np.float32]:
    """At most ``frames`` of ``file`` from where it stands, as ``(channels, frames) float32``.

    The channels are mixed as they are read: eight of them at a high rate would take gigabytes.
    """
    sound = np.empty((channels, frames), np.float32)
    at = 0
    with np.errstate(all="ignore"):  # of NaN and infinity, which the caller refuses
        for block in file.blocks(_BLOCK_SAMPLES // file.channels, frames=frames, dtype="float32", always_2d=True):
            sound[:, at : at + len(block)] = _with_channels(block, channels)
            at += len(block)
    return sound[:, :at]


def write_audio(path: Path, samples: NDArray[np.float32], sample_rate: int) -> None:
    """Write ``(frames, channels)`` with 24 bits, or as Vorbis (.ogg) or MP3; ``AudioFileError``: it cannot be.

    The ending of ``path`` names the format; it is one of ``processes.audio_files.RENDERED_ENDINGS``.
    """
    subtype = _LOSSY.get(path.suffix.lower(), "PCM_24")
    try:
        with soundfile.SoundFile(path, "w", sample_rate, samples.shape[1], subtype) as file:
            for first in range(0, len(samples), _WRITTEN_FRAMES):  # the coder of Vorbis keeps a write on its stack
                file.write(samples[first : first + _WRITTEN_FRAMES])
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioFileError(f"{path} cannot be written: {reason(error)}; choose another path") from error


def _with_channels(block: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """``(frames, any)`` to ``(channels, frames)``: mono is the mean; stereo is the first two channels, or one twice."""
    if channels == 1:
        return block.mean(axis=1)[None]
    return np.repeat(block.T, 2, axis=0) if block.shape[1] == 1 else block.T[:2]
