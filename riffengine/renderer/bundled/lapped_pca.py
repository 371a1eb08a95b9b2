"""LappedPca: encodes a mel image as one latent token per sixteenth note, by a closed-form lapped transform.

It applies principal component analysis to overlapping windows of two sixteenths, with a sine window at analysis and at
synthesis (Princen & Bradley 1986). Neighbouring tokens overlap, so the border of a token is not audible.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class LappedPca(nn.Module):
    """Mel ``(batch, frames, bands)`` ↔ latents ``(batch, tokens, dims)``; ``frames = tokens × hop``, circular."""

    mean: Tensor
    basis: Tensor
    spread: Tensor

    def __init__(self, hop: int, bands: int, dims: int) -> None:
        super().__init__()
        self.hop = hop
        self.register_buffer("mean", torch.zeros(bands))
        self.register_buffer("basis", torch.zeros(dims, 2 * hop * bands))
        self.register_buffer("spread", torch.ones(dims))

    def _window(self) -> Tensor:
        n = torch.arange(2 * self.hop, device=self.mean.device)
        return torch.sin(math.pi * (n + 0.5) / (2 * self.hop))[:, None]

    def patches(self, mel: Tensor) -> Tensor:
        """Windowed overlapping patches ``(batch, tokens, 2 hop bands)`` of a mel image, after subtracting the mean."""
        blocks = (mel - self.mean).unflatten(1, (-1, self.hop))
        pairs = torch.cat([blocks, blocks.roll(-1, dims=1)], dim=2)
        return (pairs * self._window()).flatten(2)

    def encode(self, mel: Tensor) -> Tensor:
        """Latents of ``mel``; token k covers the sixteenths k and k + 1."""
        return self.patches(mel) @ self.basis.T / self.spread

    def decode(self, latents: Tensor) -> Tensor:
        """The mel image of ``latents``, never negative."""
        pairs = (latents * self.spread @ self.basis).unflatten(2, (2 * self.hop, -1)) * self._window()
        first, second = pairs.split(self.hop, dim=2)
        return ((first + second.roll(1, dims=1)).flatten(1, 2) + self.mean).clamp_min(0.0)

    def fit(self, mels: Tensor, flatten: float = 0.3) -> float:
        """Fit mean, basis and spread to ``(n, frames, bands)``; returns the share of variance that is kept.

        Component i is divided by variance_i ** ``flatten``; then all are scaled together to unit variance. (0.5 would
        whiten: weak, noisy components would have as much weight as strong ones.)
        """
        self.mean.copy_(mels.mean(dim=(0, 1)))
        rows = torch.cat([self.patches(part).flatten(0, 1) for part in mels.split(64)])
        total = rows.square().sum(dim=1).mean()
        dims = self.basis.shape[0]
        _, values, vectors = torch.svd_lowrank(rows, q=dims + 32, niter=3)
        variance = values[:dims].square() / rows.shape[0]
        self.basis.copy_(vectors[:, :dims].T)
        spread = variance.pow(flatten)
        self.spread.copy_(spread * (variance / spread.square()).mean().sqrt())
        return float(variance.sum() / total)
