"""A morph with the model that ships: ``python tools/bench/morph.py [--pairs 4] [--alphas 33] [--steps 8] [--json]``.

Smoothness: the largest step of the mel between two of ``--alphas`` neighbours over the mean one (demand 3, goal 2).

Combing: two neighbours of the bank (1/8 apart; the first, the fourth and the last pair) are added as the player adds
them at the middle between both. In every 16th note and third of an octave the level of the sum is compared with what
powers alone would give: its mean is the dip, its spread the ripple, both weighed by energy. Once with phases that each
loop finds for itself (cold), once with both warm-started from the loop at alpha 0 (start), once with the second warm-
started from the first (neighbour), once with both warm-started from the ends' sounds, mixed by alpha (blend).
``lsd_db`` tells how far the sound is from its own mel, for a phase that is borrowed may fit worse.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from numpy.typing import NDArray

from riffengine.playback.ramp import equal_power
from riffengine.renderer.bundled.model import OWN_RATE, PHASE_ITERATIONS, BundledModel
from riffengine.renderer.request import Point, RenderRequest

PAIRS = (
    ("lo-fi, electric piano, hip hop", 7, "techno, acid bass, driving", 12),
    ("ambient, pad, choir", 1, "jazz, piano, upright bass", 2),
    ("house, organ", 3, "house, organ", 4),
    ("dub, harmonica", 5, "funk, clavinet, drums", 6),
)
BANK = 9
FRAMES = 8 * 60 * OWN_RATE // 120
CELLS = 32  # 16th notes of a loop
QUIET = 1e-5  # of the loudest cell's power: 50 dB below it nobody hears a comb
DEMAND, GOAL = 3.0, 2.0

Sound = NDArray[np.float64]
Mels = list[torch.Tensor]


def mels_of(model: BundledModel, request: RenderRequest) -> tuple[Mels, tuple[str, ...]]:
    """The mel of every stem, and which stems are silent."""
    dream = model._dreamer.dream(request.canonical(), lambda: None, None, model._hear)
    return model._space.decode(dream.latents), tuple(dream.silent)


def unevenness(mels: list[Mels]) -> float:
    """The largest step between neighbours over the mean one."""
    steps = [
        float(sum(((b - a) ** 2).sum() for a, b in zip(one, two, strict=True))) ** 0.5 for one, two in pairwise(mels)
    ]
    return max(steps) / (sum(steps) / len(steps))


def sound(
    model: BundledModel, mels: Mels, silent: tuple[str, ...], phase_from: torch.Tensor | None = None
) -> torch.Tensor:
    """Stems ``(stems, frames)``; ``phase_from`` are those of another loop."""
    space = model._space
    out = torch.zeros(len(space.names), FRAMES)
    for index, name in enumerate(space.names):
        if name not in silent:
            borrowed = phase_from is not None and bool(phase_from[index].any())
            start = phase_from[index][None] if borrowed and phase_from is not None else None
            codec = space.codecs[index]
            out[index] = codec.decode(mels[index], FRAMES, phase_from=start, iterations=PHASE_ITERATIONS)[0]
    return out


def lsd_db(model: BundledModel, mels: Mels, stems: torch.Tensor, silent: tuple[str, ...]) -> float:
    """How far the mel of the sound is from the mel it was made of, in dB, over what can be heard."""
    apart = []
    for codec, mel, stem, name in zip(model._space.codecs, mels, stems, model._space.names, strict=True):
        if name in silent:
            continue
        power = codec.params.power
        wanted, made = (np.maximum(m[0].numpy(), 0.0) ** (1 / power) for m in (mel, codec.encode(stem[None])))
        heard = wanted > wanted.max() * 1e-3
        apart.append(20 * np.log10(np.maximum(made[heard], 1e-9) / wanted[heard]))
    return float(np.sqrt((np.concatenate(apart) ** 2).mean()))


def cells(signal: Sound) -> Sound:
    """Power ``(16th notes, thirds of an octave)`` from 50 Hz on."""
    parts = signal[: len(signal) // CELLS * CELLS].reshape(CELLS, -1)
    spectra = np.abs(np.fft.rfft(parts * np.hanning(parts.shape[1]))) ** 2
    hz = np.fft.rfftfreq(parts.shape[1], 1 / OWN_RATE)
    edges = 50.0 * 2 ** (np.arange(25) / 3)
    return np.stack([spectra[:, (hz >= a) & (hz < b)].sum(1) for a, b in pairwise(edges)], axis=1)


def combing(one: Sound, two: Sound) -> tuple[float, float]:
    """Dip and ripple in dB of both at the middle of a morph."""
    correlation = float((one * two).sum() / max(1e-12, np.sqrt((one**2).sum() * (two**2).sum())))
    out, into = (float(gain) for gain in equal_power(0.5, correlation))
    made, expected = cells(out * one + into * two), 0.5 * (cells(one) + cells(two))
    heard = expected > QUIET * expected.max()
    apart, weight = 10 * np.log10(np.maximum(made[heard], 1e-12) / expected[heard]), np.sqrt(expected[heard])
    dip = float(np.average(apart, weights=weight))
    return dip, float(np.sqrt(np.average((apart - dip) ** 2, weights=weight)))


def measure(model: BundledModel, pair: tuple[str, int, str, int], alphas: int, steps: int) -> dict[str, Any]:
    """All figures of one morph."""
    start, end = Point(pair[0], pair[1]), Point(pair[2], pair[3])

    def dreamt(alpha: float) -> tuple[Mels, tuple[str, ...]]:
        return mels_of(model, RenderRequest(start, end, alpha, steps, sample_rate=OWN_RATE))

    row: dict[str, Any] = {"pair": f"{pair[0]} {pair[1]} → {pair[2]} {pair[3]}"}
    if alphas > 2:
        row["largest_over_mean"] = round(unevenness([dreamt(n / (alphas - 1))[0] for n in range(alphas)]), 2)
    points = [dreamt(n / (BANK - 1)) for n in range(BANK)]
    first = sound(model, *points[0])
    figures: dict[str, list[tuple[float, float, float]]] = {"cold": [], "start": [], "neighbour": [], "blend": []}
    last = sound(model, *points[-1])

    def blended(number: int) -> torch.Tensor:
        alpha = number / (BANK - 1)
        if alpha in (0.0, 1.0):
            return last if alpha else first
        return sound(model, *points[number], (1.0 - alpha) * first + alpha * last)

    for number in (0, 3, 7):
        one, two = points[number], points[number + 1]
        cold = sound(model, *one), sound(model, *two)
        ways = {
            "cold": cold,
            "start": (first if number == 0 else sound(model, *one, first), sound(model, *two, first)),
            "neighbour": (cold[0], sound(model, *two, cold[0])),
            "blend": (blended(number), blended(number + 1)),
        }
        for way, (left, right) in ways.items():
            mixes = (stems.sum(0).double().numpy() for stems in (left, right))
            figures[way].append((*combing(*mixes), lsd_db(model, two[0], right, two[1])))
    for way, rows in figures.items():
        dip, ripple, lsd = np.mean(rows, axis=0)
        row[way] = {"dip_db": round(dip, 2), "ripple_db": round(ripple, 2), "lsd_db": round(lsd, 2)}
    return row


@torch.inference_mode()
def main() -> int:
    """Measure and print; 1 when a morph is less smooth than demanded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=len(PAIRS))
    parser.add_argument("--alphas", type=int, default=33)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = BundledModel.load()
    rows = []
    for pair in PAIRS[: arguments.pairs]:
        rows.append(measure(model, pair, arguments.alphas, arguments.steps))
        if not arguments.json:
            print(
                rows[-1]["pair"],
                f"\n  largest mel step over the mean {rows[-1].get('largest_over_mean', 'not measured')}",
                flush=True,
            )
            for way in ("cold", "start", "neighbour", "blend"):
                print(f"  {way:10}" + ", ".join(f"{name} {value}" for name, value in rows[-1][way].items()), flush=True)
    worst = max(row.get("largest_over_mean", 0.0) for row in rows)
    verdict = "goal" if worst <= GOAL else "pass" if worst <= DEMAND else "fail"
    verdict = verdict if arguments.alphas > 2 else "not measured"
    if arguments.json:
        print(
            json.dumps(
                {"torch": torch.__version__, "python": platform.python_version(), "rows": rows, "smooth": verdict}
            )
        )
    else:
        print(f"smoothness: {verdict}, worst {worst}; weights {model.weights_digest}, torch {torch.__version__}")
    return 1 if verdict == "fail" else 0


if __name__ == "__main__":
    sys.exit(main())
