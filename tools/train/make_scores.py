"""Compose without rendering: ``python -m tools.train.make_scores --out FILE.npz --count N --first-seed S``.

The score stage learns from scores alone, and a score costs a thousandth of a rendered loop: it is given many more.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from riffengine.renderer.bundled.vocabulary import Vocabulary
from tools.train.compose.composition import compose

WIDEST = 24  # words of one loop


def composed(seed: int) -> tuple[np.ndarray, bool, np.ndarray, float]:
    piece = compose(seed)
    vocabulary = Vocabulary.load()
    words = np.full(WIDEST, -1, np.int16)
    words[: len(piece.words)] = [vocabulary.index(word) for word in piece.words]
    return words, piece.minor, np.round(piece.score * 255).astype(np.uint8), piece.energy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=60000)
    parser.add_argument("--first-seed", type=int, default=20_000_000)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    seeds = range(args.first_seed, args.first_seed + args.count)
    with ProcessPoolExecutor(args.jobs) as pool:
        pieces = list(pool.map(composed, seeds, chunksize=200))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    words, minor, scores, energy = (np.stack(column) for column in zip(*pieces, strict=True))
    np.savez(args.out, words=words, mode=minor.astype(np.int8), scores=scores, energy=energy.astype(np.float32))
    print(f"{len(scores)} scores, {100 * (scores > 0).mean():.2f} % of the cells sound")


if __name__ == "__main__":
    main()
