"""What a number can hear in a mix: loudness, peaks, width, bands, rise times, buzz; and pictures of spectrograms.

    python -m tools.train.mix_measures --count 50 --first-seed 7000000 [--sounds studio soundfont] [--pictures DIR]

renders loops of all genres with each sound and prints the medians side by side, with the loops rendered a second.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riffengine.renderer.loudness import loop_loudness
from tools.train.compose import compose
from tools.train.make_data import SOUNDS, player
from tools.train.stroke_measures import HAT_HZ, RATE, SNARE_HZ, Loop, buzz_db, rises_ms, strokes
from tools.train.studio.mixes import MIXES
from tools.train.studio.soundfont import find_soundfont

FRAMES_A_BEAT = 48  # of the drums' codec: a buzz would be at this rate
BANDS = {
    "20-60": (20, 60), "60-120": (60, 120), "120-250": (120, 250), "250-500": (250, 500), "500-1k": (500, 1000),
    "1-2k": (1000, 2000), "2-4k": (2000, 4000), "4-8k": (4000, 8000), "12k+": (12000, 22050), "16k+": (16000, 22050),
}  # fmt: skip
_OCTAVES = (31.25, 62.5, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16000.0)


def _db(power: float) -> float:
    return 10.0 * float(np.log10(power + 1e-20))


def _power(channel: Loop) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.abs(np.fft.rfft(channel)) ** 2, np.fft.rfftfreq(channel.shape[-1], 1 / RATE)


def true_peak_db(mix: Loop) -> float:
    """The highest value of the mix ``(2, frames)`` at four times the rate, dBTP; circular."""
    frames = mix.shape[1]
    return 20.0 * float(np.log10(np.abs(np.fft.irfft(np.fft.rfft(mix), n=4 * frames)).max() * 4.0 + 1e-9))


def side_db(mix: Loop) -> float:
    """The energy of the side against the mid, dB."""
    return _db(float(np.sum((mix[0] - mix[1]) ** 2) / (np.sum((mix[0] + mix[1]) ** 2) + 1e-12)))


def mono_loss_db(mix: Loop) -> float:
    """The most that the mono sum loses in an octave that holds more than a thousandth of the energy, dB."""
    left, hz = _power(mix[0])
    right = _power(mix[1])[0]
    mid = _power(0.5 * (mix[0] + mix[1]))[0]
    losses = []
    for centre in _OCTAVES:
        inside = (hz >= centre / 2**0.5) & (hz < centre * 2**0.5)
        stereo = 0.5 * float(left[inside].sum() + right[inside].sum())
        if stereo > 0.0005 * float(left.sum() + right.sum()):
            losses.append(_db(stereo / (float(mid[inside].sum()) + 1e-12)))
    return max(losses)


def low_side_db(mix: Loop) -> float:
    """The side below 120 Hz against the mid there, dB."""
    side, hz = _power(mix[0] - mix[1])
    mid, _ = _power(mix[0] + mix[1])
    return _db(float(side[hz < 120].sum()) / (float(mid[hz < 120].sum()) + 1e-12))


def bands_db(mix: Loop) -> dict[str, float]:
    """The energy of each of ``BANDS`` against the whole, dB."""
    power, hz = _power(mix)
    power = power.sum(axis=0) if power.ndim == 2 else power
    whole = float(power[hz >= 20].sum())
    return {name: _db(float(power[(hz >= a) & (hz < b)].sum()) / whole) for name, (a, b) in BANDS.items()}


def _median(values: list[float]) -> float:
    return float(np.median(values)) if values else float("nan")


def measures(stems: Loop, bpm: float) -> dict[str, float]:
    """All figures of a loop's stems ``(3, 2, frames)``."""
    mix = stems.sum(axis=0)
    mono = mix.mean(axis=0)
    drums = stems[0].mean(axis=0)
    rms = float(np.sqrt(np.mean(mix**2)))
    return {
        "LUFS": loop_loudness(mix.T, RATE),
        "true peak": true_peak_db(mix),
        "crest": 20.0 * float(np.log10(np.abs(mix).max() / rms)),
        "side": max(side_db(mix), -99.0),
        "side < 120 Hz": max(low_side_db(mix), -99.0),
        "mono loss": mono_loss_db(mix),
        "DC": float(np.abs(mix.mean(axis=1)).max()),
        "snare rise": _median(rises_ms(drums, strokes(drums, *SNARE_HZ), *SNARE_HZ)),
        "hat rise": _median(rises_ms(drums, strokes(drums, *HAT_HZ), *HAT_HZ)),
        "buzz": buzz_db(mono, FRAMES_A_BEAT * bpm / 60.0),
        "drums": _db(float(np.mean(stems[0] ** 2))),
        "bass": _db(float(np.mean(stems[1] ** 2))),
        "harmony": _db(float(np.mean(stems[2] ** 2))),
        **bands_db(mix),
    }


