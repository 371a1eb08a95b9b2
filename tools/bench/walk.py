"""Measures how far a walk of the bundled model remembers itself.

Run it with ``python -m tools.bench.walk [--memory off groove harmony turns] [--walks 2] [--loops 64] [--json]``.

Every walk is rendered loop by loop as a set would render it: with ``--memory off`` each loop is the next seed, else the
plan of ``deck/a/memory``. Of each loop there are two vectors: timbre, the mean and the spread over time of 40 mel bands
(dB), and harmony, the chroma of every two beats. Their autocorrelation over 1, 2 and 4 loops is that of the vectors
minus the mean of their walk. Beside it stands the shuffled control, the mean of the absolute autocorrelation of the
same loops in 400 random orders: what chance gives (19 of 20 orders have less than twice that). ``next`` counts the
drum strokes that a loop shares with the next one and ``bars`` those that its two bars share (Jaccard); ``levels`` are
distinct velocities of a part with eight notes or more; ``rises`` is the correlation of tension with the notes and the
brightness of a loop; ``lufs`` is the loudness, median and range.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from riffengine.performance import drift
from riffengine.performance.parameters import standard_tree
from riffengine.performance.walk_form import MEMORY_CHOICES, OFF
from riffengine.processes.render_request import RenderRequest
from riffengine.renderer.bundled import score as sheet
from riffengine.renderer.bundled.family import BundledModel
from riffengine.scheduler.morph_bank import SessionFacts, bank_key, walk_form
from tools.train.written import bars_in_common, distinct_velocities

RATE = 44100
LAGS = (1, 2, 4)
SETS = (
    ("house, piano, synth bass, electronic drums", "house, organ, synth bass", "A minor", 124.0),
    ("techno, acid bass, driving, four on the floor", "techno, synth chords, spacious", "G minor", 132.0),
    ("lo-fi, electric piano, hip hop, warm", "lo-fi, guitar, hip hop, warm", "D minor", 86.0),
    ("ambient, pad, choir, no drums, calm", "ambient, strings, harp, no drums, dreamy", "D major", 72.0),
)
_WINDOW = 4096
_HOP = 2048
_ORDERS = 400

Vectors = NDArray[np.float64]


@dataclass(frozen=True)
class Walk:
    """What is measured of one walk; the first axis of every array is the loop."""

    timbre: Vectors
    harmony: Vectors
    scores: list[sheet.Score]
    tension: NDArray[np.float64]
    brightness: NDArray[np.float64]
    loudness_lufs: NDArray[np.float64]
    seconds: list[float]


def requests_of_walk(
    memory: str, tension: float, place: int, loops: int, stems: tuple[str, ...], steps: int
) -> Iterator[tuple[RenderRequest, float]]:
    """The requests of the first ``loops`` loops of a walk, and the tension of each, 0 to 1."""
    prompt, to, key, bpm = SETS[place % len(SETS)]
    state = standard_tree(("a",), stems).initial_state()
    values = {"deck/a/prompt": prompt, "deck/a/to": to, "deck/a/seed": 100 + place, "deck/a/to_seed": 500 + place}
    values |= {"deck/a/memory": memory, "deck/a/tension": tension, "key": key, "transport/tempo": bpm}
    for path, value in values.items():
        state = state.with_value(path, value)
    facts = SessionFacts(8, RATE, "bundled", stems=stems)
    intent = state.deck("a")
    for loop in range(loops):
        form = walk_form(intent, facts)
        yield bank_key(intent, state, facts).request(0.0, steps), 0.0 if form is None else form.tension_at(intent.walk)
        if form is None:
            intent = replace(intent, seed=100 + place + 1000 * (loop + 1))
        else:
            intent = drift.after_loop(intent, form.ends_theme(intent.walk))


def spectrum(mix: NDArray[np.float32]) -> Vectors:
    """Power ``(frames, bins)`` of a mono loop; circular."""
    at = np.arange(0, len(mix), _HOP)[:, None] + np.arange(_WINDOW)
    return np.asarray(np.abs(np.fft.rfft(mix[at % len(mix)] * np.hanning(_WINDOW))) ** 2)


def timbre_of(power: Vectors) -> NDArray[np.float64]:
    """Mean and spread over time of 40 mel bands from 40 Hz to 16 kHz, dB above -70 dB of the loudest band."""
    hz = np.fft.rfftfreq(_WINDOW, 1.0 / RATE)
    mel = np.linspace(2595.0 * np.log10(1.0 + 40.0 / 700.0), 2595.0 * np.log10(1.0 + 16000.0 / 700.0), 42)
    edges = 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    low, mid, high = (edges[i : i + 40, None] for i in range(3))
    bands = np.clip(np.minimum((hz - low) / (mid - low), (high - hz) / (high - mid)), 0.0, None)
    level = 10.0 * np.log10(power @ bands.T + 1e-12)
    level = np.maximum(level, level.max() - 70.0)
    return np.concatenate([level.mean(axis=0), level.std(axis=0)])


def harmony_of(power: Vectors, parts: int = 4) -> NDArray[np.float64]:
    """Chroma of 55 to 1760 Hz in each of ``parts`` parts of the loop, each of length 1."""
    hz = np.fft.rfftfreq(_WINDOW, 1.0 / RATE)
    heard = (hz >= 55.0) & (hz < 1760.0)
    # A class gets what lies within half a semitone of it; below 230 Hz a bin is wider than that and is shared.
    pitch = 12.0 * np.log2(hz[heard] / 440.0) + 9.0
    distance = (pitch[:, None] - np.arange(12) + 6.0) % 12.0 - 6.0
    share = np.exp(-0.5 * (distance / 0.35) ** 2)
    chroma = np.stack([part.mean(axis=0) for part in np.array_split(np.sqrt(power[:, heard]) @ share, parts)])
    chroma -= chroma.min(axis=1, keepdims=True)
    return np.asarray((chroma / (np.linalg.norm(chroma, axis=1, keepdims=True) + 1e-9)).ravel())


def autocorrelation(vectors: Vectors, lag: int) -> float:
    """That of a walk of vectors ``(loops, size)`` over ``lag`` loops, minus the mean of the walk."""
    centred = vectors - vectors.mean(axis=0)
    energy = float(np.mean(np.sum(centred**2, axis=1)))
    return float(np.mean(np.sum(centred[:-lag] * centred[lag:], axis=1))) / energy if energy else 0.0


def shuffled(vectors: Vectors, lag: int, seed: int = 0) -> float:
    """The mean absolute autocorrelation of the same loops in random order."""
    rng = np.random.default_rng(seed)
    found = [autocorrelation(vectors[rng.permutation(len(vectors))], lag) for _ in range(_ORDERS)]
    return float(np.mean(np.abs(found)))


def strokes_in_common(one: sheet.Score, other: sheet.Score) -> float:
    """Jaccard index of the drum strokes of two loops; ``nan`` without drums."""
    first, second = one[:, sheet.DRUMS] > 0, other[:, sheet.DRUMS] > 0
    union = (first | second).sum()
    return float((first & second).sum() / union) if union else float("nan")


def render_walk(model: BundledModel, requests: Iterator[tuple[RenderRequest, float]]) -> Walk:
    """Render a walk and keep what is measured of it."""
    timbre, harmony, scores, tension, brightness, loudness, seconds = [], [], [], [], [], [], []
    for request, at in requests:
        began = time.perf_counter()
        rendition = model.render(request, lambda: None)
        seconds.append(time.perf_counter() - began)
        power = spectrum(rendition.audio.sum(axis=0).mean(axis=1))
        timbre.append(timbre_of(power))
        harmony.append(harmony_of(power))
        assert rendition.score is not None
        scores.append(rendition.score)
        tension.append(at)
        whole = power.mean(axis=0)
        brightness.append(float((whole * np.arange(len(whole))).sum() / whole.sum()))
        loudness.append(rendition.loudness_lufs)
    return Walk(
        np.stack(timbre),
        np.stack(harmony),
        scores,
        np.array(tension),
        np.array(brightness),
        np.array(loudness),
        seconds,
    )


def rises(walk: Walk) -> tuple[float, float]:
    """Correlation of tension with the notes of a loop, and with its spectral centroid; ``nan`` without tension."""
    if not walk.tension.std():
        return float("nan"), float("nan")
    notes = sheet.events(np.stack(walk.scores))
    return tuple(float(np.corrcoef(walk.tension, values)[0, 1]) for values in (notes, walk.brightness))


def levels_of(scores: Sequence[sheet.Score]) -> dict[str, float]:
    """The median number of distinct velocities of every part with eight notes or more."""
    found: dict[str, list[int]] = {}
    for score in scores:
        for part, count in distinct_velocities(score).items():
            found.setdefault(part, []).append(count)
    return {part: float(np.median(counts)) for part, counts in sorted(found.items())}


def measure(memory: str, walks: Sequence[Walk]) -> dict[str, object]:
    """All figures of the walks with one kind of memory."""
    figures: dict[str, object] = {"memory": memory, "walks": len(walks), "loops": len(walks[0].scores)}
    for name in ("timbre", "harmony"):
        for lag in LAGS:
            each = [autocorrelation(getattr(walk, name), lag) for walk in walks]
            chance = [shuffled(getattr(walk, name), lag) for walk in walks]
            figures[f"{name} {lag}"] = {
                "median": float(np.median(each)),
                "least": min(each),
                "most": max(each),
                "shuffled": float(np.median(chance)),
            }
    drummed = [s for walk in walks for s in walk.scores]
    nexts = [strokes_in_common(a, b) for walk in walks for a, b in pairwise(walk.scores)]
    figures["bars"] = float(np.nanmedian([bars_in_common(score) for score in drummed]))
    figures["next"] = float(np.nanmedian(nexts))
    figures["levels"] = levels_of(drummed)
    pairs = [rises(walk) for walk in walks]
    figures["rises"] = [float(np.nanmedian(values)) if memory != OFF else None for values in zip(*pairs, strict=True)]
    loudness = np.concatenate([walk.loudness_lufs for walk in walks])
    figures["lufs"] = [float(np.median(loudness)), float(loudness.min()), float(loudness.max())]
    figures["seconds"] = float(np.median([second for walk in walks for second in walk.seconds]))
    return figures


def table_of(figures: dict[str, object]) -> str:
    """The figures of one kind of memory, for a person."""
    lines = [f"memory {figures['memory']}: {figures['walks']} walks of {figures['loops']} loops"]
    for name in ("timbre", "harmony"):
        for lag in LAGS:
            found = figures[f"{name} {lag}"]
            assert isinstance(found, dict)
            times = found["median"] / found["shuffled"]
            lines.append(
                f"  {name:8}over {lag} loops {found['median']:6.2f} [{found['least']:5.2f} {found['most']:5.2f}]"
                f"   shuffled {found['shuffled']:.2f}: {times:4.1f} times that"
            )
    rest = {key: figures[key] for key in ("bars", "next", "levels", "rises", "lufs", "seconds")}
    return "\n".join([*lines, "  " + ", ".join(f"{key} {_short(value)}" for key, value in rest.items())])


def _short(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key} {number:.0f}" for key, number in value.items())
    if isinstance(value, list):
        return " ".join("-" if number is None else f"{number:.2f}" for number in value)
    return f"{value:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", nargs="+", choices=MEMORY_CHOICES, default=list(MEMORY_CHOICES))
    parser.add_argument("--tension", type=float, default=0.5, help="of the walks with memory, 0 to 1")
    parser.add_argument("--walks", type=int, default=2, help="of each kind, each with another prompt and seed")
    parser.add_argument("--loops", type=int, default=64, help="of each walk; more than four")
    parser.add_argument("--steps", type=int, default=8, help="denoising steps of a loop")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.loops <= max(LAGS) or options.walks < 1:
        parser.error(f"a walk needs more than {max(LAGS)} loops, and at least one is measured")
    torch.set_num_threads(1)
    model = BundledModel.load()
    results = []
    if not options.json:
        print(
            f"{platform.machine()}, 1 thread, torch {torch.__version__}, numpy {np.__version__}, weights "
            f"{model.weights_digest}, {options.steps} steps, tension {options.tension:g}"
        )
    for memory in options.memory:
        walks = [
            render_walk(model, requests_of_walk(memory, options.tension, n, options.loops, model.stems, options.steps))
            for n in range(options.walks)
        ]
        results.append(measure(memory, walks))
        if not options.json:
            print(table_of(results[-1]), flush=True)
    if options.json:
        versions = {"torch": torch.__version__, "numpy": np.__version__, "weights": model.weights_digest}
        print(json.dumps({"machine": platform.machine(), **versions, "results": results}, indent=2))


if __name__ == "__main__":
    main()
