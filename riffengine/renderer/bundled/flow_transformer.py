"""FlowTransformer: predicts the velocity of a rectified flow over the sixteenths of a loop, circular in time.

Rectified flow: x_t = (1 - t) x_0 + t ε, v = ε - x_0, sampled from t = 1 (noise) to t = 0 by Euler steps
(Liu et al. 2022, "Flow Straight and Fast"; Lipman et al. 2022, "Flow Matching"). Conditioning by adaLN-zero
(Peebles & Xie 2022, "Scalable Diffusion Models with Transformers").
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class FlowShape:
    """The sizes of one FlowTransformer and what its score columns mean; stored with its weights."""

    channels: int  # of one token of x
    context: int  # of one token of the per-token condition; 0: there is none
    words: int  # vocabulary size
    width: int = 256
    depth: int = 6
    heads: int = 4
    bar: int = 16  # tokens in a bar: position embeddings repeat every bar
    scalars: int = 2  # tempo and mode
    velocities: bool = False  # onset columns hold velocities (score.onset_value); before, they held 1
    guided: bool = False  # distilled: the strength of guidance is an input, and one pass gives the guided velocity
    flow_steps: int = 0  # distilled for this number of Euler steps; 0: any number

    def as_dict(self) -> dict[str, Any]:
        """The shape as plain numbers, for a checkpoint's metadata."""
        return asdict(self)


def time_features(t: Tensor, width: int = 128) -> Tensor:
    """Sinusoidal features of ``t`` in 0..1, ``(batch,)`` → ``(batch, width)``."""
    frequencies = torch.exp(torch.linspace(0.0, math.log(1000.0), width // 2, device=t.device))
    angles = t[:, None] * frequencies[None, :]
    return torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1)


def circular_rotation(tokens: int, half: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosine and sine ``(tokens, half)`` of rotary angles that make whole turns per loop.

    Rotary position embedding (Su et al. 2021) with whole turns: the last token is as near to the first as any two
    neighbours are, so attention has no edge.
    """
    turns = torch.arange(half, device=device) % (tokens // 2)
    angles = 2 * math.pi * torch.arange(tokens, device=device)[:, None] * turns[None, :] / tokens
    return torch.cos(angles), torch.sin(angles)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)
        self.modulation = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, condition: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        batch, tokens, width = x.shape
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self.modulation(condition)[:, None, :].chunk(6, dim=-1)
        h = F.layer_norm(x, (width,)) * (1 + scale_a) + shift_a
        q, k, v = self.qkv(h).view(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        cos, sin = rotation
        h = F.scaled_dot_product_attention(_rotate(q, cos, sin), _rotate(k, cos, sin), v)
        x = x + gate_a * self.out(h.transpose(1, 2).reshape(batch, tokens, width))
        h = F.layer_norm(x, (width,)) * (1 + scale_m) + shift_m
        return x + gate_m * self.contract(F.gelu(self.expand(h), approximate="tanh"))


class FlowTransformer(nn.Module):
    """Predicts the flow's velocity for ``(batch, tokens, channels)``; ``tokens`` may be any multiple of a bar.

    Conditions: ``text`` ``(batch, width)`` from ``embed_words``, ``scalars`` ``(batch, scalars)``, and, if the shape
    has a context, ``context`` ``(batch, tokens, context)``. A guided network also takes ``guidance`` ``(batch,)``
    (Meng et al. 2023, "On Distillation of Guided Diffusion Models"); without it, it predicts the unguided velocity.
    """

    def __init__(self, shape: FlowShape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.width
        self.word_vectors = nn.Parameter(
            torch.randn(shape.words + 1, width) * 0.5
        )  # the last row is for an empty prompt
        self.inlet = nn.Linear(shape.channels, width)
        self.context_inlet = nn.Linear(shape.context, width) if shape.context else None
        self.position = nn.Parameter(torch.randn(shape.bar, width) * 0.02)
        self.time = nn.Sequential(nn.Linear(128, width), nn.SiLU(), nn.Linear(width, width))
        self.text = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
        self.scalar = nn.Linear(shape.scalars, width)
        self.guidance: nn.Sequential | None = None
        self.blocks = nn.ModuleList(_Block(width, shape.heads) for _ in range(shape.depth))
        self.final_modulation = nn.Linear(width, 2 * width)
        self.outlet = nn.Linear(width, shape.channels)
        last_layers = [self.final_modulation, self.outlet]
        if shape.guided:
            last_layers.append(nn.Linear(width, width))
            self.guidance = nn.Sequential(nn.Linear(2, width), nn.SiLU(), last_layers[-1])
        for layer in last_layers:
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def embed_words(self, weights: Tensor) -> Tensor:
        """Word weights ``(batch, words)`` (0: absent) → ``(batch, width)``; an empty prompt has its own vector."""
        empty = (weights.abs().sum(dim=1, keepdim=True) == 0).to(weights.dtype)
        return torch.cat([weights, empty], dim=1) @ self.word_vectors

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        text: Tensor,
        scalars: Tensor,
        context: Tensor | None = None,
        guidance: Tensor | None = None,
    ) -> Tensor:
        """Velocity ``(batch, tokens, channels)`` at flow time ``t`` ``(batch,)`` in 0..1."""
        tokens = x.shape[1]
        h = self.inlet(x) + self.position.repeat(tokens // self.shape.bar, 1)
        if self.context_inlet is not None and context is not None:
            h = h + self.context_inlet(context)
        known = self.time(time_features(t)) + self.text(text) + self.scalar(scalars)
        if self.guidance is not None:
            strength = torch.ones_like(t) if guidance is None else guidance
            known = known + self.guidance(torch.stack([(strength - 1) / 4, torch.log(strength)], dim=1))
        condition = F.silu(known)
        rotation = circular_rotation(tokens, self.shape.width // self.shape.heads // 2, x.device)
        for block in self.blocks:
            h = block(h, condition, rotation)
        shift, scale = self.final_modulation(condition)[:, None, :].chunk(2, dim=-1)
        return self.outlet(F.layer_norm(h, (self.shape.width,)) * (1 + scale) + shift)


Velocity = Callable[[Tensor, Tensor], Tensor]


def flow_times(steps: int, start: float, shift: float) -> list[float]:
    """``steps + 1`` decreasing times from ``start`` to 0; ``shift`` > 1 puts more near ``start``, < 1 near 0."""
    evenly = [1 - i / steps for i in range(steps + 1)]
    return [start * shift * t / (1 + (shift - 1) * t) for t in evenly]


def euler(
    velocity: Velocity, noise: Tensor, steps: int, init: Tensor | None = None, strength: float = 1.0, shift: float = 1.0
) -> Iterator[Tensor]:
    """Sample the flow by Euler steps; yields the state after every step, so that the caller may stop in between.

    With ``init`` sampling starts at flow time ``strength``, on the line between ``init`` and the noise (img2img).
    """
    times = flow_times(steps, 1.0 if init is None else strength, shift)
    x = noise if init is None else (1 - times[0]) * init + times[0] * noise
    for now, then in itertools.pairwise(times):
        t = torch.full((x.shape[0],), now, device=x.device)
        x = x + (then - now) * velocity(x, t)
        yield x
