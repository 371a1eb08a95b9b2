"""The two stages of the bundled model: words dream a score, words and score dream a sound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from riffengine.renderer.bundled import score as sheet
from riffengine.renderer.bundled.flow_transformer import FlowTransformer, Velocity, euler
from riffengine.renderer.bundled.loop_lengths import over_span

SCORE_SCALE = 2.0  # a sounding note lies two noise deviations from a silent one
SCORE_SHIFT = 2.0  # notes are decided early in the flow, so more of its steps are spent there
SOUND_SHIFT = 0.5  # pitches grow sharp late in it


def score_to_flow(scores: Tensor) -> Tensor:
    """Score columns 0..1 as targets of the flow."""
    return scores * SCORE_SCALE


def score_from_flow(x: Tensor) -> Tensor:
    """The score that ``x`` ``(batch, steps, columns)`` means: notes on or off, drum velocities 0..1.

    A note is on above half way; a note that is on without an onset before it is given one, so that every note begins.
    """
    soft = (x / SCORE_SCALE).clamp(0.0, 1.0)
    out = torch.zeros_like(soft)
    drums = soft[..., sheet.DRUMS]
    out[..., sheet.DRUMS] = torch.where(drums > 0.25, drums, 0.0)
    for part, columns in enumerate((sheet.BASS, sheet.COMP, sheet.LEAD)):
        active = (soft[..., columns] > 0.5).float()
        begins = ((active - active.roll(1, dims=1)) > 0).any(dim=2).float()
        column = sheet.ONSETS.start + part
        told = (soft[..., column] > 0.5).float() * active.amax(dim=2)
        out[..., columns] = active
        out[..., column] = torch.maximum(told, begins)
    return out


@dataclass(frozen=True)
class Told:
    """What the network is told on one side of the guidance, shapes as ``FlowTransformer`` has them, batch 1."""

    text: Tensor
    scalars: Tensor
    context: Tensor | None = None


def guided(net: FlowTransformer, toward: Told, away: Told, guidance: float) -> Velocity:
    """Velocity under classifier-free guidance (Ho & Salimans 2022); one half of the work when ``guidance`` is 1."""
    if guidance == 1.0:
        return lambda x, t: over_span(net, x, t, toward.text, toward.scalars, toward.context)
    text, scalars = torch.cat([toward.text, away.text]), torch.cat([toward.scalars, away.scalars])
    contexts = [told.context for told in (toward, away) if told.context is not None]
    context = torch.cat(contexts) if contexts else None

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        near, far = over_span(net, torch.cat([x, x]), torch.cat([t, t]), text, scalars, context).chunk(2)
        return far + guidance * (near - far)

    return velocity


@dataclass(frozen=True)
class Kept:
    """What a dream may not change: where ``mask`` is true, ``target`` stays (masked sampling, Lugmayr et al. 2022)."""

    mask: Tensor
    target: Tensor


def run(
    velocity: Velocity,
    noise: Tensor,
    steps: int,
    check: Callable[[], None],
    init: Tensor | None = None,
    strength: float = 1.0,
    shift: float = 1.0,
    kept: Kept | None = None,
) -> Tensor:
    """Sample a flow to its end; ``check`` is called between steps and may raise to stop.

    What is ``kept`` is led along the straight path from its noise to its target, so that the rest is dreamt to fit it.
    """
    if kept is not None:
        velocity = _led(velocity, kept, noise)
    x = noise
    for x in euler(velocity, noise, steps, init, strength, shift):  # noqa: B007
        check()
    return x if kept is None else torch.where(kept.mask, kept.target, x)


def _led(velocity: Velocity, kept: Kept, noise: Tensor) -> Velocity:
    straight = noise - kept.target
    return lambda x, t: torch.where(kept.mask, straight, velocity(x, t))
