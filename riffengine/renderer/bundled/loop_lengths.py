"""Spans: the networks have learnt loops of two bars; loops of one bar and of four are dreamt by the same ones.

One bar is two equal bars: the network is circular and its positions repeat with the bar, so what is equal stays equal.
Longer loops are seen through windows of two bars, a bar apart, whose answers are blended by a squared sine (after
MultiDiffusion, Bar-Tal et al. 2023): every bar is heard beside the one before it and beside the one after it, and the
last beside the first. Where a window would meet its own other end it weighs nothing.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from riffengine.renderer.bundled.flow_transformer import FlowTransformer
from riffengine.renderer.bundled.score import STEPS

LOOP_BEATS = (4, 8, 16)
_APART = STEPS // 2


def over_span(
    net: FlowTransformer, x: Tensor, t: Tensor, text: Tensor, scalars: Tensor, context: Tensor | None = None
) -> Tensor:
    """``net`` over ``(batch, sixteenths, channels)`` of half of two bars, of two, or of any number of bars above.

    The other shapes are those of ``FlowTransformer``. One bar and two cost one pass, longer loops one for each bar.
    """
    steps = x.shape[1]
    if steps == STEPS:
        return torch.as_tensor(net(x, t, text, scalars, context))
    if steps < STEPS:
        laps = STEPS // steps
        wide = None if context is None else context.repeat(1, laps, 1)
        return torch.as_tensor(net(x.repeat(1, laps, 1), t, text, scalars, wide))[:, :steps]
    starts = torch.arange(0, steps, _APART)
    rows = (starts[:, None] + torch.arange(STEPS)) % steps

    def seen(whole: Tensor) -> Tensor:
        return whole[:, rows].flatten(0, 1)

    def each(told: Tensor) -> Tensor:
        return told.repeat_interleave(len(starts), dim=0)

    told = net(seen(x), each(t), each(text), each(scalars), None if context is None else seen(context))
    weight = torch.sin(math.pi * (torch.arange(STEPS) + 0.5) / STEPS).square()
    weighed = (told.unflatten(0, (len(x), len(starts))) * weight[:, None]).flatten(1, 2)
    return torch.zeros_like(x).index_add(1, rows.flatten(), weighed)
