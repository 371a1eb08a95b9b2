"""Envelopes: how the level of noise moves between the frames of a mel image, and how to give it to a loop.

A window of 70 ms blurs a stroke of the drums: after phase reconstruction it rises too slowly and sounds before its
time. A small network reads the temporal envelopes of four frequency zones from the mel image, several values a frame.
The noise that phases start from gets these envelopes, and the reconstructed loop is lowered where it exceeds them; its
strokes become steep by ``strokes``.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from riffengine.errors import ModelError
from riffengine.renderer.codec.noise import noise_signal, zone_weights
from riffengine.renderer.codec.params import CodecParams
from riffengine.renderer.codec.strokes import stroke_gains

ZONE_EDGES_HZ = (600.0, 1800.0, 5000.0, 10000.0)
ZONES = len(ZONE_EDGES_HZ)  # the lowest zone, below the first edge, keeps its predicted phases and its envelope
VALUES_PER_FRAME = 8
_LEAST_GAIN = 0.05
_SMOOTHING_SECONDS = 0.003
_CELL = 16  # samples
_DB = math.log(10.0) / 20.0
_HIDDEN = 64
_NOTCH = 2  # bins beside each multiple of the frame rate that are removed from a predicted envelope


class EnvelopeNet(nn.Module):
    """Mel image ``(batch, T, n_mels)`` → levels in dB ``(batch, T * VALUES_PER_FRAME, ZONES)``; circular in time.

    Value ``k`` of frame ``t`` is the level at frame ``t + (k + 0.5) / VALUES_PER_FRAME - 0.5``.
    """

    def __init__(self, params: CodecParams) -> None:
        """``params`` are those of the images that it reads; a loop may have any number of frames."""
        super().__init__()
        self.params = params
        self.bands = nn.Conv1d(params.n_mels + 1, _HIDDEN, 1)
        self.wide = nn.Conv1d(_HIDDEN, _HIDDEN, 9, padding=4, padding_mode="circular")
        self.narrow = nn.Conv1d(_HIDDEN, _HIDDEN, 5, padding=2, padding_mode="circular")
        self.values = nn.Conv1d(_HIDDEN, VALUES_PER_FRAME * ZONES, 1)
        self.fine = nn.Conv1d(ZONES, 24, 17, padding=8, padding_mode="circular")
        self.out = nn.Conv1d(24, ZONES, 1)

    def reads(self, params: CodecParams) -> bool:
        """Whether the network was trained with such images, whatever their number of frames."""
        return replace(params, frames=self.params.frames) == self.params

    def forward(self, mel: Tensor, hop_seconds: Tensor) -> Tensor:
        """``hop_seconds`` ``(batch,)`` is the time between frames, since a window covers more frames in a fast loop."""
        batch, count, _ = mel.shape
        tempo = torch.log2(hop_seconds / 0.01).view(batch, 1, 1).expand(-1, 1, count)
        x = functional.gelu(self.bands(torch.cat([mel.transpose(1, 2) * 2.0 - 0.5, tempo], dim=1)))
        x = x + functional.gelu(self.wide(x))
        x = x + functional.gelu(self.narrow(x))
        values = (
            self.values(x).view(batch, VALUES_PER_FRAME, ZONES, count).permute(0, 2, 3, 1).reshape(batch, ZONES, -1)
        )
        values = values + self.out(functional.gelu(self.fine(values)))
        return (values * 10.0 - 50.0).transpose(1, 2)


def load_envelope_net(path: Path) -> EnvelopeNet:
    """The network stored at ``path``. Raises ``ModelError`` when it cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            net = EnvelopeNet(CodecParams.from_dict(json.loads((file.metadata() or {})["codec"])))
            net.load_state_dict({name: file.get_tensor(name).float() for name in file.keys()})  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path} does not hold an envelope network ({error}): reinstall riffengine") from error
    return net.eval().requires_grad_(False)


def save_envelope_net(net: EnvelopeNet, path: Path) -> None:
    """Store a network in half precision, with the parameters of its images in the header."""
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in net.state_dict().items()}
    save_file(tensors, path, {"codec": json.dumps(net.params.to_dict())})


@dataclass(frozen=True)
class _Constants:
    """What depends on the length of a loop alone: filters of the zones, noise in every zone, smoothing windows."""

    zones: Tensor  # (ZONES + 1, frequencies)
    noise: Tensor  # (ZONES + 1, L)
    cells: int  # the powers of a loop are compared in so many cells
    short: Tensor  # spectrum of the smoothing window, in cells
    long: Tensor  # spectrum of the codec's window, in cells


