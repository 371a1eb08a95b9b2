"""Retakes on the audio side: a retake replaces part of a loop, and the rest of the audio stays bit for bit. numpy only.

Every stem has its own phases, so a stem that is kept completely keeps its old samples at its old gain. If only some
beats of a stem are new, its old and new samples are spliced just before the beat.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from riffengine.errors import RendererError
from riffengine.processes.render_request import Retake
from riffengine.renderer.levelling import (
    BLOCK,
    PEAK_CEILING_DB,
    LevelledLoop,
    block_peaks,
    frame_gains,
    reduction_db,
    sum_loudness,
)
from riffengine.renderer.loudness import loop_loudness

_FADE_SECONDS = 0.02
_AHEAD_SECONDS = 0.006  # the crossfade ends this long before the beat, because a stroke may come a little early
_MOST_REDUCTION_DB = 12.0  # of new audio, to keep the peaks below the ceiling
_TOLERANCE_DB = 0.05
_ROUNDS = 8
_LOUDNESS_TOLERANCE_LU = 0.5  # by which a loop may differ in loudness after a whole stem of it was generated again
_MOST_MAKE_UP_DB = 6.0
_MAKE_UP_ROUNDS = 8  # of a bisection: within 0.03 dB
_RELEASE_DB_PER_SECOND = 300.0  # one stem is lowered at the strokes of the others, and no longer

Stems = NDArray[np.float32]


def keeps_audio(retake: Retake, names: Sequence[str], beats: int) -> bool:
    """Whether ``retake`` leaves any beat of any stem of a loop as it was."""
    return not retake.covers(Retake(tuple(names), (1 << beats) - 1, 1))


def apply_retake(
    base: LevelledLoop, new: Stems, retake: Retake, names: Sequence[str], beats: int, sample_rate: int
) -> LevelledLoop:
    """``base`` with ``new`` (not levelled) on the stems and beats of ``retake``; the rest is ``base`` bit for bit.

    New audio ``(stems, frames, channels)`` gets the mean gain of the old; whole stems are then raised or lowered until
    the loop is about as loud as before, and later takes of some of their beats with them. Where the mix would exceed
    the ceiling, and what is kept of it alone, only the new audio is limited. Raises ``RendererError`` for NaN or
    infinity, and when the result is silent.
    """
    if not np.isfinite(new).all():
        raise RendererError("the retake holds NaN or infinity and is not played; try another retake")

    def spliced(levelled: Stems) -> Stems:
        stems = base.audio.copy()
        for index, name in enumerate(names):
            if name in retake.stems:
                stems[index] = splice_beats(base.audio[index], levelled[index], retake.beats, beats, sample_rate)
        return stems

    allowed = np.maximum(block_peaks(spliced(np.zeros_like(new)).sum(axis=0)), 10.0 ** (PEAK_CEILING_DB / 20.0))
    level, reduction = float(np.sqrt(np.mean(np.square(base.gain)))), np.zeros(len(allowed))
    stem_gains = np.array(base.stem_gains or [1.0] * len(names))
    if retake.beats & ((1 << beats) - 1) == (1 << beats) - 1:
        fresh = [name in retake.stems for name in names]
        kept, entering = base.audio[[not each for each in fresh]].sum(axis=0), new[fresh].sum(axis=0) * level
        make_up_db = _make_up_db(kept, entering.astype(np.float32), base.loudness_lufs, sample_rate)
        stem_gains[fresh] = 10.0 ** (make_up_db / 20.0)
    new = new * stem_gains[:, None, None]
    for _ in range(_ROUNDS):
        gain = frame_gains(level * 10.0 ** (-reduction / 20.0), new.shape[1])
        stems = spliced((new * gain[:, None]).astype(np.float32))
        mix = stems.sum(axis=0)
        excess = 20.0 * np.log10(np.maximum(block_peaks(mix), 1e-9) / allowed)
        if excess.max() <= _TOLERANCE_DB:
            break
        # Part of a peak may be kept audio, so the new audio is lowered by more than the excess.
        wanted = 2.0 * np.maximum(excess, 0.0) + _TOLERANCE_DB * (excess > 0.0)
        step = reduction_db(wanted, BLOCK / sample_rate, _RELEASE_DB_PER_SECOND)
        reduction = np.minimum(reduction + step, _MOST_REDUCTION_DB)
    lufs = loop_loudness(mix, sample_rate)
    if lufs == -math.inf:
        raise RendererError("the retake made the loop silent; try another retake, or another stem")
    return LevelledLoop(stems, base.gain, lufs, float(np.abs(mix).max()), tuple(map(float, stem_gains)))


def _make_up_db(
    kept: NDArray[np.float32], entering: NDArray[np.float32], loudness_lufs: float, sample_rate: int
) -> float:
    """The gain of ``entering`` with which both together, ``(frames, channels)``, are within 0.5 LU of the loudness.

    0 where they are without any, and at most 6 dB either way.
    """
    loudness = sum_loudness(kept, entering, sample_rate)
    excess = loudness(0.0) - loudness_lufs
    if not math.isfinite(excess) or abs(excess) <= _LOUDNESS_TOLERANCE_LU:
        return 0.0
    goal = loudness_lufs + math.copysign(_LOUDNESS_TOLERANCE_LU, excess)
    low, high = (-_MOST_MAKE_UP_DB, 0.0) if excess > 0.0 else (0.0, _MOST_MAKE_UP_DB)
    for _ in range(_MAKE_UP_ROUNDS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if loudness(middle) < goal else (low, middle)
    return 0.5 * (low + high)


def splice_beats(
    old: NDArray[np.float32], new: NDArray[np.float32], new_beats: int, beats: int, sample_rate: int
) -> NDArray[np.float32]:
    """``new`` on the beats whose bit is set in ``new_beats``, ``old`` on the others, ``(frames, channels)`` each.

    Short equal-power crossfades, corrected for the correlation of the two, end just before the beat.
    """
    all_beats = (1 << beats) - 1
    if new_beats & all_beats == all_beats:
        return new
    frames = len(old)
    fade, ahead = round(_FADE_SECONDS * sample_rate), round(_AHEAD_SECONDS * sample_rate)
    fade_in = np.sin(0.5 * math.pi * (np.arange(fade) + 0.5) / fade)[:, None]
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
