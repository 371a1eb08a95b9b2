"""Train the encoder (audio → score and latents): ``python -m tools.train.listen --source DIR --out DIR``.

It learns from the mixes of the training loops, each with a random equaliser and a random level, so that it does not
adapt to the sound of one soundfont.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from riffengine.renderer.bundled import score as sheet
from riffengine.renderer.bundled.encoder import encoder_shape, mel_patches, run_encoder
from riffengine.renderer.bundled.flow_transformer import FlowTransformer
from riffengine.renderer.bundled.stages import score_to_flow
from riffengine.renderer.bundled.vocabulary import Vocabulary
from tools.train.loop import Loss, arguments, fit, steps_done

SCORE_WEIGHT = 3.0  # few cells of a score sound: without it silence is a good answer


class MixSet:
    """Mel images of mixes, and the latents and scores behind them."""

    def __init__(self, source: Path, cut: slice, seed: list[int]) -> None:
        table = np.load(source / "conditions.npz")
        self.rng = np.random.default_rng(seed)
        self.scores, self.shift = table["scores"][cut], table["key_shift"][cut]
        self.latents = np.load(source / "latents.npy", mmap_mode="r")[cut]
        self.heard = np.load(source / "heard.npy", mmap_mode="r")[cut]

    def batch(self, rows: np.ndarray, *, coloured: bool) -> tuple[Tensor, Tensor]:
        """Patches, and the latents and scores behind them."""
        mel = torch.from_numpy(np.stack([self.heard[row] for row in rows]).astype(np.float32))
        if coloured:
            steps = self.rng.normal(0.0, 0.06, (len(rows), 8)).astype(np.float32)  # dB / 4, roughly
            curve = torch.nn.functional.interpolate(torch.from_numpy(steps)[:, None], mel.shape[2], mode="linear")
            mel = mel * (1.0 + curve + float(self.rng.normal(0.0, 0.05)))
        scores = np.stack(
            [sheet.transpose(self.scores[r].astype(np.float32) / 255.0, int(self.shift[r])) for r in rows]
        )
        latents = torch.from_numpy(np.stack([self.latents[row] for row in rows]).astype(np.float32))
        return mel_patches(mel), torch.cat([latents, score_to_flow(torch.from_numpy(scores))], dim=2)


def encoder_loss(net: FlowTransformer, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Mean squared error of latents and score, the score weighing more."""
    device = next(net.parameters()).device
    heard, truth = batch[0].to(device), batch[1].to(device)
    with torch.autocast(device.type, torch.bfloat16):
        predicted = run_encoder(net, heard)
    error = (predicted.float() - truth).square()
    latents = truth.shape[2] - sheet.COLUMNS
    return error[..., :latents].mean() + SCORE_WEIGHT * error[..., latents:].mean()


def main() -> None:
    args = arguments(argparse.ArgumentParser(description=__doc__), 2500)
    saved = args.out / "listener.pt"
    first = steps_done(saved)
    torch.manual_seed(1 + first)
    train, held = MixSet(args.source, slice(200, None), [2, first]), MixSet(args.source, slice(0, 200), [3])
    exam = held.batch(np.arange(128), coloured=False)
    shape = encoder_shape(train.latents.shape[-1], len(Vocabulary.load().words), args.width, args.depth)

    def draw() -> Loss:
        batch = train.batch(train.rng.integers(0, len(train.scores), args.batch), coloured=True)
        return lambda net: encoder_loss(net, batch)

    fit(saved, shape, args, draw, lambda net: encoder_loss(net, exam))


if __name__ == "__main__":
    main()
