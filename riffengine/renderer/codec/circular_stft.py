"""CircularStft: the short-time Fourier transform of a loop; windows wrap around its end."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from riffengine.errors import RendererError
from riffengine.renderer.codec.params import CodecParams


class CircularStft:
    """Frame ``t`` of ``T`` is centred on sample ``t * L / T`` of a loop of ``L`` samples, rounded to a whole sample.

    Rounding moves a centre by at most half a sample, which is negligible for windows of thousands of samples, and the
    phase computation uses the rounded centres. So the hop may be any fraction, and the overlap-add is still exact.
    There is no padding: indices wrap around. With ``use_tables`` windows are read and added through index tables, in
    few large operations, which is faster on a GPU (the default there) and slower on a CPU. Raises ``RendererError``
    when ``L`` is too short or too long for the windows.
    """

    def __init__(self, params: CodecParams, length: int, device: torch.device, use_tables: bool | None = None) -> None:
        if not params.shortest_loop <= length <= params.longest_loop:
            rate = params.sample_rate
            raise RendererError(
                f"a loop of {length} samples ({length / rate:.2f} s) cannot be encoded; {params.shortest_loop} to "
                f"{params.longest_loop} samples ({params.longest_loop / rate:.2f} s) are possible with {params.frames} "
                f"windows of {params.n_fft}; choose another tempo or number of beats"
            )
        self.length = length
        self.n_fft = params.n_fft
        self._bins = params.bins
        count = params.frames
        self.centres: list[int] = [(2 * t * length + count) // (2 * count) for t in range(count)]
        next_centres = [*self.centres[1:], length]
        self.hops: list[int] = [
            following - centre for centre, following in zip(self.centres, next_centres, strict=True)
        ]
        self._tables: tuple[Tensor, Tensor] | None = None
        if device.type != "cpu" if use_tables is None else use_tables:
            first, second = _tables(self.centres, length, params.n_fft)
            self._tables = torch.from_numpy(first).to(device), torch.from_numpy(second).to(device)
        window = torch.hann_window(params.n_fft, periodic=True)
        self.gain = 2.0 / float(window.sum())  # a full-scale sine has magnitude 1
        self._window = window.to(device)
        squares = (self._window**2).expand(1, count, -1)
        self._inverse_overlap = 1.0 / self._overlap(squares)

    def spectra(self, audio: Tensor) -> Tensor:
        """``(batch, L) float32`` to ``(batch, T, bins) complex64``; phases count from each window's first sample."""
        half = self.n_fft // 2
        if self._tables is not None:
            gathered: Tensor = torch.fft.rfft(audio[:, self._tables[0]] * self._window)
            return gathered[..., : self._bins]
        wrapped = torch.cat([audio[:, -half:], audio, audio[:, :half]], dim=1)
        windows = torch.stack([wrapped[:, centre : centre + self.n_fft] for centre in self.centres], dim=1)
        spectra: Tensor = torch.fft.rfft(windows * self._window)
        return spectra[..., : self._bins]

    def audio(self, spectra: Tensor) -> Tensor:
        """``(batch, T, bins) complex64`` to the audio ``(batch, L)`` whose spectra are nearest (least squares)."""
        windows = torch.fft.irfft(spectra, n=self.n_fft).mul_(self._window)
        return self._overlap(windows).mul_(self._inverse_overlap)

    def _overlap(self, windows: Tensor) -> Tensor:
        half = self.n_fft // 2
        if self._tables is not None:
            flat = torch.nn.functional.pad(windows.flatten(1), (0, 1))
            return flat[:, self._tables[1]].sum(dim=1)
        extended = windows.new_zeros((windows.shape[0], self.length + self.n_fft))
        # Frame by frame in a fixed order, so that the sum is deterministic; an atomic scatter would not be.
        for centre, window in zip(self.centres, windows.unbind(1), strict=True):
            extended[:, centre : centre + self.n_fft] += window
        loop = extended[:, half : half + self.length]
        loop[:, -half:] += extended[:, :half]
        loop[:, :half] += extended[:, self.length + half :]
        return loop


def _tables(centres: list[int], length: int, n_fft: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Index tables: the sample of each window position ``(T, n_fft)``, the positions of each sample ``(layers, L)``.

    Window positions are numbered through all windows. The number after the last stands for zero, used where fewer
    windows overlap.
    """
    samples = (np.array(centres)[:, None] + np.arange(n_fft) - n_fft // 2) % length
    depth = np.zeros(length, np.int64)
    layers = np.empty_like(samples)
    for number, row in enumerate(samples):  # a window is not longer than the loop, so no sample is twice in a row
        layers[number] = depth[row]
        depth[row] += 1
    places = np.full((int(depth.max()), length), samples.size, np.int64)
    places[layers, samples] = np.arange(samples.size).reshape(samples.shape)
    return samples, places
