"""RecordedWav: a recording that came as base64 of a WAV file, looked at without decoding it; and such a file. Pure.

What sound is in it is left to the renderer; here only the head is read, with bounds. Source: RIFF WAVE, Microsoft's
multimedia programming interface of 1991, and WAVE_FORMAT_EXTENSIBLE.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass

import numpy as np
import soxr

from riffengine.errors import AudioFileError
from riffengine.processes.audio import Samples

MOST_BYTES = 3 << 20  # of the file; 8 s of stereo with 32 bit are 2.8 MB
_CODINGS = {1: "integers", 3: "floats", 0xFFFE: "one of many"}
_RATES = (8000, 192_000)
_MOST_CHANNELS = 8


@dataclass(frozen=True)
class RecordedWav:
    """``data`` is the whole file. ``name`` is made of its content, and of nothing that was sent besides."""

    data: bytes
    sample_rate: int
    channels: int
    frames: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.frames / self.sample_rate

    @property
    def name(self) -> str:
        """A file name for it."""
        return hashlib.sha256(self.data).hexdigest()[:32] + ".wav"


def recorded_wav(text: str) -> RecordedWav:
    """The recording in the base64 ``text``; ``AudioFileError`` says what is wrong with it."""
    if len(text) > MOST_BYTES * 4 // 3 + 4:
        raise AudioFileError(f"audio: at most {MOST_BYTES >> 20} MB are taken; send a shorter recording")
    try:
        data = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise AudioFileError("audio: this is not base64; send a WAV file as base64") from None
    try:
        return _read_head(data)
    except (struct.error, IndexError):
        raise AudioFileError("audio: this is no whole WAV file; send one with a head and samples") from None


def _read_head(data: bytes) -> RecordedWav:
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise AudioFileError("audio: this is no WAV file; send one as base64")
    at, shape = 12, None
    while at + 8 <= len(data):
        kind, size = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
        at += 8
        if kind == b"fmt ":
            coding, channels, rate, _, block_bytes = struct.unpack_from("<HHIIH", data, at)
            if coding not in _CODINGS or not 1 <= channels <= _MOST_CHANNELS or not _RATES[0] <= rate <= _RATES[1]:
                raise AudioFileError(
                    f"audio: 1 to {_MOST_CHANNELS} channels of integers or floats at {_RATES[0]} to {_RATES[1]} Hz are "
                    f"taken, not {channels} of coding {coding} at {rate} Hz"
                )
            shape = channels, rate, max(1, block_bytes)
        elif kind == b"data" and shape is not None:
            channels, rate, block_bytes = shape
            frames = min(size, len(data) - at) // block_bytes
            if not frames:
                break
            return RecordedWav(data, rate, channels, frames)
        at += size + size % 2
    raise AudioFileError("audio: the WAV file holds no samples; record something first")


def wav_like(samples: Samples, sample_rate: int, recorded: RecordedWav) -> str:
    """``samples`` ``(frames, channels) float32`` as base64 of a WAV file of 16 bit with the shape of ``recorded``.

    The plugin reads it into a buffer of the size that it has sent.
    """
    if sample_rate != recorded.sample_rate:
        samples = soxr.resample(samples, sample_rate, recorded.sample_rate)
    if recorded.channels == 1:
        samples = samples.mean(axis=1, keepdims=True)
    indices = np.arange(recorded.channels) % samples.shape[1]
    exact = np.zeros((recorded.frames, recorded.channels), np.float32)
    exact[: len(samples)] = samples[: recorded.frames, indices]
    if (peak := float(np.abs(exact).max(initial=0.0))) > 1.0:
        exact /= peak
    sound = np.rint(exact * 32767).astype("<i2").tobytes()
    shape = (1, recorded.channels, recorded.sample_rate, recorded.sample_rate * recorded.channels * 2)
    head = struct.pack(
        "<4sI4s4sIHHIIHH", b"RIFF", 36 + len(sound), b"WAVE", b"fmt ", 16, *shape, recorded.channels * 2, 16
    )
    return base64.b64encode(head + struct.pack("<4sI", b"data", len(sound)) + sound).decode()
