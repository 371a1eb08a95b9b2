"""AsyncCopy: tensors between the host and a CUDA device on a stream of their own, so that no copy waits for a step."""

from __future__ import annotations

import torch
from torch import Tensor


class AsyncCopy:
    """Copies for one device. Off CUDA they are plain copies. Renderer process; one thread at a time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def over(self, tensor: Tensor) -> Tensor:
        """``tensor``, of the host, on the device; what is queued there afterwards finds it, the host does not wait."""
        if self._stream is None:
            return tensor.to(self._device)
        with torch.cuda.stream(self._stream):
            landed = tensor.pin_memory().to(self._device, non_blocking=True)
        current = torch.cuda.current_stream(self._device)
        current.wait_stream(self._stream)
        landed.record_stream(current)  # its memory belongs to the ferry's stream, and is used on another
        return landed

    def back(self, tensor: Tensor) -> Tensor:
        """``tensor``, of the device, on the host: waits until it is finished and copied, and for nothing after it."""
        if self._stream is None:
            return tensor.cpu()
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            landed = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            landed.copy_(tensor, non_blocking=True)
        tensor.record_stream(self._stream)
        self._stream.synchronize()
        return landed
