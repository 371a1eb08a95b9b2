"""LatentCodec: encodes the stems of a loop as one row of latents per sixteenth note, and decodes them to mel images.

Every stem has its own codec: drums use a mel axis and short windows, bass and harmony a logarithmic axis of 36 bands
per octave and long windows. A row of latents is the concatenation of the latents of all stems.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from riffengine.renderer.bundled.lapped_pca import LappedPca
from riffengine.renderer.bundled.score import BEATS, STEPS
from riffengine.renderer.codec import Codec, CodecParams


@dataclass(frozen=True)
class StemShape:
    """One stem: its name, its codec, and the number of its latents per sixteenth note."""

    name: str
    codec: CodecParams
    dims: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint's metadata."""
        return {"name": self.name, "codec": self.codec.to_dict(), "dims": self.dims}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> StemShape:
        """The inverse of ``as_dict``; raises KeyError, TypeError, ValueError or ModelError for a damaged header."""
        return cls(str(stored["name"]), CodecParams.from_dict(stored["codec"]), int(stored["dims"]))


# String noise of a bass reaches 8 kHz; the harmony covers A1 to 16 kHz.
STEMS = (
    StemShape("drums", CodecParams(n_fft=3072, n_mels=256, frames=384), 128),
    StemShape("bass", CodecParams(n_fft=4096, n_mels=288, frames=256, fmin=32.703, fmax=9000.0, axis="log"), 64),
    StemShape("harmony", CodecParams(n_fft=4096, n_mels=296, frames=256, fmin=55.0, fmax=17000.0, axis="log"), 256),
)


# Above these frequencies a stem is mostly noise, and its phases start from noise (medians of 24 loops: the buzz at the
# frame rate falls from 30 to 5 dB in the drums, from 30 to 3 in the harmony, at an equal or lower spectral distance).
NOISE_FROM_HZ = {"drums": 1200.0, "bass": 2500.0, "harmony": 3000.0}


class LatentCodec(nn.Module):
    """Latents ``(batch, 32, channels)`` ↔ mel images of every stem.

    The shapes are those of eight beats; loops of other lengths have the same number of latents and frames per beat.
    """

    def __init__(self, shapes: Sequence[StemShape]) -> None:
        super().__init__()
        self.shapes = tuple(shapes)
        self.lapped = nn.ModuleList(LappedPca(s.codec.frames // STEPS, s.codec.n_mels, s.dims) for s in self.shapes)
        self.codecs = [_codec(shape, shape.codec.frames) for shape in self.shapes]
        self._codecs = {BEATS: self.codecs}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the stems, in the order of their latents."""
        return tuple(shape.name for shape in self.shapes)

    @property
    def channels(self) -> int:
        """The number of latents per sixteenth note, of all stems together."""
        return sum(shape.dims for shape in self.shapes)

    def columns(self, stem: str) -> slice:
        """The columns of a row of latents that belong to ``stem``."""
        index = self.names.index(stem)
        start = sum(shape.dims for shape in self.shapes[:index])
        return slice(start, start + self.shapes[index].dims)

    def codecs_for(self, beats: int) -> list[Codec]:
        """The codec of every stem for loops of ``beats`` beats."""
        if beats not in self._codecs:
            self._codecs[beats] = [_codec(shape, shape.codec.frames // BEATS * beats) for shape in self.shapes]
        return self._codecs[beats]

    def mel_images(self, stems: Tensor) -> list[Tensor]:
        """The mel image ``(1, T, bands)`` of every stem of a loop ``(stems, frames)`` at 44.1 kHz."""
        return [codec.encode(stem[None]) for codec, stem in zip(self.codecs, stems, strict=True)]

    def encode(self, mels: Sequence[Tensor]) -> Tensor:
        """Latents of one mel image ``(batch, T, bands)`` per stem."""
        return torch.cat([lapped.encode(mel) for lapped, mel in zip(self._transforms, mels, strict=True)], dim=2)

    def decode(self, latents: Tensor) -> list[Tensor]:
        """The mel image of every stem."""
        parts = latents.split([shape.dims for shape in self.shapes], dim=2)
        return [lapped.decode(part) for lapped, part in zip(self._transforms, parts, strict=True)]

    @property
    def _transforms(self) -> list[LappedPca]:
        return [cast(LappedPca, module) for module in self.lapped]


def _codec(shape: StemShape, frames: int) -> Codec:
    return Codec(replace(shape.codec, frames=frames), noise_from_hz=NOISE_FROM_HZ.get(shape.name))
