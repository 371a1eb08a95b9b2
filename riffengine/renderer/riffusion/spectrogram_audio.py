"""Sound files to pictures and pictures to sound, of any length that fits, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor

from riffengine.errors import AudioFileError, PictureError
from riffengine.renderer.loop_audio import resample_loop
from riffengine.renderer.loudness import level, loop_loudness
from riffengine.renderer.riffusion.codec import COLUMNS_PER_BEAT, RiffusionCodec, RiffusionParams, frames_of
from riffengine.renderer.riffusion.spectrogram_image import WIDEST, Picture

LOUDNESS_LUFS = -16.0
LONGEST_SECONDS = 300.0  # of a picture: 30,000 columns of 10 ms; 53 MB as mono samples, 61 MB as bands
_PIECE, _LAP = 1024, 32  # columns decoded at once where a picture is longer than two pieces, and what they share
_BLOCK_SECONDS = 10


@dataclass(frozen=True)
class Excerpt:
    """A part of a sound file: ``samples`` ``(channels, frames) float32`` at ``sample_rate``, with its place."""

    samples: NDArray[np.float32]
    sample_rate: int
    start_seconds: float


def read_sound(
    path: Path, channels: int, sample_rate: int, start: float = 0.0, seconds: float | None = None,
    longest: float = LONGEST_SECONDS,
) -> Excerpt:  # fmt: skip
    """``seconds`` of the file from ``start``, as 1 or 2 ``channels`` at ``sample_rate``.

    The length is checked before anything is read. Raises ``AudioFileError`` for a file that cannot be read, is too long
    or too short, holds NaN or infinity, or is silent.
    """
    name = path.name
    if not path.is_file():
        raise AudioFileError(f"{name} cannot be read as audio: there is no such regular file")
    try:
        with soundfile.SoundFile(path) as file:
            rate, first = file.samplerate, round(start * file.samplerate)
            wanted = file.frames - first if seconds is None else min(round(seconds * rate), file.frames - first)
            if wanted < rate / 4:
                raise AudioFileError(
                    f"{name} is {file.frames / rate:.2f} s long; from {start:g} s on less than 0.25 s is left"
                )
            if wanted > longest * rate:
                raise AudioFileError(
                    f"{name}: {wanted / rate / 60:.1f} minutes are too long; at most {longest / 60:g} minutes are "
                    "possible at a time; give --start and --seconds"
                )
            file.seek(first)
            sound = np.empty((channels, wanted), np.float32)
            at = 0
            for block in file.blocks(_BLOCK_SECONDS * rate, frames=wanted, dtype="float32", always_2d=True):
                sound[:, at : at + len(block)] = _mixed(block, channels)
                at += len(block)
    except (soundfile.LibsndfileError, OSError, TypeError, ValueError) as error:
        raise AudioFileError(f"{name} cannot be read as audio: {error}; convert it to .wav or .flac") from error
    sound = sound[:, :at]
    if not np.isfinite(sound).all():
        raise AudioFileError(f"{name} holds NaN or infinity; every sample must be finite; export it again")
    if not sound.size or not np.abs(sound).max() > 1e-5:
        raise AudioFileError(f"{name} is silent from {start:g} s on; take a part that sounds")
    if rate != sample_rate:
        sound = np.ascontiguousarray(soxr.resample(sound.T, rate, sample_rate).T)
    return Excerpt(sound, sample_rate, start)


def picture_of_sound(
    excerpt: Excerpt, params: RiffusionParams, bpm: float | None = None
) -> tuple[NDArray[np.float32], RiffusionParams]:
    """The picture ``(1|3, bands, columns)`` of an excerpt, circular, and its parameters with step and level filled in.

    A column is 10 ms (``step_size_ms``), or a 64th of a beat at ``bpm``. Raises ``RendererError`` as the codec does.
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
def sound_of_picture(
    picture: Picture, bpm: float | None = None, sample_rate: int | None = None, iterations: int = 32
) -> tuple[NDArray[np.float32], int]:
    """Audio ``(frames, channels) float32`` of a picture and its sample rate; ``bpm`` stretches it, pitch stays.

    Up to 2048 columns are one loop whose end meets its start; a longer picture is decoded in pieces that overlap. The
    level is that of the picture where it tells one (lowered where it would clip), else -16 LUFS. Raises
    ``PictureError`` for a picture without a sound, ``RendererError`` as the codec does.
    """
    codec = RiffusionCodec(picture.params)
    image = torch.from_numpy(picture.image)[None]
    frames = frames_of(image.shape[3], picture.params, bpm)
    whole = image.shape[3] <= 2 * _PIECE
    audio = (
        codec.decode(image, frames, iterations=iterations) if whole else _in_pieces(codec, image, frames, iterations)
    )
    sound = audio[0].T.contiguous().numpy()
    own, rate = picture.params.sample_rate, sample_rate or picture.params.sample_rate
    if loop_loudness(sound, own) == -np.inf:
        raise PictureError("the picture is silent: nothing in it is dark enough to be heard; draw darker, or --invert")
    if picture.has_level:
        sound = sound * np.float32(min(1.0, 0.98 / float(np.abs(sound).max())))
    else:
        sound = level(sound[None], LOUDNESS_LUFS, own)[0][0]
    if rate != own:
        sound = resample_loop(np.ascontiguousarray(sound.T), round(len(sound) * rate / own)).T
    return np.ascontiguousarray(sound), rate