def picture(path: Path, loops: dict[str, Loop], title: str) -> None:
    """Spectrograms of the same loop in several sounds: the whole loop above, its first half second below."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, len(loops), figsize=(9 * len(loops), 10), squeeze=False)
    for column, (name, mix) in zip(axes.T, loops.items(), strict=True):
        mono = mix.mean(axis=0) if mix.ndim == 2 else mix
        for axis, seconds, size in ((column[0], len(mono) / RATE, 4096), (column[1], 0.5, 512)):
            part = mono[: int(seconds * RATE)]
            axis.specgram(part, NFFT=size, Fs=RATE, noverlap=size - size // 8, vmin=-125, vmax=-35, cmap="magma")
            axis.set_title(f"{name}: {title}")
            axis.set_yscale("log" if size == 4096 else "linear")
            axis.set_ylim(30 if size == 4096 else 0, 22050)
    figure.tight_layout()
    figure.savefig(path, dpi=55)
    pyplot.close(figure)


def compare(
    sounds: list[str], seeds: range, soundfont: Path, pictures: Path | None
) -> dict[str, list[dict[str, float]]]:
    """Figures of every loop in every sound; the seconds of rendering are one of them."""
    players = {sound: player(sound, soundfont) for sound in sounds}
    found: dict[str, list[dict[str, float]]] = {sound: [] for sound in sounds}
    for play in players.values():
        play(compose(seeds[0]))  # compiles the kernels and loads samples
    for seed in seeds:
        piece = compose(seed)
        loops = {}
        for sound, play in players.items():
            start = time.perf_counter()
            stems = play(piece)
            spent = time.perf_counter() - start
            found[sound].append({
                **measures(stems, piece.bpm), "seconds": spent, "electronic": MIXES[piece.genre].electronic,
                "seed": seed, "full": stems.any(axis=(1, 2)).all(),
            })  # fmt: skip
            loops[sound] = stems.sum(axis=0)
        if pictures:
            picture(pictures / f"{seed}.png", loops, f"{piece.genre} {', '.join(piece.words)}")
    return found


def table(found: dict[str, list[dict[str, float]]]) -> str:
    """Medians [10th, 90th percentile] of all loops, and medians of the electronic genres' loops with drums and bass."""
    names = [name for name in next(iter(found.values()))[0] if name not in ("seconds", "electronic", "seed", "full")]
    lines = ["| | " + " | ".join(f"{sound}, all | electronic" for sound in found) + " |"]
    lines.append("|---" * (1 + 2 * len(found)) + "|")
    for name in names:
        cells = []
        for rows in found.values():
            values = np.array([row[name] for row in rows], float)
            low, middle, high = np.nanpercentile(values, (10, 50, 90))
            club = [row[name] for row in rows if row["electronic"] and row["full"]]
            cells.append(f"{middle:.1f} [{low:.1f} {high:.1f}] | {np.nanmedian(club) if club else np.nan:.1f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    speed = [f"{len(rows) / sum(row['seconds'] for row in rows):.2f} | " for rows in found.values()]
    return "\n".join([*lines, "| loops a second | " + " | ".join(speed) + " |"])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="measure and picture the sound of the composed loops")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--first-seed", type=int, default=7_000_000)
    parser.add_argument("--sounds", nargs="+", choices=SOUNDS, default=list(SOUNDS))
    parser.add_argument("--soundfont")
    parser.add_argument("--pictures", type=Path, help="folder for spectrograms")
    parser.add_argument("--json", type=Path, help="file for all figures")
    options = parser.parse_args()
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
    seeds = range(options.first_seed, options.first_seed + options.count)
    found = compare(options.sounds, seeds, find_soundfont(options.soundfont), options.pictures)
    print(table(found))
    if options.json:
        options.json.write_text(json.dumps(found, default=float))


if __name__ == "__main__":
    main()
