"""Loop audio: reads a loop from a file, and resamples a loop without a discontinuity at its end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from riffengine.errors import AudioFileError, reason
from riffengine.files.regular import open_regular
from riffengine.processes.audio_files import told_beats
from riffengine.renderer.audio_file import check_shape, read_frames
from riffengine.renderer.beat_tracking import SEAM_SECONDS, beat_loop, seamless

LONGEST_SECONDS = 60.0  # read from the start of the file; a loop needs at most 10 s
_LONGEST_TOLD_SECONDS = 100.0  # where its beats are told: more than the ring of the sound input holds
_TOLD_BPM = 20.0, 1000.0
_SLOWEST_INIT_BPM = 70.0  # half an octave below it eight beats last 9.7 s, and the codec's longest loop is 10 s


def read_loop(path: str, beats: int, bpm: float, sample_rate: int, channels: int = 1) -> NDArray[np.float32]:
    """``beats`` whole beats of the file at ``path``, from a bar line on, mono ``(frames,) float32``; a seamless loop.

    With 2 ``channels`` the result is ``(frames, 2)``: the first two channels of the file, or its only one twice. The
    loop keeps the tempo of the recording, or twice or half that tempo, whichever is nearest to ``bpm``. Encoding brings
    it to the session's tempo without a change of pitch, because a mel image has the same number of frames at any tempo.
    If no beat is found, the loop is the first ``beats`` beats at ``bpm``. A shorter file repeats. Where the
    comment in a file says how many beats it holds (``processes.audio_files``), none are tracked. Of other files the
    first 60 s are read. Raises ``AudioFileError`` when the file cannot be read, is empty or silent, or holds NaN or
    infinity.
    """
    name = Path(path).name
    try:
        with open_regular(path) as opened, soundfile.SoundFile(opened.fileno(), closefd=False) as file:
            rate = file.samplerate
            check_shape(name, rate, file.channels)
            told = _believed(told_beats(file.comment, file.frames), rate)
            longest = LONGEST_SECONDS if told is None else _LONGEST_TOLD_SECONDS
            frames = max(0, min(int(longest * rate), file.frames))
            mixed = read_frames(file, frames, channels)
    except (soundfile.LibsndfileError, OSError, TypeError, ValueError) as error:
        raise AudioFileError(f"{name} cannot be read as audio: {reason(error)}") from error
    samples = mixed[0] if channels == 1 else np.ascontiguousarray(mixed.T)
    if not samples.size or not np.isfinite(samples).all() or not np.abs(samples).max() > 1e-5:
        raise AudioFileError(f"{name} holds no usable sound: it is empty or silent, or samples are not finite")
    samples = soxr.resample(samples, rate, sample_rate) if rate != sample_rate else samples
    if told is not None:
        return _told_loop(samples, beats, told[0], told[1] * sample_rate / rate, round(SEAM_SECONDS * sample_rate))
    loop, _ = beat_loop(samples, sample_rate, beats, max(bpm, _SLOWEST_INIT_BPM))
    return loop


def _believed(told: tuple[int, int] | None, rate: int) -> tuple[int, int] | None:
    """``told``; ``None`` where it asks for more than is read of a file, or for another tempo than music has."""
    if told is None or told[1] > _LONGEST_TOLD_SECONDS * rate:
        return None
    return told if _TOLD_BPM[0] <= 60.0 * rate * told[0] / told[1] <= _TOLD_BPM[1] else None


def _told_loop(
    samples: NDArray[np.float32], beats: int, own_beats: int, own_frames: float, seam: int
) -> NDArray[np.float32]:
    """``beats`` beats of a sound that is known to begin with ``own_beats``; repeated where it has fewer."""
    run = min(beats, own_beats)
    loop = seamless(samples, 0, round(own_frames * run / own_beats), seam)
    whole = np.tile(loop, (-(-beats // run), *(1 for _ in loop.shape[1:])))
    return whole[: round(own_frames * beats / own_beats)]


def resample_loop(samples: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Resample a periodic signal ``(…, old frames)`` to ``(…, frames)`` by its Fourier series: exact and seamless."""
    old = samples.shape[-1]
    if old == frames:
        return samples
    spectrum = np.fft.rfft(samples)
    kept = min(old, frames) // 2 + 1
    out = np.zeros((*samples.shape[:-1], frames // 2 + 1), complex)
    out[..., :kept] = spectrum[..., :kept]
    return (np.fft.irfft(out, frames) * (frames / old)).astype(np.float32)