@lru_cache(maxsize=2)
@torch.inference_mode(False)
def _constants(length: int, params: CodecParams) -> _Constants:
    hz = torch.fft.rfftfreq(length, 1.0 / params.sample_rate)
    zones = torch.stack(zone_weights(ZONE_EDGES_HZ, hz))
    noise = torch.fft.irfft(torch.fft.rfft(noise_signal(length)) * zones, n=length)
    cells = length // _CELL
    short = window_spectrum(round(_SMOOTHING_SECONDS * params.sample_rate / _CELL), cells)
    return _Constants(zones, noise, cells, short, window_spectrum(params.n_fft // _CELL, cells))


def window_spectrum(width: int, length: int) -> Tensor:
    """The real FFT of a Hann window of ``width`` values, centred on the first of ``length``, with the sum 1."""
    width = min(width | 1, length)
    window = torch.zeros(length)
    window[:width] = torch.hann_window(width + 2, periodic=False)[1:-1]
    return torch.fft.rfft((window / window.sum()).roll(-(width // 2)))


class LoopEnvelopes:
    """The envelopes of one loop ``(L,)`` of one codec: shape the noise for it, and sharpen the decoded loop."""

    def __init__(self, levels_db: Tensor, length: int, params: CodecParams) -> None:
        """``levels_db`` ``(T * VALUES_PER_FRAME, ZONES)`` as ``EnvelopeNet`` gives them."""
        self._constants, self._length, self._sample_rate = _constants(length, params), length, params.sample_rate
        levels = _without_frame_rate(levels_db.T, params.frames).roll(-(VALUES_PER_FRAME // 2), 1)
        self._levels = torch.exp(levels * _DB)  # (ZONES, values)

    def noise(self) -> Tensor:
        """The noise that phases start from ``(L,)``: that of every zone, times its envelope."""
        noise, levels = self._constants.noise, resampled(self._levels, self._length)
        return noise[0] * levels.mean(dim=0) + (noise[1:] * levels).sum(dim=0)

    def sharpen(self, audio: Tensor) -> Tensor:
        """``audio`` ``(L,)``, lowered in each zone where it exceeds the zone's envelope, and with steep strokes.

        Both are compared relative to their own power over the codec's window, so the level that the mel image asks for
        stays.
        """
        cells = self._constants.cells
        parts = torch.fft.irfft(torch.fft.rfft(audio) * self._constants.zones, n=self._length)
        power = functional.adaptive_avg_pool1d(parts[None, 1:].square(), cells)[0]
        envelopes = resampled(self._levels, cells)
        gains = (self._relative(envelopes.square()) / self._relative(power)).sqrt_().clamp_(_LEAST_GAIN, 1.0)
        power *= gains.square()
        levels = (0.25 * power.roll(1, 1) + 0.5 * power + 0.25 * power.roll(-1, 1)).sqrt_()
        cell_seconds = self._length / cells / self._sample_rate
        gains *= torch.from_numpy(stroke_gains((envelopes.log() / _DB).numpy(), levels.numpy(), cell_seconds))
        return parts[0] + (parts[1:] * resampled(gains, self._length)).sum(dim=0)

    def _relative(self, power: Tensor) -> Tensor:
        short, long = self._constants.short, self._constants.long
        spectrum = torch.fft.rfft(power) * short
        smooth, mean = (
            torch.fft.irfft(each, n=power.shape[1]).clamp_min_(1e-12) for each in (spectrum, spectrum * long)
        )
        return smooth / mean


def _without_frame_rate(levels: Tensor, frames: int) -> Tensor:
    """Levels ``(ZONES, values)`` without their lines at multiples of the frame rate, which the network may add."""
    spectrum = torch.fft.rfft(levels)
    for line in range(frames, spectrum.shape[1], frames):
        spectrum[:, max(line - _NOTCH, 1) : line + _NOTCH + 1] = 0.0
    return torch.fft.irfft(spectrum, n=levels.shape[1])


def resampled(values: Tensor, length: int) -> Tensor:
    """``(rows, count)`` with ``length`` values in place of ``count``, linearly and circularly; both span one loop."""
    left, right, share = _places(values.shape[1], length)
    return torch.lerp(values[:, left], values[:, right], share)


@lru_cache(maxsize=4)
@torch.inference_mode(False)
def _places(count: int, length: int) -> tuple[Tensor, Tensor, Tensor]:
    place = (torch.arange(length, dtype=torch.float64) + 0.5) * (count / length) - 0.5
    left = place.floor().long()
    return left % count, (left + 1) % count, (place - left).float()
