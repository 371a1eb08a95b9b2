"""Time stretch of loops without a change of pitch, by waveform similarity (WSOLA, Verhelst and Roelands 1993).

Short pieces of the loop are laid out at the new distance, each moved by a few milliseconds so that it continues the one
before. The last one must meet the first, so the result has no seam. numpy only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from riffengine.processes.audio import Samples
from riffengine.renderer.loop_audio import resample_loop

_PIECE_SECONDS = 0.02
_SEARCH_SECONDS = 0.008
_PREFERENCE = 0.05  # of similarity, for the place in the middle over the farthest one
_INAUDIBLE = 0.0015  # a change of length that resampling may do: 2.6 cents of pitch


def stretch_loop(loop: Samples, frames: int, sample_rate: int) -> Samples:
    """``loop`` ``(frames before, channels) float32``, periodic, as ``(frames, channels)`` at the same pitch.

    A change below 0.15 % is made by resampling, exactly. All channels are moved together. Any thread.
    """
    before = len(loop)
    if abs(frames / before - 1.0) <= _INAUDIBLE:
        return np.ascontiguousarray(resample_loop(np.ascontiguousarray(loop.T), frames).T)
    mono = loop.mean(axis=1, dtype=np.float64)
    count = max(4, round(frames / (_PIECE_SECONDS * sample_rate)))
    reach = max(1, min(round(_SEARCH_SECONDS * sample_rate), before // 4))
    edges = np.round(np.arange(count + 1) * frames / count).astype(np.int64)
    starts = _starts(mono, edges, before / frames, reach)
    out = np.zeros((frames, loop.shape[1]), np.float64)
    for piece in range(count):
        # Each piece fades in over the one before it and out over the next: from edge to edge.
        length = int(edges[piece + 1] - edges[piece])
        fade = (0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / length))[:, None]
        places = np.arange(edges[piece], edges[piece + 1])
        rising, falling = starts[piece + 1] - length, starts[piece]
        ahead = loop[(rising + np.arange(length)) % before]
        out[places] = fade * ahead + (1.0 - fade) * loop[(falling + np.arange(length)) % before]
    return out.astype(np.float32)


def _starts(mono: NDArray[np.float64], edges: NDArray[np.int64], rate: float, reach: int) -> list[int]:
    """Where in the loop each piece stands at its edge; the first and the last are the beginning of the loop."""
    before, starts = len(mono), [0]
    for piece in range(1, len(edges) - 1):
        length = int(edges[piece] - edges[piece - 1])
        centre = round(float(edges[piece]) * rate)
        scores = _similarity(mono, starts[-1], centre - length, length, reach)
        if piece == len(edges) - 2:  # the next one is fixed, so this one must suit it too
            after = int(edges[piece + 1] - edges[piece])
            scores = scores + _similarity(mono, before - after, centre, after, reach)
        starts.append(centre - reach + int(np.argmax(scores)))
    return [*starts, before]


def _similarity(mono: NDArray[np.float64], at: int, centre: int, length: int, reach: int) -> NDArray[np.float64]:
    """How well the ``length`` samples at ``at`` agree with those at each place around ``centre``; 1 is equal."""
    before = len(mono)
    wanted = mono[(at + np.arange(length)) % before]
    around = mono[(centre - reach + np.arange(length + 2 * reach)) % before]
    size = 1 << (length + 2 * reach - 1).bit_length()
    products = np.fft.irfft(np.fft.rfft(around, size) * np.conj(np.fft.rfft(wanted, size)), size)[: 2 * reach + 1]
    running = np.concatenate([[0.0], np.cumsum(around**2)])
    energy = running[length:] - running[:-length]
    # Divided by the larger energy, not by both: a piece that leaves an attack out, or doubles one, is not similar.
    larger = np.maximum(energy, float(wanted @ wanted)) + 1e-12
    distance = np.abs(np.arange(-reach, reach + 1)) / reach
    return np.asarray(products / larger - _PREFERENCE * distance)
