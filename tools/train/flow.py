"""Train one stage: ``python -m tools.train.flow score|render --source PATH --out DIR --steps N``.

Resumable: a checkpoint is written every ``--save`` steps and picked up again, also with another ``--steps`` (the
learning rate is constant until the last 40 % of the steps, then falls to zero, so a run can be shortened or prolonged).
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from riffengine.renderer.bundled import conditions as cond
from riffengine.renderer.bundled import score as sheet
from riffengine.renderer.bundled.flow import FlowShape, FlowTransformer
from riffengine.renderer.bundled.stages import score_to_flow
from riffengine.renderer.bundled.vocabulary import Vocabulary


class LoopSet:
    """The training loops in memory; draws batches with their augmentations."""

    def __init__(self, source: Path, stage: str, cut: slice, seed: list[int]) -> None:
        """``source`` is a folder of features for the render stage, a file of scores for the score stage."""
        table = np.load(source / "conditions.npz" if stage == "render" else source)
        self.stage = stage
        self.rng = np.random.default_rng(seed)
        self.words, self.mode, self.scores = table["words"][cut], table["mode"][cut], table["scores"][cut]
        if stage == "render":
            self.bpm, self.shift = table["bpm"][cut], table["key_shift"][cut]
            self.latents = np.load(source / "latents.npy", mmap_mode="r")[cut]
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
        scalars = cond.scalars(torch.from_numpy(bpm.astype(np.float32)), torch.from_numpy(mode.astype(np.float32)))
        weights = self.word_weights(rows)
        scores = np.stack(
            [np.roll(self.scores[r].astype(np.float32) / 255.0, t, axis=0) for r, t in zip(rows, turn, strict=True)]
        )
        if self.stage == "score":
            return score_to_flow(torch.from_numpy(scores)), weights, scalars, None
        sounding = np.stack([sheet.transpose(s, int(k)) for s, k in zip(scores, self.shift[rows], strict=True)])
        context = cond.score_context(torch.from_numpy(sounding), self.known_parts(len(rows)))
        latents = np.stack([np.roll(self.latents[r], t, axis=0) for r, t in zip(rows, turn, strict=True)])
        return torch.from_numpy(latents.astype(np.float32)), weights, scalars, context


def flow_loss(
    net: FlowTransformer, batch: tuple[Tensor, Tensor, Tensor, Tensor | None], t: Tensor, noise: Tensor
) -> Tensor:
    """Mean squared error of the velocity at flow times ``t``."""
    target, weights, scalars, context = batch
    x = (1 - t)[:, None, None] * target + t[:, None, None] * noise
    with torch.autocast("cpu", torch.bfloat16):
        predicted = net(x, t, net.embed_words(weights), scalars, context)
    return (predicted.float() - (noise - target)).square().mean()


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Warm-up over 200 steps, constant, and a fall to zero over the last 40 %."""
    fall = min(1.0, (steps - step) / (0.4 * steps))
    return peak * min(1.0, (step + 1) / 200) * max(0.0, fall)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=["score", "render"])
    parser.add_argument("--source", type=Path, required=True, help="features folder (render) or scores file (score)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--save", type=int, default=250)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    saved = args.out / f"{args.stage}.pt"
    state = torch.load(saved, weights_only=True) if saved.exists() else None
    first = state["step"] if state else 0
    torch.manual_seed(1 + first)  # a resumed run must not draw its first batches again
    train = LoopSet(args.source, args.stage, slice(200, None), [2, first])
    held = LoopSet(args.source, args.stage, slice(0, 200), [3])
    dims = train.latents.shape[-1] if args.stage == "render" else sheet.COLUMNS
    context = cond.CONTEXT_COLUMNS if args.stage == "render" else 0
    net = FlowTransformer(FlowShape(dims, context, train.vocabulary, args.width, args.depth, args.width // 64))
    average = copy.deepcopy(net).requires_grad_(False)
    optimizer = torch.optim.AdamW(net.parameters(), lr=args.lr, betas=(0.9, 0.98), weight_decay=0.01)
    if state:
        net.load_state_dict(state["net"]), average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
    exam = held.batch(0, np.arange(192))
    exam_t, exam_noise = (
        torch.linspace(0.02, 0.98, 192),
        torch.randn(exam[0].shape, generator=torch.Generator().manual_seed(4)),
    )
    print(
        f"{sum(p.numel() for p in net.parameters()) / 1e6:.2f} M parameters, {len(train)} loops, from step {first}",
        flush=True,
    )
    began, losses = time.perf_counter(), []
    for step in range(first, args.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args.steps, args.lr)
        batch = train.batch(args.batch)
        t = torch.sigmoid(torch.randn(args.batch) + 0.2)
        loss = flow_loss(net, batch, t, torch.randn_like(batch[0]))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        decay = min(0.998, (step + 1) / (step + 10))
        torch._foreach_lerp_(list(average.parameters()), list(net.parameters()), 1 - decay)
        if (step + 1) % args.save == 0 or step + 1 == args.steps:
            with torch.no_grad():
                exam_loss = flow_loss(average, exam, exam_t, exam_noise).item()
            line = {
                "step": step + 1,
                "train": round(float(np.mean(losses)), 4),
                "held": round(exam_loss, 4),
                "s_per_step": round((time.perf_counter() - began) / (step + 1 - first), 3),
            }
            print(json.dumps(line), flush=True)
            losses.clear()
            part = saved.with_suffix(".part")
            torch.save(
                {
                    "net": net.state_dict(),
                    "average": average.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "step": step + 1,
                    "shape": net.shape.as_dict(),
                },
                part,
            )
            part.replace(saved)


if __name__ == "__main__":
    main()
