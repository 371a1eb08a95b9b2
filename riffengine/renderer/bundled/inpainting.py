"""Retakes: where part of a loop is dreamt again, the rest of it is the very same audio. numpy only.

Every stem has its own phases, so a stem that is kept whole needs nothing but its old samples at its old gain. Where
beats of a stem are kept, its old samples and the new ones are spliced just before the beat.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riffengine.errors import RendererError
from riffengine.processes.render_messages import Redream
from riffengine.renderer.loudness import PEAK_CEILING_DB, level, loop_loudness

_FADE_SECONDS = 0.02
_AHEAD_SECONDS = 0.006  # the fade is over this long before the beat: a stroke may come a little early
_SOFTEST = 0.25  # what is new is never turned down by more than 12 dB to make room
_STEP = 10.0 ** (-0.5 / 20.0)

Stems = NDArray[np.float32]


@dataclass(frozen=True)
class Sound:
    """The stems of a loop ``(stems, frames) float32`` as they are heard; ``gain`` is what brought them there."""

    stems: Stems
    gain: float
    loudness_lufs: float
    peak: float


def levelled(stems: Stems, target_lufs: float, sample_rate: int) -> Sound:
    """A loop of which nothing is kept, at ``target_lufs``. Raises what ``level`` raises."""
    samples, lufs, peak = level(stems[:, :, None], target_lufs, sample_rate)
    loudest = float(np.abs(stems.sum(axis=0, dtype=np.float64)).max())
    return Sound(samples[:, :, 0], peak / loudest, lufs, peak)


def keeps(again: Redream, names: Sequence[str], beats: int) -> bool:
    """Whether anything of a loop is left after ``again``."""
    return not again.covers(Redream(tuple(names), (1 << beats) - 1, 1))


def retaken(base: Sound, fresh: Stems, again: Redream, names: Sequence[str], beats: int, sample_rate: int) -> Sound:
    """``base`` with ``fresh`` (not levelled) on the stems and beats of ``again``; all else is ``base`` bit for bit.

    What is new gets the gain of what is kept; where the mix would pass -1 dBFS it alone is turned down. Raises
    ``RendererError`` for NaN or infinity, or when nothing is left to hear.
    """
    if not np.isfinite(fresh).all():
        raise RendererError("what was dreamt again holds NaN or infinity; it is not played; dream it once more")
    ceiling, gain = 10.0 ** (PEAK_CEILING_DB / 20.0), base.gain
    while True:
        stems = base.stems.copy()
        for index, name in enumerate(names):
            if name in again.stems:
                new = (fresh[index] * gain).astype(np.float32)
                stems[index] = spliced(base.stems[index], new, again.beats, beats, sample_rate)
        mix = stems.sum(axis=0, dtype=np.float64)
        peak = float(np.abs(mix).max())
        if peak <= ceiling or gain <= base.gain * _SOFTEST:
            break
        gain *= _STEP
    lufs = loop_loudness(mix[:, None], sample_rate)
    if lufs == -math.inf:
        raise RendererError("what was dreamt again left the loop silent; dream it once more, or another stem")
    return Sound(stems, base.gain, lufs, peak)


def spliced(
    old: NDArray[np.float32], new: NDArray[np.float32], fresh_beats: int, beats: int, sample_rate: int
) -> NDArray[np.float32]:
    """``new`` on the beats whose bit is set in ``fresh_beats``, ``old`` on the others, ``(frames,)`` each.

    Short crossfades of equal power, corrected for how alike the two are, end just before the beat.
    """
    whole = (1 << beats) - 1
    if fresh_beats & whole == whole:
        return new
    frames = len(old)
    fade, ahead = round(_FADE_SECONDS * sample_rate), round(_AHEAD_SECONDS * sample_rate)
    rise = np.sin(0.5 * math.pi * (np.arange(fade) + 0.5) / fade)
    is_new = [bool(fresh_beats >> beat & 1) for beat in range(beats)]
    out = np.empty_like(old)
    turns = [beat for beat in range(beats) if is_new[beat] != is_new[beat - 1]]
    if not turns:
        return old
    for turn, until in zip(turns, [*turns[1:], turns[0] + beats], strict=True):
        begin, end = (round(beat * frames / beats) - ahead for beat in (turn, until))
        to, since = (new, old) if is_new[turn] else (old, new)
        at = np.arange(begin, end - fade) % frames
        out[at] = to[at]
        at = np.arange(begin - fade, begin) % frames
        one, other = since[at].astype(np.float64), to[at].astype(np.float64)
        falls = rise[::-1]
        power = math.sqrt(float((one**2).sum() * (other**2).sum()))
        alike = max(0.0, float((one * other).sum()) / power) if power > 0.0 else 0.0
        out[at] = ((one * falls + other * rise) / np.sqrt(1.0 + 2.0 * alike * falls * rise)).astype(np.float32)
    return out
