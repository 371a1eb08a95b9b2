"""Token sampling: an autoregressive model writes the tokens of a loop one after another, in several codebooks at once.

It writes the loop twice and the second time is played, so that this begins in the middle of the music and on a bar
line; then some of what would follow, over which the end of the loop is faded into its beginning. Each codebook is one
token later than the one before (the delay pattern of Copet et al. 2023, MusicGen).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from riffengine.renderer.family import Check
from riffengine.renderer.waveform.networks import Condition
from riffengine.renderer.waveform.noise import mixed_seed
from riffengine.renderer.waveform.sampling import SampleJob

MOST_LIKELY = 250
"""The tokens that are chosen from, as audiocraft does."""

_FADE_SHARE = 16  # of a loop: half a beat of eight
_BEGINNING = 1e-7  # from 0 and 1, where the normal distribution has no end


@dataclass(frozen=True)
class Canvas:
    """Tokens of a loop of ``length``: as many come before what is played, and ``tail`` after it."""

    length: int

    @classmethod
    def holding(cls, total: int) -> Canvas:
        """The canvas that has ``total`` tokens."""
        about = total * _FADE_SHARE // (2 * _FADE_SHARE + 1)
        return next(found for found in map(cls, range(max(1, about - 2), about + 3)) if found.total == total)

    @property
    def tail(self) -> int:
        """How many follow the loop."""
        return max(1, self.length // _FADE_SHARE)

    @property
    def total(self) -> int:
        """All of them."""
        return 2 * self.length + self.tail

    def around(self, loop: Tensor) -> Tensor:
        """``loop (1, codebooks, length)`` as the whole canvas: what repeats for ever."""
        return loop[:, :, torch.arange(self.total, device=loop.device) % self.length]


class Reader(Protocol):
    """An autoregressive network that reads tokens, of one loop."""

    def read(self, tokens: Tensor) -> Tensor:
        """Read ``tokens (codebooks, new)`` after those before; the guided logits ``(codebooks, words)`` of the next."""


def write_tokens(
    forced: Tensor,
    delays: Tensor,
    padding: int,
    reader: Reader,
    noise: Callable[[tuple[int, int]], Tensor],
    check: Check,
) -> Tensor:
    """Tokens ``(codebooks, total)``: those of ``forced`` where it is not -1, else those that ``reader`` expects.

    ``delays (codebooks,)`` says how many tokens later each codebook is written. ``noise`` draws exponentially
    distributed numbers, by which the likeliest tokens are divided: the largest quotient is a fair choice. ``check`` is
    called before every token and may raise.
    """
    codebooks, total = forced.shape
    most = int(delays.max())
    pattern = torch.full((codebooks, 1 + total + most), padding, device=forced.device)
    for codebook, delay in enumerate(delays.tolist()):
        pattern[codebook, 1 + delay : 1 + delay + total] = forced[codebook]
    free = (pattern < 0).any(dim=0)
    first = int(free.nonzero()[0, 0]) if free.any() else pattern.shape[1]
    new = pattern[:, :first]
    for place in range(first, pattern.shape[1]):
        check()
        logits = reader.read(new)
        column = pattern[:, place]
        if free[place]:
            column = torch.where(column < 0, _chosen(logits, noise), column)
            pattern[:, place] = column
        new = column[:, None]
    return torch.stack([pattern[book, 1 + d : 1 + d + total] for book, d in enumerate(delays.tolist())])


def forced_tokens(job: SampleJob, canvas: Canvas, codebooks: int) -> Tensor:
    """What of the canvas ``(codebooks, total)`` is given: -1 where the model writes.

    A sound to start from comes before the loop, and its first part, less for more strength, is the beginning of the
    loop. Where beats are written again, the rest is given.
    """
    forced = torch.full((codebooks, canvas.total), -1)
    if job.init is None:
        return forced
    init = job.init[0].cpu()
    if job.mask is not None:
        again = torch.zeros(canvas.total, dtype=torch.bool)
        again[canvas.length : 2 * canvas.length] = job.mask[0, 0].cpu() > 0
        again[2 * canvas.length :] = again[canvas.length]  # what is faded into the beginning
        return torch.where(again[None], forced, init)
    given = canvas.length + round((1.0 - job.strength) * canvas.length) if job.strength > 0.0 else canvas.total
    forced[:, :given] = init[:, :given]
    return forced


@dataclass
class MorphChoice:
    """Exponential noise at ``alpha`` between two seeds, drawn on the CPU token by token; ``take`` as in ``MorphNoise``.

    Between the seeds it goes by way of the normal distribution, where a great circle keeps the distribution.
    """

    start: int
    end: int
    alpha: float = 0.0
    take: int = 0

    def __post_init__(self) -> None:
        seeds = [self.start if self.alpha < 1.0 else self.end]
        if 0.0 < self.alpha < 1.0 and self.start != self.end:
            seeds.append(self.end)
        self._generators = [torch.Generator().manual_seed(mixed_seed(seed, self.take, 0)) for seed in seeds]

    def draw(self, shape: tuple[int, int]) -> Tensor:
        """The next numbers, ``shape float32``."""
        drawn = [torch.empty(shape).exponential_(1.0, generator=generator) for generator in self._generators]
        if len(drawn) == 1:
            return drawn[0]
        normal = [_normal(each) for each in drawn]
        angle = torch.tensor(self.alpha * torch.pi / 2)
        share = torch.special.ndtr(torch.cos(angle) * normal[0] + torch.sin(angle) * normal[1])
        return -torch.log1p(-share.clamp(_BEGINNING, 1.0 - _BEGINNING)).float()


def _normal(exponential: Tensor) -> Tensor:
    share = -torch.expm1(-exponential.double())
    return torch.special.ndtri(share.clamp(_BEGINNING, 1.0 - _BEGINNING))


def _chosen(logits: Tensor, noise: Callable[[tuple[int, int]], Tensor]) -> Tensor:
    """One token of each codebook, by chance from the likeliest ones."""
    scores = logits.float().cpu()
    least = torch.topk(scores, min(MOST_LIKELY, scores.shape[1]))[0][:, -1:]
    shares = torch.softmax(scores.masked_fill(scores < least, -torch.inf), dim=1)
    return (shares / noise((scores.shape[0], scores.shape[1]))).argmax(dim=1).to(logits.device)


def guided_pair(condition: Condition, guidance: float) -> tuple[Tensor, ...]:
    """What the network is told: one condition, or the negative one and the positive one in a batch."""
    return condition.guided() if guidance != 1.0 else condition.positive
