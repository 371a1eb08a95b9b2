"""Train the network that reads the envelopes of the drums: ``python -m tools.train.envelopes --data DIR … --out FILE``.

It learns from the drum stems of ``make_data``: mel image in, measured envelopes of four frequency zones out. Half of
the images have passed the lapped transform of the bundled weights and have some noise added, as generated ones do.
Takes minutes on one core. ``--steps 0`` only tests ``--start`` on the loops that no training sees.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from riffengine.renderer.bundled.lapped_pca import LappedPca
from riffengine.renderer.bundled.weights import packaged_weights, read_weights
from riffengine.renderer.codec.envelopes import (
    VALUES_PER_FRAME,
    ZONE_EDGES_HZ,
    ZONES,
    EnvelopeNet,
    load_envelope_net,
    save_envelope_net,
    window_spectrum,
)
from riffengine.renderer.codec.noise import zone_weights
from tools.train.features import stems_of

HELD_OUT = 100  # loops
_RIPPLE_WEIGHT, _RIPPLE_FRAMES = 4.0, 9
_ATTACK_MS = 1.5  # the envelope is measured through a window this long


def measured_levels(stem: Tensor, frames: int, sample_rate: int) -> Tensor:
    """The levels in dB ``(frames * VALUES_PER_FRAME, ZONES)`` of a stem ``(L,)``, as the network should give them."""
    length = len(stem)
    zones = torch.stack(zone_weights(ZONE_EDGES_HZ, torch.fft.rfftfreq(length, 1.0 / sample_rate))[1:])
    power = torch.fft.irfft(torch.fft.rfft(stem) * zones, n=length).square()
    smoothing = window_spectrum(round(_ATTACK_MS / 1000.0 * sample_rate), length)
    power = torch.fft.irfft(torch.fft.rfft(power) * smoothing, n=length)
    values = frames * VALUES_PER_FRAME
    cell = torch.arange(length) * values // length
    sums = torch.zeros(ZONES, values).index_add_(1, cell, power.clamp_min(0.0))
    levels = 10.0 * torch.log10(sums / torch.bincount(cell, minlength=values) + 1e-9)
    return levels.roll(VALUES_PER_FRAME // 2, 1).T


class DrumSet:
    """Mel images, their way through the latents, envelopes and hops of drum stems."""

    def __init__(self, folders: Sequence[Path], count: int) -> None:
        """The first ``count`` loops with drums of every folder."""
        codec = read_weights(packaged_weights()).codec
        self.codec, transform = codec.codecs[0], cast(LappedPca, codec.lapped[0])
        images, through, levels, hops = [], [], [], []
        for stem in itertools.chain.from_iterable(self._audible(folder, count) for folder in folders):
            mel = self.codec.encode(stem[None])
            images.append(mel[0].half())
            through.append(transform.decode(transform.encode(mel))[0].half())
            levels.append(measured_levels(stem, self.codec.params.frames, self.codec.params.sample_rate).half())
            hops.append(len(stem) / self.codec.params.sample_rate / self.codec.params.frames)
        self.images, self.through, self.levels = torch.stack(images), torch.stack(through), torch.stack(levels)
        self.hops = torch.tensor(hops)
        order = torch.randperm(len(hops), generator=torch.Generator().manual_seed(0))
        self.held_out, self.trained = order[:HELD_OUT], order[HELD_OUT:]

    @staticmethod
    def _audible(folder: Path, count: int) -> Iterator[Tensor]:
        for stems in stems_of(folder):
            if count and np.abs(stems[0]).max() > 1e-3:
                count -= 1
                yield torch.from_numpy(stems[0])

    def batch(self, size: int, draw: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Images, hops and levels of ``size`` loops, rotated at random."""
        rows = self.trained[torch.randint(len(self.trained), (size,), generator=draw)]
        mel = torch.where(torch.rand(size, 1, 1, generator=draw) < 0.5, self.images[rows], self.through[rows]).float()
        spread = 0.02 * torch.rand(size, 1, 1, generator=draw)
        mel = (mel + spread * torch.randn(mel.shape, generator=draw)).clamp_min(0.0)
        turn = int(torch.randint(mel.shape[1], (1,), generator=draw))
        levels = self.levels[rows].float().roll(turn * VALUES_PER_FRAME, 1)
        return mel.roll(turn, 1), self.hops[rows], levels


def loss(net: EnvelopeNet, mel: Tensor, hops: Tensor, levels: Tensor) -> Tensor:
    """Mean error in dB, where it matters: loud moments, and those within a window of a change."""
    loud = ((levels - levels.amax((1, 2), keepdim=True) + 60.0) / 60.0).clamp(0.02, 1.0)
    rows, reach = levels.transpose(1, 2), 6 * VALUES_PER_FRAME + 1
    highest = functional.max_pool1d(rows, reach, 1, reach // 2)
    lowest = -functional.max_pool1d(-rows, reach, 1, reach // 2)
    weight = loud * (0.3 + (highest - lowest).transpose(1, 2).clamp(0.0, 30.0) / 30.0)
    difference = net(mel, hops) - levels
    error: Tensor = (difference.abs() * weight).sum() / weight.sum()
    return error + _RIPPLE_WEIGHT * _ripple(difference, loud)


def _ripple(difference: Tensor, loud: Tensor) -> Tensor:
    """How far an error repeats from frame to frame, in dB: heard as a buzz at the frame rate.

    The error at each of a frame's places is averaged over neighbouring frames, its mean over the places taken out.
    """
    batch, _, zones = difference.shape
    places = (batch, -1, VALUES_PER_FRAME, zones)
    near = (difference * loud).view(places).permute(0, 3, 2, 1).reshape(batch * zones, VALUES_PER_FRAME, -1)
    mean = functional.avg_pool1d(near, _RIPPLE_FRAMES, 1)
    repeated: Tensor = (mean - mean.mean(dim=1, keepdim=True)).abs().mean() / loud.mean()
    return repeated


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, nargs="+", help="folders of shards")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="network to begin from")
    parser.add_argument("--count", type=int, default=2000, help="loops with drums from each folder")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--lr", type=float, default=2e-3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    loops, draw = DrumSet(args.data, args.count), torch.Generator().manual_seed(1)
    net = load_envelope_net(args.start) if args.start else EnvelopeNet(loops.codec.params)
    net.train().requires_grad_(True)
    optimizer = torch.optim.AdamW(net.parameters(), lr=args.lr, weight_decay=0.01)
    held = loops.held_out
    began, losses = time.perf_counter(), []
    for step in range(args.steps):
        for group in optimizer.param_groups:
            group["lr"] = args.lr * min(1.0, (step + 1) / 100, (args.steps - step) / (0.5 * args.steps))
        error = loss(net, *loops.batch(args.batch, draw))
        optimizer.zero_grad(set_to_none=True)
        error.backward()
        optimizer.step()
        losses.append(error.item())
        if (step + 1) % 250 == 0:
            seconds = (time.perf_counter() - began) / (step + 1)
            print(f"step {step + 1}: {np.mean(losses):.3f} dB, {seconds:.3f} s a step", flush=True)
            losses.clear()
    with torch.no_grad():
        found = loss(net, loops.through[held].float(), loops.hops[held], loops.levels[held].float())
    print(f"held-out loops, through the latents: {found:.3f} dB", flush=True)
    save_envelope_net(net, args.out)


if __name__ == "__main__":
    main()
