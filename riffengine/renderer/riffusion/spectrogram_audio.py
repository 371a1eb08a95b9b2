"""Converts audio files to spectrogram images and images to audio, of any allowed length, in bounded memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from riffengine.errors import PictureError
from riffengine.renderer.audio_file import Excerpt
from riffengine.renderer.levelling import LOUDNESS_LUFS, level
from riffengine.renderer.loop_audio import resample_loop
from riffengine.renderer.loudness import loop_loudness
from riffengine.renderer.riffusion.codec import COLUMNS_PER_BEAT, RiffusionCodec, RiffusionParams, frames_of_columns
from riffengine.renderer.riffusion.spectrogram_image import WIDEST, Picture

_PIECE_COLUMNS, _OVERLAP_COLUMNS = 1024, 32  # a picture longer than two pieces is decoded in pieces that overlap


def picture_from_audio(
    excerpt: Excerpt, params: RiffusionParams, bpm: float | None = None
) -> tuple[NDArray[np.float32], RiffusionParams]:
    """The circular picture ``(1|3, bands, columns)`` of an excerpt, and its parameters with step and level filled in.

    A column is 10 ms (``step_size_ms``), or a 64th of a beat at ``bpm``. Raises the codec's ``RendererError``.
    """
    if bpm is not None:
        params = replace(params, step_size_ms=60000.0 / bpm / COLUMNS_PER_BEAT)
    frames = excerpt.samples.shape[1]
    columns = min(max(round(frames / excerpt.sample_rate / params.step_size_ms * 1000.0), 8), WIDEST)
    codec = RiffusionCodec(params)
    audio = torch.from_numpy(excerpt.samples)[None]
    params = replace(params, max_value=max(float(codec.bands(audio, columns).max()), 1e-6))
    image = codec.encode(audio, columns, max_value=params.max_value)[0].numpy()
    return image, params


@torch.inference_mode()
def audio_from_picture(
    picture: Picture, bpm: float | None = None, sample_rate: int | None = None, iterations: int = 32
) -> tuple[NDArray[np.float32], int]:
    """The audio ``(frames, channels) float32`` of a picture, and its sample rate; ``bpm`` changes tempo, not pitch.

    Up to 2048 columns become a seamless loop; a longer picture is decoded in overlapping pieces. If the picture stores
    a level, the audio has that level (lower if it would clip), else -14 LUFS. Raises ``PictureError`` for a silent
    picture, and the codec's ``RendererError``.
    """
    codec = RiffusionCodec(picture.params)
    image = torch.from_numpy(picture.image)[None]
    frames = frames_of_columns(image.shape[3], picture.params, bpm)
    whole = image.shape[3] <= 2 * _PIECE_COLUMNS
    audio = (
        codec.decode(image, frames, iterations=iterations)
        if whole
        else _decode_in_pieces(codec, image, frames, iterations)
    )
    sound = audio[0].T.contiguous().numpy()
    codec_rate, rate = picture.params.sample_rate, sample_rate or picture.params.sample_rate
    if loop_loudness(sound, codec_rate) == -np.inf:
        raise PictureError(
            "the picture is silent: nothing in it is dark enough to be audible; draw darker, or use --invert"
        )
    if picture.has_level:
        sound = sound * np.float32(min(1.0, 0.98 / float(np.abs(sound).max())))
    else:
        sound = level(sound[None], LOUDNESS_LUFS, codec_rate).audio[0]
    if rate != codec_rate:
        sound = resample_loop(np.ascontiguousarray(sound.T), round(len(sound) * rate / codec_rate)).T
    return np.ascontiguousarray(sound), rate


def _decode_in_pieces(
    codec: RiffusionCodec, image: Tensor, frames: int, iterations: int, size: int = _PIECE_COLUMNS
) -> Tensor:
    """The audio ``(1, channels, frames)`` of a long picture. Each piece starts from the phases of the piece before it.

    A piece is wrong near its ends, where it wraps around, so a window's width is discarded on both sides.
    """
    columns = image.shape[3]
    out = torch.zeros(1, codec.params.channels, frames)
    done = 0
    for first in range(0, columns, size):
        low, high = max(0, first - 2 * _OVERLAP_COLUMNS), min(columns, first + size + _OVERLAP_COLUMNS)
        begin, end = (round(column * frames / columns) for column in (low, high))
        piece = _padded_even(image[..., low:high])
        length = round(piece.shape[3] * frames / columns)
        audio = codec.decode(piece, length, iterations=0 if done else iterations)
        if done:  # start from the phases of the finished audio; after it, from predicted phases
            known = done - begin
            audio[..., :known] = out[..., begin:done]
            audio = codec.decode(piece, length, phase_from=audio, iterations=iterations)
            overlap = round(_OVERLAP_COLUMNS * frames / columns / 2)
            _crossfade(out, audio, begin, done - overlap, done)
        stop = min(end, frames) if high == columns else round((first + size) * frames / columns)
        out[..., done:stop] = audio[..., done - begin : stop - begin]
        done = stop
    return out


def _padded_even(piece: Tensor) -> Tensor:
    """Pad with white at the end to at least 64 columns and to an even number of columns."""
    short = max(64 - piece.shape[3], piece.shape[3] % 2)
    return torch.nn.functional.pad(piece, (0, short), value=1.0) if short else piece


def _crossfade(out: Tensor, audio: Tensor, begin: int, start: int, stop: int) -> None:
    """Crossfade from ``out`` to ``audio`` over ``start:stop``, with a gain that depends on their correlation."""
    before, after = out[..., start:stop], audio[..., start - begin : stop - begin]
    power = before.square().sum() * after.square().sum()
    correlation = float(((before * after).sum() / power.clamp_min(1e-20).sqrt()).clamp(0.0, 1.0))
    fade = torch.linspace(0.0, 1.0, stop - start)
    gain = ((1 - fade) ** 2 + fade**2 + 2 * correlation * fade * (1 - fade)).rsqrt()
    out[..., start:stop] = gain * ((1 - fade) * before + fade * after)
