"""The training loop that all three networks share: AdamW, a running average, an exam, a checkpoint now and then."""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from riffengine.renderer.bundled.flow_transformer import FlowShape, FlowTransformer
from riffengine.renderer.bundled.weights import read_weights

Loss = Callable[[FlowTransformer], Tensor]


def arguments(parser: argparse.ArgumentParser, steps: int) -> argparse.Namespace:
    """Parse the command line, with the options that every training has."""
    parser.add_argument("--source", type=Path, required=True, help="folder of features, or file of scores")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--save", type=int, default=250)
    parser.add_argument("--start", type=Path, help="checkpoint of an earlier run, or exported weights, to begin from")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cuda where there is one (never tried: no GPU was at hand)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_default_device(args.device)
    args.out.mkdir(parents=True, exist_ok=True)
    return args


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Warm-up over 200 steps, constant, and a fall to zero over the last 40 %."""
    fall = min(1.0, (steps - step) / (0.4 * steps))
    return peak * min(1.0, (step + 1) / 200) * max(0.0, fall)


def take_over(net: FlowTransformer, path: Path, part: str) -> None:
    """Begin from the average of another run, or from weights that were exported: every tensor of the same shape, and
    what is known of longer ones. ``part`` names the network in exported weights."""
    taken = 0
    own = net.state_dict()
    if path.suffix == ".safetensors":
        known = read_weights(path).parts[part].state_dict()
    else:
        known = torch.load(path, map_location="cpu", weights_only=True)["average"]
    for name, tensor in known.items():
        if name in own and own[name].shape == tensor.shape:
            own[name].copy_(tensor)
            taken += tensor.numel()
        elif name == "scalar.weight":  # a scalar that is new says nothing yet
            own[name].zero_()
            own[name][:, : tensor.shape[1]] = tensor
        elif name == "word_vectors" and tensor.shape[1] == own[name].shape[1]:  # nor does a word that is new
            own[name].zero_()
            own[name][: len(tensor) - 1], own[name][-1] = tensor[:-1], tensor[-1]  # the last row: an empty prompt
            taken += tensor.numel()
    print(f"took over {taken / 1e6:.2f} M parameters of {path}", flush=True)


def steps_done(saved: Path) -> int:
    """How far a stopped run had come."""
    return int(torch.load(saved, map_location="cpu", weights_only=True)["step"]) if saved.exists() else 0


def fit(saved: Path, shape: FlowShape, args: argparse.Namespace, draw: Callable[[], Loss], exam: Loss) -> None:
    """Train a network of ``shape`` for ``args.steps`` steps, from ``saved`` on if it is there.

    ``draw`` gives the loss of a new batch, ``exam`` that of loops the network is not trained on.
    """
    net = FlowTransformer(shape)
    state = torch.load(saved, map_location=args.device, weights_only=True) if saved.exists() else None
    first = state["step"] if state else 0
    if args.start and not state:
        take_over(net, args.start, saved.stem)
    average = copy.deepcopy(net).requires_grad_(False)
    optimizer = torch.optim.AdamW(net.parameters(), lr=args.lr, betas=(0.9, 0.98), weight_decay=0.01)
    if state:
        net.load_state_dict(state["net"]), average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
    print(f"{sum(p.numel() for p in net.parameters()) / 1e6:.2f} M parameters, from step {first}", flush=True)
    began, losses = time.perf_counter(), []
    for step in range(first, args.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args.steps, args.lr)
        loss = draw()(net)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        decay = min(0.998, (step + 1) / (step + 10))
        torch._foreach_lerp_(list(average.parameters()), list(net.parameters()), 1 - decay)
        if (step + 1) % args.save == 0 or step + 1 == args.steps:
            with torch.no_grad():
                held = exam(average).item()
            line = {
                "step": step + 1,
                "train": round(float(np.mean(losses)), 4),
                "held": round(held, 4),
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
