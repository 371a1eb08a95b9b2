"""The two stages of the bundled model: words → score, and words and score → latents. Both sample a rectified flow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from riffengine.renderer.bundled import score as sheet
from riffengine.renderer.bundled.flow_transformer import FlowShape, FlowTransformer, Velocity, euler
from riffengine.renderer.bundled.loop_lengths import predict_any_length

SCORE_SCALE = 2.0  # "on" and "off" are two standard deviations of the noise apart
SCORE_SHIFT = 2.0  # notes are decided early in the flow, so more of its steps are spent there
SOUND_SHIFT = 0.5  # pitches become precise late in the flow


def as_trained(scores: Tensor, shape: FlowShape) -> Tensor:
    """``scores`` as the network of ``shape`` knows them: where it has no velocities, every onset is 1."""
    if shape.velocities:
        return scores
    plain = scores.clone()
    plain[..., sheet.ONSETS] = (scores[..., sheet.ONSETS] > 0).to(scores.dtype)
    return plain


def score_to_flow(scores: Tensor) -> Tensor:
    """Score columns 0..1 as values that the flow is trained on."""
    return scores * SCORE_SCALE


def score_from_flow(x: Tensor, velocities: bool) -> Tensor:
    """The score of a flow sample ``x`` ``(batch, steps, columns)``: notes on or off, velocities of notes and drums.

    A note is on above the middle value. A note without an onset gets one, so that every note starts. ``velocities`` is
    that of the network's shape: if it has none, every note gets ``READ_VELOCITY``.
    """
    usual = sheet.onset_value(sheet.READ_VELOCITY)
    threshold = 0.25 if velocities else 0.5  # halfway to the softest onset, or to the only one
    soft = (x / SCORE_SCALE).clamp(0.0, 1.0)
    out = torch.zeros_like(soft)
    drums = soft[..., sheet.DRUMS]
    out[..., sheet.DRUMS] = torch.where(drums > 0.25, drums, 0.0)
    for part, columns in enumerate((sheet.BASS, sheet.COMP, sheet.LEAD)):
        active = (soft[..., columns] > 0.5).float()
        starts = ((active - active.roll(1, dims=1)) > 0).any(dim=2).float()
        column = sheet.ONSETS.start + part
        is_onset = (soft[..., column] > threshold) & active.any(dim=2)
        value = soft[..., column].clamp_min(0.5) if velocities else torch.full_like(soft[..., column], usual)
        out[..., columns] = active
        out[..., column] = torch.where(is_onset, value, starts * usual)
    return out


@dataclass(frozen=True)
class Condition:
    """The conditions of one prediction; shapes as in ``FlowTransformer``, batch 1."""

    text: Tensor
    scalars: Tensor
    context: Tensor | None = None


def guided_velocity(
    net: FlowTransformer, positive: Condition, negative: Condition, guidance: float, neutral: bool = False
) -> Velocity:
    """The velocity under classifier-free guidance (Ho & Salimans 2022); ``guidance`` 1 costs half as much.

    A guided network needs one pass where ``neutral`` says that ``negative`` is what it was distilled with: no words,
    knobs in the middle, no score.
    """
    if guidance == 1.0:
        return lambda x, t: predict_any_length(net, x, t, positive.text, positive.scalars, positive.context)
    if neutral and net.shape.guided:
        strength = torch.tensor([guidance])
        return lambda x, t: predict_any_length(net, x, t, positive.text, positive.scalars, positive.context, strength)
    text, scalars = torch.cat([positive.text, negative.text]), torch.cat([positive.scalars, negative.scalars])
    contexts = [condition.context for condition in (positive, negative) if condition.context is not None]
    context = torch.cat(contexts) if contexts else None

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        both = predict_any_length(net, torch.cat([x, x]), torch.cat([t, t]), text, scalars, context)
        towards, away = both.chunk(2)
        return away + guidance * (towards - away)

    return velocity


@dataclass(frozen=True)
class Inpainting:
    """The part that sampling must keep: ``target`` where ``keep`` is true (masked sampling, Lugmayr et al. 2022)."""

    keep: Tensor
    target: Tensor


def sample_flow(
    velocity: Velocity,
    noise: Tensor,
    steps: int,
    check: Callable[[], None],
    init: Tensor | None = None,
    strength: float = 1.0,
    shift: float = 1.0,
    inpainting: Inpainting | None = None,
) -> Tensor:
    """Sample a flow from ``noise`` to its end; ``check`` is called between steps and may raise to stop.

    The kept part of an ``inpainting`` follows the straight path from its noise to its target, so that the rest is
    generated to fit it.
    """
    if inpainting is not None:
        velocity = _with_kept_part(velocity, inpainting, noise)
    x = noise
    for x in euler(velocity, noise, steps, init, strength, shift):  # noqa: B007
        check()
    return x if inpainting is None else torch.where(inpainting.keep, inpainting.target, x)


def _with_kept_part(velocity: Velocity, inpainting: Inpainting, noise: Tensor) -> Velocity:
    straight = noise - inpainting.target
    return lambda x, t: torch.where(inpainting.keep, straight, velocity(x, t))
