"""Networks: the UNet and the autoencoder on their device, compiled or captured where the policy says so."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from riffengine.renderer.riffusion.checkpoint import Checkpoint
from riffengine.renderer.riffusion.device import DevicePolicy

_GRAPHS_KEPT = 12  # one for each batch size and width; each holds its own working memory
_WARM_UP = 3  # rounds before a capture, in which libraries choose their kernels and allocate


class Captured:
    """A function of tensors as a CUDA graph: captured once, replayed with new contents in the same buffers.

    Weights may be changed in place between two calls; shapes may not change.
    """

    def __init__(self, function: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> None:
        self._inputs = tuple(each.clone() for each in inputs)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP):
                function(*self._inputs)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._output = function(*self._inputs)

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The function's value for ``inputs``, a tensor of the caller's own."""
        for buffer, value in zip(self._inputs, inputs, strict=True):
            buffer.copy_(value, non_blocking=True)
        self._graph.replay()
        return self._output.clone()


class Runner:
    """Calls a function eagerly, or through one captured graph for each shape of its inputs."""

    def __init__(self, function: Callable[..., Tensor], policy: DevicePolicy) -> None:
        self._function = function
        if policy.compiled:
            self._function = torch.compile(function, dynamic=False)
        self._graphs: OrderedDict[tuple[torch.Size, ...], Captured] | None = OrderedDict() if policy.graphs else None

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The function's value for ``inputs``."""
        if self._graphs is None:
            return self._function(*inputs)
        shapes = tuple(each.shape for each in inputs)
        if shapes not in self._graphs:
            self._graphs[shapes] = Captured(self._function, inputs)
            if len(self._graphs) > _GRAPHS_KEPT:
                self._graphs.popitem(last=False)
        self._graphs.move_to_end(shapes)
        return self._graphs[shapes](*inputs)

    def forget(self) -> None:
        """Give the memory of all graphs back."""
        if self._graphs is not None:
            self._graphs.clear()


class Networks:
    """A checkpoint's UNet, autoencoder and tiny decoder, moved to the policy's device and precision.

    Everything outside is float32; the precision of the weights stays inside. Renderer process; one thread at a time.
    """

    def __init__(self, checkpoint: Checkpoint, policy: DevicePolicy) -> None:
        self.policy = policy
        self._vae, self._tiny = checkpoint.vae, checkpoint.tiny
        self.unet = checkpoint.unet
        layout = torch.channels_last if policy.channels_last else torch.preserve_format
        for model in (self.unet, self._vae, self._tiny):
            if model is not None:
                # torch's own: that of diffusers warns of layers to keep in float32, of which these models have none
                move: Any = nn.Module.to  # its stubs know no memory_format beside a device
                move(model, device=policy.device, dtype=policy.dtype, memory_format=layout)
        self._decode_precision = policy.dtype
        self.decode_alone = False
        self._predict = Runner(self._unet_value, policy)
        self._paint = Runner(self._decoder_value, policy)

    def noise_in(self, latents: Tensor, time: Tensor, text: Tensor, guidance: Tensor | None) -> Tensor:
        """What the UNet sees as noise in ``latents`` ``(batch, 4, rows, columns) float32`` at ``time`` ``(1,)``.

        ``text`` is ``(batch, tokens, width)``, or ``(2 * batch, …)``, the negative first, where ``guidance``
        ``(batch, 1, 1, 1)`` weighs the two: one call then does both (classifier-free guidance, Ho & Salimans 2021).
        """
        if guidance is None:
            return self._predict(latents, time, text)
        negative, positive = self._predict(torch.cat([latents, latents]), time, text).chunk(2)
        return negative + guidance * (positive - negative)

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures ``(batch, 3, height, width) float32``, 0..1, of latents as the UNet knows them.

        Half precision that overflows in the decoder is noticed, and that decoder works in float32 from then on.
        """
        parts = latents.split(1) if self.decode_alone else (latents,)
        values = torch.cat([self._paint(part) for part in parts])
        if self._decode_precision != torch.float32 and not bool(torch.isfinite(values).all()):
            self._decode_precision = torch.float32
            self._paint.forget()
            decoder = self._vae if self._tiny is None else self._tiny
            nn.Module.to(decoder, torch.float32)
            values = torch.cat([self._paint(part) for part in parts])
        return (values / 2.0 + 0.5).clamp(0.0, 1.0)

    def encode(self, pictures: Tensor) -> Tensor:
        """Latents, as the UNet knows them, of pictures ``(batch, 3, height, width)``, 0..1: the mean, nothing drawn."""
        weights = next(self._vae.encoder.parameters())
        inputs = (pictures * 2.0 - 1.0).to(weights.device, weights.dtype)
        found: Tensor = self._vae.encode(inputs).latent_dist.mean
        return found.float() * self._vae.config.scaling_factor

    def forget(self) -> None:
        """Give back what captured graphs hold and what the allocator has kept, after memory ran out."""
        self._predict.forget()
        self._paint.forget()
        if self.policy.device.type == "cuda":
            torch.cuda.empty_cache()

    def _unet_value(self, latents: Tensor, time: Tensor, text: Tensor) -> Tensor:
        kind = self.policy.dtype
        value: Tensor = self.unet(latents.to(kind), time, encoder_hidden_states=text.to(kind), return_dict=False)[0]
        return value.float()

    def _decoder_value(self, latents: Tensor) -> Tensor:
        decoder: Any = self._vae if self._tiny is None else self._tiny
        scaled = latents / decoder.config.scaling_factor
        value: Tensor = decoder.decode(scaled.to(self._decode_precision), return_dict=False)[0]
        return value.float()
