"""The encoder: audio of any kind → the score and the latents with which the model would have rendered it.

The network has the architecture of the two stages and is evaluated once, at the end of the flow. Its input is the mel
image of a mix, one window of two sixteenths for each sixteenth; its output are the latents and notes of all stems.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from riffengine.renderer.bundled import conditioning as cond
from riffengine.renderer.bundled import score as sheet
from riffengine.renderer.bundled.flow_transformer import FlowShape, FlowTransformer
from riffengine.renderer.bundled.latent_codec import LatentCodec
from riffengine.renderer.bundled.loop_lengths import predict_any_length
from riffengine.renderer.bundled.stages import score_from_flow

PATCH = 3 * 128 * 2


@dataclass(frozen=True)
class EncodedLoop:
    """Audio as the model represents it: ``score`` ``(T, 166)`` at sounding pitch, ``latents`` ``(1, T, channels)``."""

    score: Tensor
    latents: Tensor


def mel_patches(mel: Tensor) -> Tensor:
    """Mel images of a mix ``(batch, 12 T, 256)`` → the encoder's input ``(batch, T, PATCH)``, circular."""
    small = mel.unflatten(1, (-1, 4)).mean(dim=2).unflatten(2, (-1, 2)).mean(dim=3)
    tokens = small.unflatten(1, (-1, 3)).flatten(2)
    return torch.cat([tokens, tokens.roll(-1, dims=1)], dim=2) - 0.3


def encoder_shape(channels: int, words: int, width: int, depth: int) -> FlowShape:
    """The shape of an encoder that predicts a score and latents of ``channels`` columns."""
    return FlowShape(
        channels + sheet.COLUMNS, PATCH, words, width, depth, width // 64, scalars=cond.SCALARS, velocities=True
    )


def run_encoder(net: FlowTransformer, patches: Tensor) -> Tensor:
    """Latents and score columns ``(batch, T, channels + 166)`` for ``patches`` ``(batch, T, PATCH)``."""
    batch = len(patches)
    x = torch.zeros(batch, patches.shape[1], net.shape.channels)
    text = net.embed_words(torch.zeros(batch, net.shape.words))
    return predict_any_length(net, x, torch.zeros(batch), text, torch.zeros(batch, net.shape.scalars), patches)


def encode_loop(
    net: FlowTransformer, codec: LatentCodec, audio: NDArray[np.float32], beats: int = sheet.BEATS
) -> EncodedLoop:
    """Encode a mono loop ``(frames,)`` at 44.1 kHz that is ``beats`` beats long."""
    mel = codec.codecs_for(beats)[0].encode(torch.from_numpy(audio)[None])
    predicted = run_encoder(net, mel_patches(mel))
    score = score_from_flow(predicted[..., codec.channels :], net.shape.velocities)[0]
    return EncodedLoop(score, predicted[..., : codec.channels])
