"""What becomes of the score along a morph: ``python -m tools.train.morphs [--pairs 4] [--alphas 17] [--picture FILE]``.

Compares three ways; the sound is generated at every alpha in all of them. Interpolated: the score is generated from
interpolated noise and words, as shipped. Switched: it is that of the nearer end. Shared: it is that of alpha 0.
The table is in tried.md. The picture shows the notes, and the mel of the first two beats, at nine alphas of a pair.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.bundled.family import BundledModel
from tools.train import measures

PAIRS = (
    ("lo-fi, electric piano, hip hop", 7, "techno, acid bass, driving", 12),
    ("jazz, piano, upright bass", 4, "bossa nova, acoustic guitar, flute", 21),
    ("house, organ, synth bass", 3, "funk, clavinet, slap bass", 5),
    ("ambient, pad, bells, no drums", 5, "trance, synth chords, synth bass", 9),
)
WAYS = ("interpolated", "switched", "shared")
FIGURES = ("largest/mean step", "notes changed", "at most", "in tune", "diatonic", "peaks", "from the end")


@dataclass(frozen=True)
class Along:
    """A morph, alpha by alpha: mels ``(96 …, bands)``, scores ``(32, 166)``, the pitched stems."""

    mels: list[NDArray[np.float32]]
    scores: list[NDArray[np.bool_]]
    pitched: list[NDArray[np.float32]]


def travelled(model: BundledModel, request: RenderRequest, alphas: NDArray[np.float64], way: str) -> Along:
    """``request`` at ``alphas``. Its key must be "": scores are passed on as they were generated."""
    ends = [model.render(replace(request, alpha=end), lambda: None).score for end in (0.0, 1.0)]
    along = Along([], [], [])
    for alpha in alphas:
        score = {"interpolated": None, "switched": ends[int(alpha >= 0.5)], "shared": ends[0]}[way]
        made = model.render(replace(request, alpha=float(alpha)), lambda: None, score)
        along.mels.append(made.mel)
        along.scores.append(np.asarray(made.score) > 0)
        along.pitched.append(made.audio[1:].mean(axis=2).sum(axis=0))
    return along


def figures(along: Along, alphas: NDArray[np.float64], end: NDArray[np.float32]) -> list[float]:
    """As ``FIGURES`` names them; pitches from alpha .2 to .8, the last is the mel's distance to the ``end``."""
    changed = [(a ^ b).sum() / max((a | b).sum(), 1) for a, b in itertools.pairwise(along.scores)]
    middle = [loop for alpha, loop in zip(alphas, along.pitched, strict=True) if 0.2 < alpha < 0.8]
    heard = [measures.pitch_measures(loop) for loop in middle]
    pitches = [float(np.mean([one[name] for one in heard])) for name in ("in_tune", "diatonic", "peaks")]
    steps = measures.mel_steps(along.mels)
    return [steps, float(np.mean(changed)), float(max(changed)), *pitches, float(np.linalg.norm(along.mels[-1] - end))]


def draw(along: dict[str, Along], alphas: NDArray[np.float64], path: Path, title: str) -> None:
    """Notes above, sound below, one column of panels a way."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    shown = np.unique(np.linspace(0, len(alphas) - 1, 9).round().astype(int))
    grid, panels = plt.subplots(2, len(along), figsize=(13, 4.6), sharex="row", layout="constrained")
    for column, (way, one) in enumerate(along.items()):
        notes = np.concatenate([np.pad(one.scores[i][:, :163], ((0, 2), (0, 0))) for i in shown])
        sound = np.concatenate([np.pad(one.mels[i][:96], ((0, 4), (0, 0))) for i in shown])
        for row, image in enumerate((notes, sound)):
            panel = panels[row, column]
            panel.imshow(image.T, origin="lower", aspect="auto", cmap="gray_r" if row == 0 else "magma")
            panel.set_yticks([])
            width = len(image) / len(shown)
            panel.set_xticks(
                [(k + 0.5) * width for k in range(len(shown))], [f"{alphas[i]:.2g}" for i in shown], fontsize=7
            )
        panels[0, column].set_title(way, fontsize=9)
    panels[0, 0].set_ylabel("drums, bass, comp, lead", fontsize=8)
    panels[1, 0].set_ylabel("mel, two beats", fontsize=8)
    grid.suptitle(title, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    grid.savefig(path, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=len(PAIRS))
    parser.add_argument("--alphas", type=int, default=17)
    parser.add_argument("--picture", type=Path, help="draw the first pair")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, alphas = BundledModel.load(), np.linspace(0.0, 1.0, args.alphas)
    found: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    for start, seed, end, to_seed in PAIRS[: args.pairs]:
        request = RenderRequest(MorphEnd(start, seed), MorphEnd(end, to_seed), bpm=110.0)
        along = {way: travelled(model, request, alphas, way) for way in WAYS}
        for way in WAYS:
            found[way].append(figures(along[way], alphas, along["interpolated"].mels[-1]))
        if args.picture and len(found[WAYS[0]]) == 1:
            draw(along, alphas, args.picture, f"{start} → {end}, by alpha")
    print(f"{'':14}" + "".join(f"{name:>19}" for name in FIGURES))
    for way, rows in found.items():
        print(f"{way:14}" + "".join(f"{value:19.3f}" for value in np.mean(rows, axis=0)))


if __name__ == "__main__":
    main()
