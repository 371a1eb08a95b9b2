"""AsyncCopy: copies tensors between host and CUDA device on a separate stream, so that no copy delays a step."""

from __future__ import annotations

import torch
from torch import Tensor


class AsyncCopy:
    """Copies for one device; plain copies if it is not CUDA. Renderer process; one thread at a time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def to_device(self, tensor: Tensor) -> Tensor:
        """A host ``tensor`` on the device. Work queued afterwards sees it; the host does not wait."""
        if self._stream is None:
            return tensor.to(self._device)
        with torch.cuda.stream(self._stream):
            copy = tensor.pin_memory().to(self._device, non_blocking=True)
        current = torch.cuda.current_stream(self._device)
        current.wait_stream(self._stream)
        copy.record_stream(current)  # its memory was allocated on the copy stream and is used on another
        return copy

    def to_host(self, tensor: Tensor) -> Tensor:
        """A device ``tensor`` on the host. Waits until it is computed and copied, but not for work queued later."""
        if self._stream is None:
            return tensor.cpu()
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            copy = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            copy.copy_(tensor, non_blocking=True)
        tensor.record_stream(self._stream)
        self._stream.synchronize()
        return copy
