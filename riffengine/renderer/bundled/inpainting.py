"""Retakes on the audio side: a retake replaces part of a loop, and the rest of the audio stays bit for bit. numpy only.

Every stem has its own phases, so a stem that is kept completely keeps its old samples at its old gain. If only some
beats of a stem are new, its old and new samples are spliced just before the beat.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riffengine.errors import RendererError
from riffengine.processes.render_request import Retake
from riffengine.renderer.loudness import PEAK_CEILING_DB, level, loop_loudness

_FADE_SECONDS = 0.02
_AHEAD_SECONDS = 0.006  # the crossfade ends this long before the beat, because a stroke may come a little early
_LOWEST_SHARE = 0.25  # new audio is turned down by at most 12 dB to keep the peak below the ceiling
_GAIN_STEP = 10.0 ** (-0.5 / 20.0)

Stems = NDArray[np.float32]


@dataclass(frozen=True)
class LevelledStems:
    """The final stems of a loop ``(stems, frames) float32``; ``gain`` was applied to the decoded audio."""

    stems: Stems
    gain: float
    loudness_lufs: float
    peak: float


def level_stems(stems: Stems, target_lufs: float, sample_rate: int) -> LevelledStems:
    """Bring the stems of a new loop to ``target_lufs``. Raises the errors of ``level``."""
    samples, lufs, peak = level(stems[:, :, None], target_lufs, sample_rate)
    loudest = float(np.abs(stems.sum(axis=0, dtype=np.float64)).max())
    return LevelledStems(samples[:, :, 0], peak / loudest, lufs, peak)


def keeps_audio(retake: Retake, names: Sequence[str], beats: int) -> bool:
    """Whether ``retake`` leaves any beat of any stem of a loop as it was."""
    return not retake.covers(Retake(tuple(names), (1 << beats) - 1, 1))


def apply_retake(
    base: LevelledStems, new: Stems, retake: Retake, names: Sequence[str], beats: int, sample_rate: int
) -> LevelledStems:
    """``base`` with ``new`` (not levelled) on the stems and beats of ``retake``; the rest is ``base`` bit for bit.

    New audio gets the gain of the old. If the mix would exceed -1 dBFS, only the new audio is turned down. Raises
    ``RendererError`` for NaN or infinity, and when the result is silent.
    """
    if not np.isfinite(new).all():
        raise RendererError("the retake holds NaN or infinity and is not played; try another retake")
    ceiling, gain = 10.0 ** (PEAK_CEILING_DB / 20.0), base.gain
    while True:
        stems = base.stems.copy()
        for index, name in enumerate(names):
            if name in retake.stems:
                levelled = (new[index] * gain).astype(np.float32)
                stems[index] = splice_beats(base.stems[index], levelled, retake.beats, beats, sample_rate)
        mix = stems.sum(axis=0, dtype=np.float64)
        peak = float(np.abs(mix).max())
        if peak <= ceiling or gain <= base.gain * _LOWEST_SHARE:
            break
        gain *= _GAIN_STEP
    lufs = loop_loudness(mix[:, None], sample_rate)
    if lufs == -math.inf:
        raise RendererError("the retake made the loop silent; try another retake, or another stem")
    return LevelledStems(stems, base.gain, lufs, peak)


def splice_beats(
    old: NDArray[np.float32], new: NDArray[np.float32], new_beats: int, beats: int, sample_rate: int
) -> NDArray[np.float32]:
    """``new`` on the beats whose bit is set in ``new_beats``, ``old`` on the others, ``(frames,)`` each.

    Short equal-power crossfades, corrected for the correlation of the two, end just before the beat.
    """
    all_beats = (1 << beats) - 1
    if new_beats & all_beats == all_beats:
        return new
    frames = len(old)
    fade, ahead = round(_FADE_SECONDS * sample_rate), round(_AHEAD_SECONDS * sample_rate)
    fade_in = np.sin(0.5 * math.pi * (np.arange(fade) + 0.5) / fade)
    fade_out = fade_in[::-1]
    is_new = [bool(new_beats >> beat & 1) for beat in range(beats)]
    out = np.empty_like(old)
    changes = [beat for beat in range(beats) if is_new[beat] != is_new[beat - 1]]
    if not changes:
        return old
    for change, next_change in zip(changes, [*changes[1:], changes[0] + beats], strict=True):
        begin, end = (round(beat * frames / beats) - ahead for beat in (change, next_change))
        entering, leaving = (new, old) if is_new[change] else (old, new)
        at = np.arange(begin, end - fade) % frames
        out[at] = entering[at]
        at = np.arange(begin - fade, begin) % frames
        a, b = leaving[at].astype(np.float64), entering[at].astype(np.float64)
        power = math.sqrt(float((a**2).sum() * (b**2).sum()))
        correlation = max(0.0, float((a * b).sum()) / power) if power > 0.0 else 0.0
        mixed = (a * fade_out + b * fade_in) / np.sqrt(1.0 + 2.0 * correlation * fade_out * fade_in)
        out[at] = mixed.astype(np.float32)
    return out
