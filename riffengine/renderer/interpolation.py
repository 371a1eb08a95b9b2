"""Interpolation between two points: linear for text embeddings and numbers, spherical for noise."""

from __future__ import annotations

import torch
from torch import Tensor


def lerp(a: float, b: float, alpha: float) -> float:
    """The point at ``alpha`` on the straight line from ``a`` to ``b``."""
    return a + alpha * (b - a)


def slerp(a: Tensor, b: Tensor, alpha: float, parallel: float = 0.9995) -> Tensor:
    """Spherical interpolation of two equally shaped tensors as whole vectors (Shoemake 1985).

    The norm of the noise is kept, so every point between two noises is as likely as the two. Where the cosine exceeds
    ``parallel`` (Riffusion's constant), linear interpolation is used.
    """
    cosine = float((a * b).sum() / (a.norm() * b.norm()))
    if abs(cosine) > parallel:
        return torch.lerp(a, b, alpha)
    theta = torch.acos(torch.tensor(cosine))
    return (torch.sin((1 - alpha) * theta) * a + torch.sin(alpha * theta) * b) / torch.sin(theta)