def _in_pieces(codec: RiffusionCodec, image: Tensor, frames: int, iterations: int, size: int = _PIECE) -> Tensor:
    """A long picture as audio ``(1, channels, frames)``: each piece starts in the phase of the one before it.

    The rim of a piece is wrong, for there its end wraps to its start: a window's width at either side is thrown away.
    """
    columns = image.shape[3]
    out = torch.zeros(1, codec.params.channels, frames)
    done = 0
    for first in range(0, columns, size):
        low, high = max(0, first - 2 * _LAP), min(columns, first + size + _LAP)
        begin, end = (round(column * frames / columns) for column in (low, high))
        piece = _even(image[..., low:high])
        length = round(piece.shape[3] * frames / columns)
        audio = codec.decode(piece, length, iterations=0 if done else iterations)
        if done:  # what already sounds there leads, the rest begins from its own predicted phase
            known = done - begin
            audio[..., :known] = out[..., begin:done]
            audio = codec.decode(piece, length, phase_from=audio, iterations=iterations)
            lap = round(_LAP * frames / columns / 2)
            _join(out, audio, begin, done - lap, done)
        stop = min(end, frames) if high == columns else round((first + size) * frames / columns)
        out[..., done:stop] = audio[..., done - begin : stop - begin]
        done = stop
    return out


def _even(piece: Tensor) -> Tensor:
    """At least 64 columns and an even number of them: white is added behind."""
    short = max(64 - piece.shape[3], piece.shape[3] % 2)
    return torch.nn.functional.pad(piece, (0, short), value=1.0) if short else piece


def _join(out: Tensor, audio: Tensor, begin: int, start: int, stop: int) -> None:
    """Crossfade from ``out`` to ``audio`` over ``start:stop``, with the gain that their correlation asks for."""
    before, after = out[..., start:stop], audio[..., start - begin : stop - begin]
    power = before.square().sum() * after.square().sum()
    likeness = float(((before * after).sum() / power.clamp_min(1e-20).sqrt()).clamp(0.0, 1.0))
    fade = torch.linspace(0.0, 1.0, stop - start)
    gain = ((1 - fade) ** 2 + fade**2 + 2 * likeness * fade * (1 - fade)).rsqrt()
    out[..., start:stop] = gain * ((1 - fade) * before + fade * after)


def _mixed(block: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """``(frames, any)`` to ``(channels, frames)``: mono is the mean; stereo takes two, or one twice."""
    if channels == 1:
        return block.mean(axis=1)[None]
    return np.repeat(block.T, 2, axis=0) if block.shape[1] == 1 else block.T[:2]


def write_sound(path: Path, samples: NDArray[np.float32], sample_rate: int) -> None:
    """Write ``(frames, channels)`` as 24 bit ``.wav`` or ``.flac``; ``AudioFileError`` when it cannot be written."""
    try:
        soundfile.write(path, samples, sample_rate, subtype="PCM_24")
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioFileError(f"{path} cannot be written: {error}; choose another place") from error
