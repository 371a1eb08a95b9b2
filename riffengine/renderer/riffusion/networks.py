"""Networks: the UNet and the autoencoder on their device, compiled or captured where the policy says so."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from riffengine.renderer.riffusion.async_copy import AsyncCopy
from riffengine.renderer.riffusion.checkpoint import Checkpoint
from riffengine.renderer.riffusion.device_policy import DevicePolicy

_GRAPHS_KEPT = 24  # one for each batch size, width and length of text; they share their working memory
_WARM_UP = 3  # rounds before a capture, in which libraries choose their kernels and allocate
_SHAPES_COMPILED = 64  # of one function; beyond torch's own 8 it would quietly be played uncompiled
Say = Callable[[str], None]


class Captured:
    """A function of tensors as a CUDA graph: captured once, replayed with new contents in the same buffers.

    ``pool`` is the memory that all graphs of one device work in: they are replayed one after the other on one stream,
    and what one gives is copied out before the next begins. Weights may be changed in place between two calls; shapes
    may not change. Raises ``RuntimeError`` where the device cannot capture it.
    """

    def __init__(self, function: Callable[..., Tensor], inputs: tuple[Tensor, ...], pool: Any) -> None:
        self._inputs = tuple(each.clone() for each in inputs)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP):
                function(*self._inputs)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=pool):
            self._output = function(*self._inputs)

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The function's value for ``inputs``, a tensor of the caller's own."""
        for buffer, value in zip(self._inputs, inputs, strict=True):
            buffer.copy_(value, non_blocking=True)
        self._graph.replay()
        return self._output.clone()


class Runner:
    """Calls a function compiled, or captured once for each shape of its inputs, or as it is.

    What the machine cannot compile or capture is told once through ``say`` and called as it is from then on: slower,
    and the same loops. Memory that runs out is no such reason; it is raised.
    """

    def __init__(self, function: Callable[..., Tensor], policy: DevicePolicy, say: Say) -> None:
        self._plain = self._function = function
        self._say = say
        if policy.compiled:
            torch._dynamo.config.recompile_limit = _SHAPES_COMPILED
            self._function = torch.compile(function, dynamic=False)
        self._graphs: OrderedDict[tuple[object, ...], Captured] | None = OrderedDict() if policy.graphs else None
        self._pool: Any = None

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The function's value for ``inputs``."""
        if self._graphs is None:
            return self._once(*inputs)
        shapes = tuple((each.shape, each.dtype) for each in inputs)
        if shapes not in self._graphs:
            value = self._once(*inputs)  # compiled, if it is, before anything is captured
            if not self._capture(shapes, inputs):
                return value
        graph = self._graphs[shapes]
        self._graphs.move_to_end(shapes)
        return graph(*inputs)

    def forget(self) -> None:
        """Give the memory of all graphs back."""
        if self._graphs is not None:
            self._graphs.clear()
        self._pool = None

    def _once(self, *inputs: Tensor) -> Tensor:
        if self._function is self._plain:
            return self._plain(*inputs)
        try:
            return self._function(*inputs)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # the root of what dynamo and its compilers raise
            value = self._plain(*inputs)  # what is wrong with the inputs is raised here
            self._function = self._plain
            self._say(f"torch.compile does not work here ({_reason(error)}): played without it")
            return value

    def _capture(self, shapes: tuple[object, ...], inputs: tuple[Tensor, ...]) -> bool:
        assert self._graphs is not None
        try:
            self._pool = self._pool or torch.cuda.graph_pool_handle()
            self._graphs[shapes] = Captured(self._function, inputs, self._pool)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self.forget()
            self._graphs = None
            self._say(f"CUDA graphs do not work here ({_reason(error)}): played without them, slower")
            return False
        if len(self._graphs) > _GRAPHS_KEPT:
            self._graphs.popitem(last=False)
        return True


def _reason(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]


class Networks:
    """A checkpoint's UNet, autoencoder and tiny decoder, moved to the policy's device and precision.

    Everything outside is float32; the precision of the weights stays inside. ``say`` hears what did not work and how it
    goes on. Renderer process; one thread at a time.
    """

    def __init__(self, checkpoint: Checkpoint, policy: DevicePolicy, say: Say = lambda _: None) -> None:
        self.policy = policy
        self.ferry = AsyncCopy(policy.device)
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
        self._predict = Runner(self._unet_value, policy, say)
        self._paint = Runner(self._decoder_value, policy, say)

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
