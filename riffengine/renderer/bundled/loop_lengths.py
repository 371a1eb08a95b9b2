"""Loop lengths: the networks were trained on loops of two bars; here they predict loops of one bar and of four too.

One bar is rendered as two equal bars: the network is circular and its positions repeat with the bar, so equal bars stay
equal. Longer loops are processed in windows of two bars, one bar apart, whose predictions are blended by a squared sine
(after MultiDiffusion, Bar-Tal et al. 2023). So every bar is predicted once together with the bar before it and once
with the bar after it, and the last bar together with the first. At the edges of a window its weight is zero.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from riffengine.renderer.bundled.flow_transformer import FlowTransformer
from riffengine.renderer.bundled.score import STEPS

_WINDOW_DISTANCE = STEPS // 2


def predict_any_length(
    net: FlowTransformer,
    x: Tensor,
    t: Tensor,
    text: Tensor,
    scalars: Tensor,
    context: Tensor | None = None,
    guidance: Tensor | None = None,
) -> Tensor:
    """The output of ``net`` for ``(batch, sixteenths, channels)`` of one bar, of two bars, or of any longer number.

    The other shapes are those of ``FlowTransformer``. One and two bars cost one pass, longer loops one for each bar.
    """
    steps = x.shape[1]
    if steps == STEPS:
        return torch.as_tensor(net(x, t, text, scalars, context, guidance))
    if steps < STEPS:
        repeats = STEPS // steps
        repeated_context = None if context is None else context.repeat(1, repeats, 1)
        return torch.as_tensor(net(x.repeat(1, repeats, 1), t, text, scalars, repeated_context, guidance))[:, :steps]
    starts = torch.arange(0, steps, _WINDOW_DISTANCE)
    rows = (starts[:, None] + torch.arange(STEPS)) % steps

    def windows(loop: Tensor) -> Tensor:
        return loop[:, rows].flatten(0, 1)

    def per_window(condition: Tensor) -> Tensor:
        return condition.repeat_interleave(len(starts), dim=0)

    predicted = net(
        windows(x),
        per_window(t),
        per_window(text),
        per_window(scalars),
        None if context is None else windows(context),
        None if guidance is None else per_window(guidance),
    )
    weight = torch.sin(math.pi * (torch.arange(STEPS) + 0.5) / STEPS).square()
    weighted = (predicted.unflatten(0, (len(x), len(starts))) * weight[:, None]).flatten(1, 2)
    return torch.zeros_like(x).index_add(1, rows.flatten(), weighted)
