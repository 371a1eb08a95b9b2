"""Distil a stage: ``python -m tools.train.distil score|render --source PATH --out DIR --steps N``.

The teacher is the average in ``DIR/score.pt`` or ``DIR/render.pt``; the student, ``score-distilled.pt`` or
``render-distilled.pt``, begins as its copy and learns to give in one pass what the teacher gives in several:

- the guided velocity (Meng et al. 2023), with the strength of guidance as an input; 1 is the plain velocity, which a
  request with a negative prompt still needs twice,
- for the score, whose sampling is fixed, also two Euler steps as one (Salimans & Ho 2022, progressive distillation).

Half of the states that it learns on lie between training loops and noise, the other half on its own way from noise: a
guided flow leaves the states that the data have.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from riffengine.renderer.bundled.flow_transformer import FlowTransformer, flow_times
from riffengine.renderer.bundled.sampling import SCORE_GUIDANCE, SCORE_STEPS
from riffengine.renderer.bundled.stages import SCORE_SHIFT, SOUND_SHIFT
from tools.train.export import averaged
from tools.train.flow import LoopSet
from tools.train.loop import Loss, arguments, fit, steps_done

SOUND_STEPS = 8
STRENGTHS = 1.0, 10.0  # of guidance, as the parameter allows
Batch = tuple[Tensor, Tensor, Tensor, Tensor | None]  # target, word weights, scalars, context


@dataclass(frozen=True)
class Plan:
    """What a student learns: the ``times`` of its steps, whether one is two of the teacher's, the usual guidance."""

    times: Tensor
    halves: bool
    guidance: float

    def strengths(self, count: int, rng: np.random.Generator) -> Tensor:
        """Strengths of guidance ``(count,)``: a third the usual one, a sixth none, the rest anything."""
        drawn = np.exp(rng.uniform(*np.log(STRENGTHS), count))
        kind = rng.random(count)
        drawn[kind < 0.5] = self.guidance
        drawn[kind < 1 / 6] = 1.0
        return torch.from_numpy(drawn.astype(np.float32))


PLANS = {
    "score": Plan(torch.tensor(flow_times(SCORE_STEPS // 2, 1.0, SCORE_SHIFT)), True, SCORE_GUIDANCE),
    "render": Plan(torch.tensor(flow_times(SOUND_STEPS, 1.0, SOUND_SHIFT)), False, 3.0),
}


def guided(teacher: FlowTransformer, x: Tensor, t: Tensor, batch: Batch, strength: Tensor) -> Tensor:
    """The teacher's velocity away from no words, knobs in the middle and no score."""
    _, weights, scalars, context = batch
    neutral = scalars.clone()
    neutral[:, 2:] = 0.0
    text = torch.cat([teacher.embed_words(weights), teacher.embed_words(torch.zeros_like(weights))])
    contexts = None if context is None else torch.cat([context, torch.zeros_like(context)])
    with torch.autocast(x.device.type, torch.bfloat16):
        both = teacher(torch.cat([x, x]), torch.cat([t, t]), text, torch.cat([scalars, neutral]), contexts)
    towards, away = both.float().chunk(2)
    return away + strength[:, None, None] * (towards - away)


def mean_velocity(
    teacher: FlowTransformer, x: Tensor, t: Tensor, then: Tensor, batch: Batch, strength: Tensor
) -> Tensor:
    """The velocity of a straight line from ``x`` at ``t`` to where two steps of the teacher lead at ``then``."""
    middle = between(t, then)
    first, second = ((middle - t)[:, None, None], (then - middle)[:, None, None])
    moved = first * guided(teacher, x, t, batch, strength)
    moved = moved + second * guided(teacher, x + moved, middle, batch, strength)
    return moved / (then - t)[:, None, None]


def between(t: Tensor, then: Tensor) -> Tensor:
    """The time of the score's flow halfway between two steps, before they are shifted."""

    def even(shifted: Tensor) -> Tensor:
        return shifted / (SCORE_SHIFT - (SCORE_SHIFT - 1) * shifted)

    middle = (even(t) + even(then)) / 2
    return SCORE_SHIFT * middle / (1 + (SCORE_SHIFT - 1) * middle)


def student_velocity(net: FlowTransformer, x: Tensor, t: Tensor, batch: Batch, strength: Tensor) -> Tensor:
    _, weights, scalars, context = batch
    with torch.autocast(x.device.type, torch.bfloat16):
        return net(x, t, net.embed_words(weights), scalars, context, strength).float()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=list(PLANS))
    args = arguments(parser, 2000)
    plan = PLANS[args.stage]
    teacher = averaged(args.out / f"{args.stage}.pt").requires_grad_(False).eval()
    args.start = args.start or args.out / f"{args.stage}.pt"
    saved = args.out / f"{args.stage}-distilled.pt"
    first = steps_done(saved)
    torch.manual_seed(1 + first)
    train = LoopSet(args.source, args.stage, slice(200, None), [5, first])
    held = LoopSet(args.source, args.stage, slice(0, 200), [6])
    shape = replace(teacher.shape, guided=True, flow_steps=len(plan.times) - 1 if plan.halves else 0)

    def loss_on(net: FlowTransformer, batch: Batch, noise: Tensor, step: Tensor, strength: Tensor, own: int) -> Tensor:
        """The first ``own`` rows are states on the student's own way from noise."""
        t, then = plan.times[step], plan.times[step + 1]
        if not plan.halves:  # any time, for requests of any number of steps
            share = torch.rand(len(step), generator=torch.Generator().manual_seed(int(step.sum())))
            share[:own] = 0.0
            t = t + share * (then - t)
        x = (1 - t)[:, None, None] * batch[0] + t[:, None, None] * noise
        with torch.no_grad():
            if own:
                few: Batch = (
                    batch[0][:own],
                    batch[1][:own],
                    batch[2][:own],
                    None if batch[3] is None else batch[3][:own],
                )
                state = noise[:own]
                for number in range(int(step[:own].max())):
                    now = plan.times[number].expand(own)
                    velocity = student_velocity(net, state, now, few, strength[:own])
                    moved = state + (plan.times[number + 1] - plan.times[number]) * velocity
                    state = torch.where((step[:own] > number)[:, None, None], moved, state)
                x[:own] = state
            if plan.halves:
                target = mean_velocity(teacher, x, t, then, batch, strength)
            else:
                target = guided(teacher, x, t, batch, strength)
        error = (student_velocity(net, x, t, batch, strength) - target).square().mean(dim=(1, 2))
        return (error / (1 + (strength - 1).square() / 9)).mean()  # strong guidance has large velocities

    exam = held.batch(0, np.arange(96))
    rng = np.random.default_rng(7)
    exam_step = torch.from_numpy(np.arange(96) % (len(plan.times) - 1))
    exam_strength = plan.strengths(96, rng)
    exam_noise = torch.randn(exam[0].shape, generator=torch.Generator().manual_seed(4))

    def draw() -> Loss:
        batch = train.batch(args.batch)
        step = torch.from_numpy(train.rng.integers(0, len(plan.times) - 1, args.batch))
        strength = plan.strengths(args.batch, train.rng)
        noise = torch.randn(batch[0].shape)
        return lambda net: loss_on(net, batch, noise, step, strength, args.batch // 2)

    fit(saved, shape, args, draw, lambda net: loss_on(net, exam, exam_noise, exam_step, exam_strength, 48))


if __name__ == "__main__":
    main()
