"""What happens to the sound when one knob is turned and all else stays."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from riffengine.processes.render_request import RenderRequest
from riffengine.renderer.bundled.family import BundledModel
from tools.train.measures import Loop, mel_steps, rank_correlation

ALPHAS = 33
POSITIONS = (-1.0, -0.5, 0.0, 0.5, 1.0)


def _mix(model: BundledModel, request: RenderRequest) -> Loop:
    return np.asarray(model.render(request, lambda: None).audio.sum(axis=(0, 2)))


def knob_ranks(
    model: BundledModel, requests: Sequence[RenderRequest], knob: str, *measures: Callable[[Loop], float]
) -> list[list[float]]:
    """Spearman's rank correlation of ``knob`` and what each of ``measures`` hears, for each request."""
    ranks = []
    for request in requests:
        loops = [_mix(model, replace(request, **{knob: at})) for at in POSITIONS]
        ranks.append([rank_correlation([measure(loop) for loop in loops], POSITIONS) for measure in measures])
    return ranks


def alpha_steps(model: BundledModel, requests: Sequence[RenderRequest]) -> list[float]:
    """Largest over mean mel step along 33 alphas between each request and the next."""
    found = []
    for start, end in itertools.pairwise(requests):
        morph = replace(start, end=end.start)
        images = [model.render(replace(morph, alpha=i / (ALPHAS - 1)), lambda: None).mel for i in range(ALPHAS)]
        found.append(mel_steps(images))
    return found


def takes_apart(
    model: BundledModel, requests: Sequence[RenderRequest], hear: Callable[[Loop], np.ndarray]
) -> list[float]:
    """Mean distance between three seeds of one caption, over the mean distance between captions."""
    images = []
    for request in requests:
        points = [replace(request.start, seed=request.start.seed + 77 * take) for take in range(3)]
        images.append([hear(_mix(model, replace(request, start=point, end=point))) for point in points])
    across = [float(np.linalg.norm(a[0] - b[0])) for a, b in itertools.combinations(images, 2)]
    within = [np.mean([np.linalg.norm(a - b) for a, b in itertools.combinations(takes, 2)]) for takes in images]
    return [float(distance / np.mean(across)) for distance in within]
