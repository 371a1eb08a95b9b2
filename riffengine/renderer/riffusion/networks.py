"""Networks: the UNet and the autoencoder on their device, compiled or captured as CUDA graphs if the policy says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from riffengine.renderer.cache import LruCache
from riffengine.renderer.riffusion.async_copy import AsyncCopy
from riffengine.renderer.riffusion.checkpoint import Checkpoint
from riffengine.renderer.riffusion.device_policy import DevicePolicy

_CACHED_GRAPHS = 24  # one for each batch size, width and text length; they share their working memory
_WARM_UP_ROUNDS = 3  # before a capture, so that libraries choose their kernels and allocate
_SHAPES_COMPILED = 64  # per function; after torch's default of 8 it would silently run uncompiled


class CapturedGraph:
    """A function of tensors as a CUDA graph: captured once, then replayed with new contents in the same buffers.

    ``pool`` is working memory that all graphs of a device share: they are replayed one after another on one stream, and
    each output is copied before the next graph starts. Weights may be changed in place between calls; shapes must stay.
    Raises ``RuntimeError`` when the device cannot capture the function.
    """

    def __init__(self, function: Callable[..., Tensor], inputs: tuple[Tensor, ...], pool: Any) -> None:
        self._inputs = tuple(tensor.clone() for tensor in inputs)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP_ROUNDS):
                function(*self._inputs)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=pool):
            self._output = function(*self._inputs)

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The function's value for ``inputs``, as a new tensor."""
        for buffer, value in zip(self._inputs, inputs, strict=True):
            buffer.copy_(value, non_blocking=True)
        self._graph.replay()
        return self._output.clone()


class AcceleratedFunction:
    """Calls a function compiled, or captured as a graph for each shape of its inputs, or plainly, as the policy says.

    If the machine cannot compile or capture it, ``notify`` is called once and the function is called plainly from then
    on: slower, with the same results. ``OutOfMemoryError`` is raised to the caller instead.
    """

    def __init__(self, function: Callable[..., Tensor], policy: DevicePolicy, notify: Callable[[str], None]) -> None:
        self._plain = self._function = function
        self._notify = notify
        if policy.compiled:
            torch._dynamo.config.recompile_limit = _SHAPES_COMPILED
            self._function = torch.compile(function, dynamic=False)
        self._graphs: LruCache[tuple[object, ...], CapturedGraph] | None = None
        if policy.graphs:
            self._graphs = LruCache(_CACHED_GRAPHS)
        self._pool: Any = None

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The function's value for ``inputs``."""
        if self._graphs is None:
            return self._call(*inputs)
        shapes = tuple((tensor.shape, tensor.dtype) for tensor in inputs)
        graph = self._graphs.get(shapes)
        if graph is None:
            value = self._call(*inputs)  # compiles first, if the function is to be compiled
            graph = self._capture(shapes, inputs)
            if graph is None:
                return value
        return graph(*inputs)

    def release_memory(self) -> None:
        """Free the memory of all graphs."""
        if self._graphs is not None:
            self._graphs.clear()
        self._pool = None

    def _call(self, *inputs: Tensor) -> Tensor:
        if self._function is self._plain:
            return self._plain(*inputs)
        try:
            return self._function(*inputs)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # the base class of the errors of dynamo and its compilers
            value = self._plain(*inputs)  # raises if the inputs are the problem
            self._function = self._plain
            self._notify(f"torch.compile does not work here ({_reason(error)}): rendering without it")
            return value

    def _capture(self, shapes: tuple[object, ...], inputs: tuple[Tensor, ...]) -> CapturedGraph | None:
        """The graph for inputs of these ``shapes``; ``None`` where capturing does not work."""
        assert self._graphs is not None
        try:
            self._pool = self._pool or torch.cuda.graph_pool_handle()
            return self._graphs.put(shapes, CapturedGraph(self._function, inputs, self._pool))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self.release_memory()
            self._graphs = None
            self._notify(f"CUDA graphs do not work here ({_reason(error)}): rendering without them, slower")
            return None


def _reason(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]


