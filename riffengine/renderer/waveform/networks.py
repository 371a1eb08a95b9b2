"""What the sampler needs of a model of waveforms: conditions, predictions, the way from sound to latents and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from riffengine.renderer.waveform.schedules import Schedule


@dataclass(frozen=True)
class Condition:
    """What a prompt and its negative are to a network: tensors with a leading axis of 1, in the order it takes them."""

    positive: tuple[Tensor, ...] = ()
    negative: tuple[Tensor, ...] = ()

    def towards(self, other: Condition, alpha: float) -> Condition:
        """The condition at ``alpha`` on the straight line to ``other``."""
        if alpha <= 0.0 or self is other:
            return self

        def between(mine: tuple[Tensor, ...], theirs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return tuple(torch.lerp(a, b, alpha) for a, b in zip(mine, theirs, strict=True))

        return Condition(between(self.positive, other.positive), between(self.negative, other.negative))

    def guided(self) -> tuple[Tensor, ...]:
        """Both as one batch, the negative first."""
        return tuple(torch.cat(pair) for pair in zip(self.negative, self.positive, strict=True))


class Networks(Protocol):
    """The networks of one checkpoint on their device. Renderer process; one thread at a time.

    A latent lasts ``hop`` samples at ``sample_rate`` (1 where waveforms are generated directly). A canvas has between
    ``shortest`` and ``longest`` latents. ``reads_text`` is whether prompts mean anything, ``takes_steps`` whether it
    denoises: what does not writes tokens, and samples by itself (``sampling.TokenNetworks``).
    """

    name: str
    sample_rate: int
    channels: int
    latent_channels: int
    hop: int
    shortest: int
    longest: int
    reads_text: bool
    takes_steps: bool
    device: torch.device
    dtype: torch.dtype

    def condition(self, text: str, negative: str, seconds: float) -> Condition:
        """The condition for ``text`` and a sound of ``seconds``; an empty ``negative`` is no text at all."""

    def unread(self, text: str) -> str:
        """The end of ``text`` after what the network reads; ``""`` if all of it is read."""

    def predict(self, latents: Tensor, time: Tensor, condition: Condition, guidance: float) -> Tensor:
        """The network's output for ``latents (1, channels, length)`` at ``time``; twice as much work unless guidance
        is 1."""

    def encode(self, audio: Tensor) -> Tensor:
        """Latents ``(1, latent_channels, length)`` of a circular loop ``(1, channels, length * hop)``."""

    def decode(self, latents: Tensor) -> Tensor:
        """The circular loop ``(1, channels, length * hop) float32`` of latents."""

    def make_schedule(self, name: str) -> Schedule:
        """The ``Schedule`` called ``name`` for this kind of network; ``ModelError`` where it can use none such."""


def in_a_circle(network: Callable[[Tensor], Tensor], signal: Tensor, margin: int, zoom: float) -> Tensor:
    """``network(signal)`` as if ``signal (1, channels, length)`` repeated for ever.

    The network gets ``margin`` more on both sides, and the corresponding ends of its output, ``zoom`` times as long,
    are cut off. Exact where its receptive field is not wider than ``margin``.
    """
    length = signal.shape[2]
    around = torch.arange(-margin, length + margin, device=signal.device) % length
    found = network(signal[:, :, around])
    return found[:, :, round(margin * zoom) : round((margin + length) * zoom)]


def guide(both: Tensor, guidance: float) -> Tensor:
    """Classifier-free guidance (Ho and Salimans 2022) of a batch whose first half is the negative prompt's."""
    negative, positive = both.chunk(2)
    return negative + guidance * (positive - negative)
