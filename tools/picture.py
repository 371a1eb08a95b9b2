"""Draw a recording: ``python tools/picture.py morph.flac docs/morph.png --bpm 120 [--from A --to B]``."""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import numpy as np
import soundfile
from numpy.typing import NDArray

from riffengine.transport.beat_grid import BEATS_PER_BAR

matplotlib.use("Agg")
from matplotlib import pyplot as plt

LOWEST_HZ, HIGHEST_HZ, BANDS, COLUMNS, FFT = 40.0, 16000.0, 260, 1600, 4096
FLOOR_DB = 72.0


def log_spectrogram(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """``(BANDS, COLUMNS)`` levels in dB on a logarithmic frequency axis."""
    padded = np.pad(samples, FFT // 2)
    starts = np.linspace(0, len(samples) - 1, COLUMNS).astype(int)
    frames = padded[starts[:, None] + np.arange(FFT)] * np.hanning(FFT)
    spectra = np.abs(np.fft.rfft(frames))
    bins = np.geomspace(LOWEST_HZ, HIGHEST_HZ, BANDS) * FFT / rate
    low = bins.astype(int)
    share = bins - low
    levels = spectra[:, low] * (1 - share) + spectra[:, low + 1] * share
    return np.asarray(20 * np.log10(levels + 1e-4).T, np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--bpm", type=float, required=True)
    parser.add_argument("--from", dest="start", default="", help="what alpha 0 is")
    parser.add_argument("--to", dest="end", default="", help="what alpha 1 is")
    args = parser.parse_args()
    samples, rate = soundfile.read(args.recording, dtype="float32", always_2d=True)
    levels = log_spectrogram(samples.mean(axis=1), rate)
    bars = len(samples) / rate * args.bpm / 60 / BEATS_PER_BAR
    figure, axes = plt.subplots(figsize=(12, 3.6))
    axes.imshow(levels, origin="lower", aspect="auto", cmap="magma", vmin=levels.max() - FLOOR_DB, vmax=levels.max(),
                extent=(0, bars, 0, BANDS))  # fmt: skip
    ticks = [50, 100, 200, 500, 1000, 2000, 5000, 10000]
    axes.set_yticks([BANDS * np.log(hz / LOWEST_HZ) / np.log(HIGHEST_HZ / LOWEST_HZ) for hz in ticks])
    axes.set_yticklabels([f"{hz} Hz" if hz < 1000 else f"{hz // 1000} kHz" for hz in ticks], fontsize=7)
    axes.set_xticks(np.arange(0, bars + 0.01, 2 if bars > 8 else 0.25))
    axes.tick_params(axis="x", labelsize=7)
    axes.set_xlabel("bars" if not args.start else f"bars        {args.start}   →   {args.end}", fontsize=8)
    figure.tight_layout()
    args.picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.picture, dpi=90)


if __name__ == "__main__":
    main()
