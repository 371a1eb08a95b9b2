"""Measures a morph of the bundled model.

Run it with ``python tools/bench/morph.py [--pairs 4] [--alphas 33] [--steps 8] [--json]``.

Smoothness: the largest step of the heard mel between two neighbours of the ``--alphas``, divided by the mean step
(demand 3, goal 2), as in the evaluation of the model. A second figure counts every stem separately, as sampled; in it a
stem that enters from silence has the largest weight, even if it enters softly.

Combing: two neighbours of the bank (1/8 apart; the first, the fourth and the last pair), as the renderer delivers them,
are added as the player adds them at the middle between both. In every 16th note and third of an octave the level of the
sum is compared with what powers alone would give: the mean of the difference is the dip, its spread the ripple, both
weighted by energy. This is measured with phases that each loop finds for itself (cold, as in drafts) and with phases
that begin with those of both ends (warm, as in finished loops). ``lsd_db`` is the distance of the sound from its own
mel, because phases of other loops may fit worse; ``synthesis_s`` is the processor time of one loop whose latents and
ends are cached.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from numpy.typing import NDArray

from riffengine.playback.ramp import equal_power
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.bundled.family import OWN_RATE, BundledModel
from tools.train.measures import mel_steps

PAIRS = (
    ("lo-fi, electric piano, hip hop", 7, "techno, acid bass, driving", 12),
    ("ambient, pad, choir", 1, "jazz, piano, upright bass", 2),
    ("house, organ", 3, "house, organ", 4),
    ("dub, harmonica", 5, "funk, clavinet, drums", 6),
)
BANK = 9
NEIGHBOURS = (0, 3, 7)  # each with the next one
CELLS = 32  # 16th notes of a loop
QUIET = 1e-5  # of the loudest cell's power: a comb 50 dB below it is inaudible
DEMAND, GOAL = 3.0, 2.0

Sound = NDArray[np.float64]
Mels = list[torch.Tensor]


def mels_of(model: BundledModel, request: RenderRequest) -> tuple[Mels, tuple[str, ...]]:
    """The mel of every stem, and which stems are silent."""
    sampled = model._sampler.sample(request.canonical(), lambda: None, None, model._encode_init)
    return model._codec.decode(sampled.latents), tuple(sampled.silent)


def unevenness(mels: list[Mels]) -> float:
    """The largest step between neighbours, divided by the mean step."""
    steps = [
        float(sum(((b - a) ** 2).sum() for a, b in zip(one, two, strict=True))) ** 0.5 for one, two in pairwise(mels)
    ]
    return max(steps) / (sum(steps) / len(steps))


def heard(model: BundledModel, request: RenderRequest) -> tuple[torch.Tensor, float]:
    """The stems ``(stems, frames)`` before levelling, and the processor time in seconds."""
    began = time.process_time()
    stems = model.render(request, lambda: None).audio.mean(axis=2)
    seconds = time.process_time() - began
    levelled = model._final_stems.get(request.canonical())
    assert levelled is not None
    return torch.from_numpy(stems / levelled.gain), seconds


def lsd_db(model: BundledModel, mels: Mels, stems: torch.Tensor, silent: tuple[str, ...]) -> float:
    """The distance in dB between the mel of the sound and the mel it was made from, over the audible cells."""
    apart = []
    for codec, mel, stem, name in zip(model._codec.codecs, mels, stems, model._codec.names, strict=True):
        if name in silent:
            continue
        power = codec.params.power
        wanted, made = (np.maximum(m[0].numpy(), 0.0) ** (1 / power) for m in (mel, codec.encode(stem[None])))
        audible = wanted > wanted.max() * 1e-3
        apart.append(20 * np.log10(np.maximum(made[audible], 1e-9) / wanted[audible]))
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
    audible = expected > QUIET * expected.max()
    apart = 10 * np.log10(np.maximum(made[audible], 1e-12) / expected[audible])
    weight = np.sqrt(expected[audible])
    dip = float(np.average(apart, weights=weight))
    return dip, float(np.sqrt(np.average((apart - dip) ** 2, weights=weight)))


def measure(model: BundledModel, pair: tuple[str, int, str, int], alphas: int, steps: int) -> dict[str, Any]:
    """All figures of one morph."""
    start, end = MorphEnd(pair[0], pair[1]), MorphEnd(pair[2], pair[3])

    def sampled(alpha: float) -> tuple[Mels, tuple[str, ...]]:
        return mels_of(model, RenderRequest(start, end, alpha, steps, sample_rate=OWN_RATE))

    row: dict[str, Any] = {"pair": f"{pair[0]} {pair[1]} → {pair[2]} {pair[3]}"}
    if alphas > 2:
        path = [n / (alphas - 1) for n in range(alphas)]
        row["stems_largest_over_mean"] = round(unevenness([sampled(alpha)[0] for alpha in path]), 2)
        morph = RenderRequest(start, end, steps=steps, sample_rate=OWN_RATE)
        heard_mels = [model.render(replace(morph, alpha=alpha), lambda: None).mel for alpha in path]
        row["largest_over_mean"] = round(mel_steps(heard_mels), 2)
    numbers = sorted(
        {number + n for number in NEIGHBOURS for n in (0, 1)}, key=lambda n: 0 < n < BANK - 1
    )  # ends first
    mels = {number: sampled(number / (BANK - 1)) for number in numbers}
    for way in ("cold", "warm"):
        sounds: dict[int, torch.Tensor] = {}
        seconds: list[float] = []
        for number in numbers:
            request = RenderRequest(
                start, end, number / (BANK - 1), steps, sample_rate=OWN_RATE, phase_from_ends=way == "warm"
            )
            sounds[number], took = heard(model, request)
            seconds += [took] if 0 < number < BANK - 1 else []
        mixes = {number: stems.sum(0).double().numpy() for number, stems in sounds.items()}
        combs = [combing(mixes[number], mixes[number + 1]) for number in NEIGHBOURS]
        apart = [lsd_db(model, mels[n][0], sounds[n], mels[n][1]) for n in numbers if 0 < n < BANK - 1]
        dip, ripple = np.mean(combs, axis=0)
        figures = {"dip_db": dip, "ripple_db": ripple, "lsd_db": np.mean(apart), "synthesis_s": np.median(seconds)}
        row[way] = {name: round(float(value), 2) for name, value in figures.items()}
    return row


@torch.inference_mode()
def main() -> int:
    """Measure and print; the status is 1 when a morph is less smooth than demanded."""
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
                f"(stems apart: {rows[-1].get('stems_largest_over_mean', 'not measured')})",
                flush=True,
            )
            for way in ("cold", "warm"):
                print(f"  {way:6}" + ", ".join(f"{name} {value}" for name, value in rows[-1][way].items()), flush=True)
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
