"""Train one stage: ``python -m tools.train.flow score|render --source PATH --out DIR --steps N``.

Resumable: a checkpoint is written every ``--save`` steps and picked up again, also with another ``--steps`` (the
learning rate is constant until the last 40 % of the steps, then falls to zero, so a run can be shortened or prolonged).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from riffengine.renderer.bundled import conditioning as cond
from riffengine.renderer.bundled import score as sheet
from riffengine.renderer.bundled.flow_transformer import FlowShape, FlowTransformer
from riffengine.renderer.bundled.stages import score_to_flow
from riffengine.renderer.bundled.vocabulary import Vocabulary
from tools.train.loop import Loss, arguments, fit, steps_done


class LoopSet:
    """The training loops in memory; draws batches with their augmentations."""

    def __init__(self, source: Path, stage: str, cut: slice, seed: list[int]) -> None:
        """``source`` is a folder of features for the render stage, a file of scores for the score stage."""
        table = np.load(source / "conditions.npz" if stage == "render" else source)
        self.stage = stage
        self.rng = np.random.default_rng(seed)
        self.words, self.mode, self.scores = table["words"][cut], table["mode"][cut], table["scores"][cut]
        told = [
            sheet.density(self.scores.astype(np.float32)),
            np.zeros(len(self.scores)),
            2.0 * table["energy"][cut] - 1,
        ]
        if stage == "render":
            self.bpm, self.shift = table["bpm"][cut], table["key_shift"][cut]
            self.latents = np.load(source / "latents.npy")[cut]
            told[1] = table["brightness"][cut]
        self.character = np.stack(told, axis=1).astype(np.float32)
        self.vocabulary = len(Vocabulary.load().words)

    def __len__(self) -> int:
        return len(self.scores)

    def word_weights(self, rows: np.ndarray) -> Tensor:
        """Bags of words, some words left out, some weighed, one in ten without any."""
        bags = np.zeros((len(rows), self.vocabulary), np.float32)
        for line, row in enumerate(rows):
            if self.rng.random() < 0.1:
                continue
            words = self.words[row]
            words = words[words >= 0]
            kept = words[self.rng.random(len(words)) > self.rng.choice([0.0, 0.2, 0.5])]
            bags[line, kept] = 1.0 if self.rng.random() < 0.7 else self.rng.uniform(0.7, 1.3, len(kept))
        return torch.from_numpy(bags)

    def known_parts(self, count: int) -> Tensor:
        """Which parts of the score are told: mostly all, sometimes some, sometimes chords only, sometimes nothing."""
        known = (self.rng.random((count, 5)) > 0.1).astype(np.float32)
        draw = self.rng.random(count)
        known[draw < 0.5] = 1.0
        known[draw > 0.78] = (0, 0, 0, 0, 1)
        known[draw > 0.86] = 0.0
        return torch.from_numpy(known)

    def batch(self, size: int, rows: np.ndarray | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Target, word weights, scalars, context (render stage only)."""
        rows = self.rng.integers(0, len(self), size) if rows is None else rows
        turn = np.where(self.rng.random(len(rows)) < 0.5, sheet.STEPS // 2, 0)  # a loop may begin on either bar
        mode = np.where(self.mode[rows] == 0, 1.0, -1.0) * (self.rng.random(len(rows)) > 0.3)
        if self.stage == "score":
            bpm = np.full(len(rows), 120.0)  # a tune does not change with the tempo it is played at
        else:
            bpm, mode = self.bpm[rows], np.zeros(len(rows))  # the score tells the mode
        character = self.character[rows] * (self.rng.random((len(rows), 3)) > 0.4)  # 0 is the middle, and not told
        numbers = (bpm.astype(np.float32), mode.astype(np.float32), character.astype(np.float32))
        scalars = cond.scalars(*map(torch.from_numpy, numbers))
        weights = self.word_weights(rows)
        scores = np.stack(
            [np.roll(self.scores[r].astype(np.float32) / 255.0, t, axis=0) for r, t in zip(rows, turn, strict=True)]
        )
        if self.stage == "score":
            return score_to_flow(torch.from_numpy(scores)), weights, scalars, None
        sounding = np.stack([sheet.transpose(s, int(k)) for s, k in zip(scores, self.shift[rows], strict=True)])
        with torch.device("cpu"):  # a batch is made here, and moves as a whole
            context = cond.score_context(torch.from_numpy(sounding), self.known_parts(len(rows)))
        latents = np.stack([np.roll(self.latents[r], t, axis=0) for r, t in zip(rows, turn, strict=True)])
        return torch.from_numpy(latents.astype(np.float32)), weights, scalars, context


def flow_loss(
    net: FlowTransformer, batch: tuple[Tensor, Tensor, Tensor, Tensor | None], t: Tensor, noise: Tensor
) -> Tensor:
    """Mean squared error of the velocity at flow times ``t``."""
    target, weights, scalars = (part.to(t.device) for part in batch[:3])
    context = None if batch[3] is None else batch[3].to(t.device)
    x = (1 - t)[:, None, None] * target + t[:, None, None] * noise
    with torch.autocast(x.device.type, torch.bfloat16):
        predicted = net(x, t, net.embed_words(weights), scalars, context)
    return (predicted.float() - (noise - target)).square().mean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=["score", "render"])
    args = arguments(parser, 6000)
    saved = args.out / f"{args.stage}.pt"
    first = steps_done(saved)
    torch.manual_seed(1 + first)  # a resumed run must not draw its first batches again
    train = LoopSet(args.source, args.stage, slice(200, None), [2, first])
    held = LoopSet(args.source, args.stage, slice(0, 200), [3])
    dims = train.latents.shape[-1] if args.stage == "render" else sheet.COLUMNS
    context = cond.CONTEXT_COLUMNS if args.stage == "render" else 0
    sizes = (dims, context, train.vocabulary, args.width, args.depth, args.width // 64)
    shape = FlowShape(*sizes, scalars=cond.SCALARS, velocities=True)
    exam = held.batch(0, np.arange(192))
    exam_t = torch.linspace(0.02, 0.98, 192)
    exam_noise = torch.randn(exam[0].shape, generator=torch.Generator("cpu").manual_seed(4), device="cpu")
    exam_noise = exam_noise.to(args.device)

    def draw() -> Loss:
        batch = train.batch(args.batch)
        t = torch.sigmoid(torch.randn(args.batch) + 0.2)
        noise = torch.randn(batch[0].shape)
        return lambda net: flow_loss(net, batch, t, noise)

    print(f"{len(train)} loops", flush=True)
    fit(saved, shape, args, draw, lambda net: flow_loss(net, exam, exam_t, exam_noise))


if __name__ == "__main__":
    main()
