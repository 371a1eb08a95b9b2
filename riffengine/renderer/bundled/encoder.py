"""The listener: audio of any kind → the score and the latents that the model would have used for it.

It hears the mel image of a mix, one window of two 16ths for each 16th note, and tells all stems apart in one pass; the
network is the same as the stages', asked once at the end of the flow.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from riffengine.renderer.bundled import conditioning as cond
from riffengine.renderer.bundled import score as sheet
from riffengine.renderer.bundled.flow_transformer import FlowShape, FlowTransformer
from riffengine.renderer.bundled.latent_codec import LatentCodec
from riffengine.renderer.bundled.loop_lengths import over_span
from riffengine.renderer.bundled.sampling import Heard
from riffengine.renderer.bundled.stages import score_from_flow

PATCH = 3 * 128 * 2


def patches(mel: Tensor) -> Tensor:
    """Mel images of a mix ``(batch, 12 T, 256)`` → what the listener is told ``(batch, T, PATCH)``, circular."""
    small = mel.unflatten(1, (-1, 4)).mean(dim=2).unflatten(2, (-1, 2)).mean(dim=3)
    tokens = small.unflatten(1, (-1, 3)).flatten(2)
    return torch.cat([tokens, tokens.roll(-1, dims=1)], dim=2) - 0.3


def listener_shape(channels: int, words: int, width: int, depth: int) -> FlowShape:
    """The shape of a listener that tells latents of ``channels`` columns and a score."""
    return FlowShape(channels + sheet.COLUMNS, PATCH, words, width, depth, width // 64, scalars=cond.SCALARS)


def ask(net: FlowTransformer, heard: Tensor) -> Tensor:
    """Latents and score columns ``(batch, T, channels + 166)`` for patches ``heard`` of as many sixteenths."""
    batch = len(heard)
    x = torch.zeros(batch, heard.shape[1], net.shape.channels)
    text = net.embed_words(torch.zeros(batch, net.shape.words))
    return over_span(net, x, torch.zeros(batch), text, torch.zeros(batch, net.shape.scalars), heard)


def listen(net: FlowTransformer, space: LatentCodec, audio: NDArray[np.float32], beats: int = sheet.BEATS) -> Heard:
    """What ``net`` makes of a loop ``(frames,)`` at 44.1 kHz that lasts ``beats``."""
    mel = space.codecs_for(beats)[0].encode(torch.from_numpy(audio)[None])
    told = ask(net, patches(mel))
    return Heard(score_from_flow(told[..., space.channels :])[0], told[..., : space.channels])