class Networks:
    """A checkpoint's UNet, autoencoder and tiny decoder, moved to the policy's device and precision.

    Inputs and outputs are float32, whatever the precision of the weights. ``notify`` receives a message when compiling
    or capturing fails. ``decode_one_by_one`` saves memory. Renderer process; one thread at a time.
    """

    def __init__(
        self, checkpoint: Checkpoint, policy: DevicePolicy, notify: Callable[[str], None] = lambda _: None
    ) -> None:
        self.policy = policy
        self.async_copy = AsyncCopy(policy.device)
        self._vae, self._tiny = checkpoint.vae, checkpoint.tiny
        self.unet = checkpoint.unet
        layout = torch.channels_last if policy.channels_last else torch.preserve_format
        for model in (self.unet, self._vae, self._tiny):
            if model is not None:
                # torch's method: that of diffusers warns of layers to keep in float32, which these models do not have
                move: Any = nn.Module.to  # the type stubs do not allow memory_format with device
                move(model, device=policy.device, dtype=policy.dtype, memory_format=layout)
        self._decode_precision = policy.dtype
        self.decode_one_by_one = False
        self._run_unet = AcceleratedFunction(self._unet_value, policy, notify)
        self._run_decoder = AcceleratedFunction(self._decoder_value, policy, notify)

    def predict_noise(self, latents: Tensor, time: Tensor, text: Tensor, guidance: Tensor | None) -> Tensor:
        """The noise that the UNet predicts for ``latents`` ``(batch, 4, rows, columns) float32`` at ``time`` ``(1,)``.

        ``text`` is ``(batch, tokens, width)``. With ``guidance`` ``(batch, 1, 1, 1)`` it is ``(2 * batch, …)``,
        negative prompts first, and one call predicts for both (classifier-free guidance, Ho & Salimans 2021).
        """
        if guidance is None:
            return self._run_unet(latents, time, text)
        negative, positive = self._run_unet(torch.cat([latents, latents]), time, text).chunk(2)
        return negative + guidance * (positive - negative)

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures ``(batch, 3, height, width) float32``, 0..1, of latents on the UNet's scale.

        If half precision overflows in the decoder, the decoder runs in float32 from then on.
        """
        parts = latents.split(1) if self.decode_one_by_one else (latents,)
        values = torch.cat([self._run_decoder(part) for part in parts])
        if self._decode_precision != torch.float32 and not bool(torch.isfinite(values).all()):
            self._decode_precision = torch.float32
            self._run_decoder.release_memory()
            decoder = self._vae if self._tiny is None else self._tiny
            nn.Module.to(decoder, torch.float32)
            values = torch.cat([self._run_decoder(part) for part in parts])
        return (values / 2.0 + 0.5).clamp(0.0, 1.0)

    def encode(self, pictures: Tensor) -> Tensor:
        """Latents, on the UNet's scale, of pictures ``(batch, 3, height, width)``, 0..1: the mean, without sampling."""
        weights = next(self._vae.encoder.parameters())
        inputs = (pictures * 2.0 - 1.0).to(weights.device, weights.dtype)
        found: Tensor = self._vae.encode(inputs).latent_dist.mean
        return found.float() * self._vae.config.scaling_factor

    def release_memory(self) -> None:
        """Free captured graphs and the allocator's cache; call this after memory ran out."""
        self._run_unet.release_memory()
        self._run_decoder.release_memory()
        if self.policy.device.type == "cuda":
            torch.cuda.empty_cache()

    def _unet_value(self, latents: Tensor, time: Tensor, text: Tensor) -> Tensor:
        dtype = self.policy.dtype
        value: Tensor = self.unet(latents.to(dtype), time, encoder_hidden_states=text.to(dtype), return_dict=False)[0]
        return value.float()

    def _decoder_value(self, latents: Tensor) -> Tensor:
        decoder: Any = self._vae if self._tiny is None else self._tiny
        scaled = latents / decoder.config.scaling_factor
        value: Tensor = decoder.decode(scaled.to(self._decode_precision), return_dict=False)[0]
        return value.float()
