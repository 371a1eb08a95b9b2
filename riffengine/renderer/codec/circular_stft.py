"""CircularStft: a loop seen as equally spaced windows that wrap around its end."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from riffengine.errors import RendererError
from riffengine.renderer.codec.params import CodecParams


class CircularStft:
    """Frame ``t`` of ``T`` is centred on sample ``t * L / T`` of a loop of ``L`` samples, rounded to a whole sample.

    Rounding moves a centre by at most half a sample, which a window of thousands does not see, and the phase follows
    the rounded centres exactly; so the hop may be any fraction and the overlap-add is still exact. There is no padding
    and no edge: indices wrap. ``gathered`` reads and adds the windows through tables of indices, in few and large
    operations, as a GPU wants them; a CPU is faster without. Raises ``RendererError`` where ``L`` is too short or too
    long for the windows.
    """

    def __init__(self, params: CodecParams, length: int, device: torch.device, gathered: bool | None = None) -> None:
        if not params.shortest_loop <= length <= params.longest_loop:
            rate = params.sample_rate
            raise RendererError(
                f"a loop of {length} samples ({length / rate:.2f} s) does not fit the codec; {params.shortest_loop} to "
                f"{params.longest_loop} samples ({params.longest_loop / rate:.2f} s) are possible with {params.frames} "
                f"windows of {params.n_fft}; choose another tempo or number of beats"
            )
        self.length = length
        self.n_fft = params.n_fft
        self._bins = params.bins
        count = params.frames
        self.centres: list[int] = [(2 * t * length + count) // (2 * count) for t in range(count)]
        follow = [*self.centres[1:], length]
        self.hops: list[int] = [after - now for now, after in zip(self.centres, follow, strict=True)]
        self._tables: tuple[Tensor, Tensor] | None = None
        if device.type != "cpu" if gathered is None else gathered:
            first, second = _tables(self.centres, length, params.n_fft)
            self._tables = torch.from_numpy(first).to(device), torch.from_numpy(second).to(device)
        window = torch.hann_window(params.n_fft, periodic=True)
        self.gain = 2.0 / float(window.sum())  # a full-scale sine has magnitude 1
        self._window = window.to(device)
        squares = (self._window**2).expand(1, count, -1)
        self._inverse_overlap = 1.0 / self._overlap(squares)

    def spectra(self, audio: Tensor) -> Tensor:
        """``(batch, L) float32`` to ``(batch, T, bins) complex64``, phases counted from each window's first sample."""
        half = self.n_fft // 2
        if self._tables is not None:
            gathered: Tensor = torch.fft.rfft(audio[:, self._tables[0]] * self._window)
            return gathered[..., : self._bins]
        wrapped = torch.cat([audio[:, -half:], audio, audio[:, :half]], dim=1)
        windows = torch.stack([wrapped[:, centre : centre + self.n_fft] for centre in self.centres], dim=1)
        spectra: Tensor = torch.fft.rfft(windows * self._window)
        return spectra[..., : self._bins]

    def audio(self, spectra: Tensor) -> Tensor:
        """``(batch, T, bins) complex64`` to the ``(batch, L)`` audio whose spectra are nearest (least squares)."""
        windows = torch.fft.irfft(spectra, n=self.n_fft).mul_(self._window)
        return self._overlap(windows).mul_(self._inverse_overlap)

    def _overlap(self, windows: Tensor) -> Tensor:
        half = self.n_fft // 2
        if self._tables is not None:
            flat = torch.nn.functional.pad(windows.flatten(1), (0, 1))
            return flat[:, self._tables[1]].sum(dim=1)
        line = windows.new_zeros((windows.shape[0], self.length + self.n_fft))
        # Frame by frame in a fixed order: the sum is the same bit for bit, which an atomic scatter would not promise.
        for centre, window in zip(self.centres, windows.unbind(1), strict=True):
            line[:, centre : centre + self.n_fft] += window
        loop = line[:, half : half + self.length]
        loop[:, -half:] += line[:, :half]
        loop[:, :half] += line[:, self.length + half :]
        return loop


def _tables(centres: list[int], length: int, n_fft: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which sample each place of each window is, ``(T, n_fft)``, and which places make each sample, ``(layers, L)``.

    A place is counted through all windows; the one behind the last stands for nothing, where fewer overlap.
    """
    samples = (np.array(centres)[:, None] + np.arange(n_fft) - n_fft // 2) % length
    depth = np.zeros(length, np.int64)
    layers = np.empty_like(samples)
    for number, row in enumerate(samples):  # no window is longer than the loop: no sample twice in a row
        layers[number] = depth[row]
        depth[row] += 1
    places = np.full((int(depth.max()), length), samples.size, np.int64)
    places[layers, samples] = np.arange(samples.size).reshape(samples.shape)
    return samples, places
