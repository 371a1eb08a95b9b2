"""Judge the shipped model: ``python -m tools.train.evaluate --heldout DIR --judge FILE [--count 320] [--json FILE]``.

Every score stands beside its references: real held-out loops, their reconstruction (codec and lapped transform), and
generated loops scored against the captions of other loops (``genre shuffled``). ``genre word only`` are loops from a
prompt of one word at the tempo of a loop of another genre: what a player types, with the tempo giving nothing away.
Intervals are 95 % by bootstrap, over loops; for the instruments over instruments.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from riffengine.renderer.bundled.keys import parse_key
from riffengine.renderer.bundled.model import BundledModel
from riffengine.renderer.bundled.vocabulary import Vocabulary
from riffengine.renderer.request import Point, RenderRequest
from tools.train.features import load_shards, loops_of
from tools.train.judge import Judge, hear, labels, verdicts
from tools.train.measures import onset_grid, pitch_measures, seam_ratio

TONICS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


def key_name(shift: int, mode: int) -> str:
    """The key parameter that gives ``shift`` semitones from home in ``mode`` (0 major, 1 minor)."""
    tonic = (shift + (9 if mode else 0)) % 12
    name = f"{TONICS[tonic]} {'minor' if mode else 'major'}"
    assert parse_key(name).shift == shift
    return name


def interval(values: np.ndarray, rng: np.random.Generator) -> tuple[float, float, float]:
    """Mean and 95 % bootstrap interval."""
    draws = rng.choice(values, (1000, len(values))).mean(axis=1)
    return float(values.mean()), float(np.quantile(draws, 0.025)), float(np.quantile(draws, 0.975))


def auc(scores: np.ndarray, truth: np.ndarray) -> float:
    """Area under the curve by ranks."""
    order = scores.argsort().argsort() + 1
    positive = truth > 0.5
    n, m = positive.sum(), (~positive).sum()
    return float((order[positive].sum() - n * (n + 1) / 2) / (n * m)) if n and m else float("nan")


class Table:
    """Rows of figures: what, mean, interval."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, object]] = {}
        self.rng = np.random.default_rng(7)

    def add(self, group: str, name: str, values: list[float] | np.ndarray) -> None:
        mean, low, high = interval(np.asarray(values, float), self.rng)
        self.rows.setdefault(name, {})[group] = [round(mean, 4), round(low, 4), round(high, 4)]

    def show(self, groups: list[str]) -> str:
        lines = [f"{'score':<16}" + "".join(f"{group:>26}" for group in groups)]
        for name, row in self.rows.items():
            cells = (f"{row[g][0]:.3f} [{row[g][1]:.3f} {row[g][2]:.3f}]" if g in row else "-" for g in groups)
            lines.append(f"{name:<16}" + "".join(f"{cell:>26}" for cell in cells))
        return "\n".join(lines)


def score_group(
    table: Table, group: str, loops: list[np.ndarray], judge: Judge, truth: tuple[torch.Tensor, ...]
) -> None:
    """All audio-only scores of one group of loops."""
    genre_true, bags, drums_true = truth
    genre, words, drums = verdicts(judge, torch.stack([hear(loop) for loop in loops]))
    table.add(group, "genre", (genre.argmax(1) == genre_true).numpy())
    table.add(group, "genre shuffled", (genre.argmax(1) == genre_true.roll(13)).numpy())
    table.add(group, "drums on/off", ((drums > 0).float() == drums_true).numpy())
    vocabulary = Vocabulary.load()
    instruments = [vocabulary.index(word) for word in vocabulary.with_role("instrument")]
    areas = [auc(words[:, i].numpy(), bags[:, i].numpy()) for i in instruments if bags[:, i].sum() >= 3]
    table.add(group, "instrument AUC", areas)
    pitches = [pitch_measures(loop) for loop in loops]
    for name in ("diatonic", "in_tune", "peaks", "chroma_bits"):
        table.add(group, name, [measured[name] for measured in pitches])
    table.add(group, "onset grid", [onset_grid(loop) for loop in loops])
    table.add(group, "seam ratio", [seam_ratio(loop) for loop in loops])


def single_word_loop(model: BundledModel, genre: str, row: int, bpm: float, args: argparse.Namespace) -> np.ndarray:
    """A loop from the genre's name alone."""
    point = Point(genre, 5000 + row, guidance=args.guidance)
    rendition = model.render(RenderRequest(point, point, steps=args.steps, bpm=bpm), lambda: None)
    return rendition.audio.mean(axis=(0, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heldout", type=Path, required=True)
    parser.add_argument("--judge", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--guidance", type=float, default=2.0)
    parser.add_argument("--given-score", action="store_true", help="tell the render stage the true score")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path, help="folder for the generated loops as WAV")
    args = parser.parse_args()
    torch.set_num_threads(1)
    vocabulary = Vocabulary.load()
    table_in = {key: value[: args.count] for key, value in load_shards(args.heldout).items()}
    real = [loop for loop, _ in zip(loops_of(args.heldout), range(args.count), strict=False)]
    truth = labels(table_in)
    judge = Judge(len(vocabulary.with_role("genre")), len(vocabulary))
    judge.load_state_dict(load_file(args.judge))
    judge.eval()
    model = BundledModel.load(args.weights)
    made, rebuilt, seconds = [], [], []
    for row, loop in enumerate(real):
        words = [vocabulary.words[w] for w in table_in["words"][row] if w >= 0]
        point = Point(", ".join(words), 1000 + row, guidance=args.guidance)
        request = RenderRequest(
            point,
            point,
            steps=args.steps,
            bpm=float(table_in["bpm"][row]),
            key=key_name(int(table_in["key_shift"][row]), int(table_in["mode"][row])),
        )
        began = time.perf_counter()
        score = table_in["scores"][row].astype(np.float32) / 255 if args.given_score else None
        rendition = model.render(request, lambda: None, score)
        seconds.append(time.perf_counter() - began)
        made.append(rendition.audio.mean(axis=(0, 2)))
        rebuilt.append(model.reconstruct(loop))
        if args.keep:
            import soundfile

            args.keep.mkdir(parents=True, exist_ok=True)
            soundfile.write(args.keep / f"{row:03d}.wav", made[-1], 44100)
            soundfile.write(args.keep / f"{row:03d}-real.wav", loop, 44100)
    table = Table()
    groups = ["real", "reconstructed", "generated"]
    for group, loops in zip(groups, (real, rebuilt, made), strict=True):
        score_group(table, group, loops, judge, truth)
    table.add("generated", "seconds/loop", seconds)
    genres = vocabulary.with_role("genre")
    single = [single_word_loop(model, genres[int(truth[0][row])], row, float(table_in["bpm"][row - 7]), args)
              for row in range(len(real))]  # fmt: skip
    named, _, _ = verdicts(judge, torch.stack([hear(loop) for loop in single]))
    table.add("generated", "genre word only", (named.argmax(1) == truth[0]).numpy())
    print(
        f"{len(real)} held-out captions, {args.steps} steps, guidance {args.guidance}, weights {model.weights_digest}, "
        f"chance of genre {1 / len(vocabulary.with_role('genre')):.3f}"
    )
    print(table.show(groups))
    if args.json:
        args.json.write_text(
            json.dumps(
                {
                    "weights": model.weights_digest,
                    "count": len(real),
                    "steps": args.steps,
                    "guidance": args.guidance,
                    "rows": table.rows,
                },
                indent=1,
            )
        )


if __name__ == "__main__":
    main()
