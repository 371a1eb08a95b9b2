"""Loops as files and data URIs for Riffusion's API: exact to the sample as FLAC, or MP3."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
import soundfile

from riffengine.processes.audio import Samples
from riffengine.web.loop_picture import jpeg, loop_picture

_CEILING = 0.97
FORMATS = {"flac": ("FLAC", "audio/flac"), "mp3": ("MP3", "audio/mpeg")}


@dataclass(frozen=True)
class LoopAnswer:
    """A rendered loop as a client gets it: both are data URIs."""

    image: str
    audio: str
    duration_s: float


def loop_answer(samples: Samples, sample_rate: int, format_: str) -> LoopAnswer:
    """The answer for the mix ``(frames, channels) float32``. Takes some 0.2 s: not on the event loop."""
    peak = float(np.abs(samples).max(initial=0.0))
    if peak > _CEILING:
        samples = samples * (_CEILING / peak)
    name, content_type = FORMATS[format_]
    file = io.BytesIO()
    soundfile.write(file, samples, sample_rate, format=name, subtype="PCM_16" if name == "FLAC" else None)
    picture = jpeg(loop_picture(np.ascontiguousarray(samples.mean(axis=1)), sample_rate))
    return LoopAnswer(
        _data_uri("image/jpeg", picture), _data_uri(content_type, file.getvalue()), len(samples) / sample_rate
    )


def _data_uri(content_type: str, data: bytes) -> str:
    """Base64 in one line: clients pass it on as an address."""
    return f"data:{content_type};base64,{base64.b64encode(data).decode()}"
