"""What a number can hear in a loop: pitch, key, beat, seam. Audio in, figures out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 44100
_PITCH_FFT = 16384
_MAJOR = np.array([0, 2, 4, 5, 7, 9, 11])


def _circular_spectra(loop: NDArray[np.float32], size: int, count: int) -> NDArray[np.float32]:
    centres = (np.arange(count) * len(loop) / count).astype(int)
    index = (centres[:, None] + np.arange(size)[None, :] - size // 2) % len(loop)
    return np.abs(np.fft.rfft(loop[index] * np.hanning(size).astype(np.float32))).astype(np.float32)


def pitch_measures(loop: NDArray[np.float32]) -> dict[str, float]:
    """Spectral peaks from 100 to 2000 Hz: share in the best diatonic set, share within 20 cents of a semitone, peaks
    per frame, and entropy in bits of the pitch classes per half beat."""
    spectra = _circular_spectra(loop, _PITCH_FFT, 64)
    low, high = int(100 * _PITCH_FFT / RATE), int(2000 * _PITCH_FFT / RATE)
    chroma_total, tuned, weight, peaks, entropies = np.zeros(12), 0.0, 0.0, 0, []
    for row in spectra:
        middle = row[low:high]
        found = low + np.flatnonzero(
            (middle > row[low - 1 : high - 1]) & (middle > row[low + 1 : high + 1]) & (middle > 0.01 * row.max() + 1e-9)
        )
        if not len(found):
            continue
        a, b, c = np.log(row[found - 1] + 1e-9), np.log(row[found] + 1e-9), np.log(row[found + 1] + 1e-9)
        exact = found + 0.5 * (a - c) / (a - 2 * b + c - 1e-12)
        midi = 69 + 12 * np.log2(exact * RATE / _PITCH_FFT / 440)
        strength = row[found]
        tuned += strength[np.abs(midi - np.round(midi)) < 0.2].sum()
        weight += strength.sum()
        peaks += len(found)
        chroma = np.bincount(np.round(midi).astype(int) % 12, strength, 12)
        chroma_total += chroma
        share = chroma / chroma.sum()
        entropies.append(float(-(share * np.log2(share + 1e-12)).sum()))
    if not weight:
        return {"diatonic": 0.0, "in_tune": 0.0, "peaks": 0.0, "chroma_bits": 0.0}
    diatonic = max(chroma_total[(_MAJOR + key) % 12].sum() for key in range(12)) / chroma_total.sum()
    return {
        "diatonic": float(diatonic),
        "in_tune": float(tuned / weight),
        "peaks": peaks / len(spectra),
        "chroma_bits": float(np.mean(entropies)),
    }


def onset_grid(loop: NDArray[np.float32]) -> float:
    """Share of the spectral flux that lies within a quarter of a 16th around the 16th grid (uniform: 0.5)."""
    spectra = np.log1p(_circular_spectra(loop, 1024, 512) * 10)
    flux = np.maximum(spectra - np.roll(spectra, 1, axis=0), 0.0).sum(axis=1)
    flux = np.maximum(flux - np.median(flux), 0.0)
    phase = (np.arange(512) / 16 + 0.5) % 1.0 - 0.5
    return float(flux[np.abs(phase) <= 0.25].sum() / (flux.sum() + 1e-9))


def seam_ratio(loop: NDArray[np.float32]) -> float:
    """Spectral change across the wrap over the mean change at the other beats (1: the seam is any other beat)."""
    spectra = np.log1p(_circular_spectra(loop, 1024, 512) * 10)
    change = np.abs(spectra - np.roll(spectra, 1, axis=0)).sum(axis=1)
    beats = change.reshape(8, 64)[:, :4].max(axis=1)
    return float(beats[0] / (beats[1:].mean() + 1e-9))
