"""Rows of figures with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

GROUPS = ("real", "reconstructed", "generated")


def interval(
    values: np.ndarray, rng: np.random.Generator, middle: Callable[..., np.ndarray] = np.mean
) -> tuple[float, float, float]:
    """Mean, or another ``middle``, and its 95 % bootstrap interval."""
    draws = middle(rng.choice(values, (1000, len(values))), axis=1)
    return float(middle(values)), float(np.quantile(draws, 0.025)), float(np.quantile(draws, 0.975))


def auc(scores: np.ndarray, truth: np.ndarray) -> float:
    """Area under the curve by ranks."""
    order = scores.argsort().argsort() + 1
    positive = truth > 0.5
    n, m = positive.sum(), (~positive).sum()
    return float((order[positive].sum() - n * (n + 1) / 2) / (n * m)) if n and m else float("nan")


class Table:
    """Rows of figures: what, mean, interval."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, list[float]]] = {}
        self.rng = np.random.default_rng(7)

    def add(
        self,
        group: str,
        name: str,
        values: Sequence[float] | np.ndarray,
        middle: Callable[..., np.ndarray] = np.mean,
    ) -> None:
        """Add the mean of ``values`` that are numbers, or another ``middle``, to ``name`` in the column ``group``."""
        known = np.asarray(values, float)
        cell = interval(known[np.isfinite(known)], self.rng, middle)
        self.rows.setdefault(name, {})[group] = [round(value, 4) for value in cell]

    def show(self) -> str:
        """The table as text."""
        lines = [f"{'score':<24}" + "".join(f"{group:>26}" for group in GROUPS)]
        for name, row in self.rows.items():
            cells = (f"{row[g][0]:.3f} [{row[g][1]:.3f} {row[g][2]:.3f}]" if g in row else "-" for g in GROUPS)
            lines.append(f"{name:<24}" + "".join(f"{cell:>26}" for cell in cells))
        return "\n".join(lines)
