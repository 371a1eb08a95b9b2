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
from riffengine.renderer.bundled.stereo_image import ImageCode
from riffengine.renderer.codec import Codec, CodecParams

KnownImage = tuple[Tensor, Tensor]
"""A stereo image ``(batch, T, bands, 2)``, and where it is known ``(batch, T, bands)``."""


@dataclass(frozen=True)
class StemShape:
    """One stem: its name, its codec, and the number of its latents per sixteenth note that are its mel image.

    Two more for each of ``image_hz`` are its stereo image: these are the lower borders of the bands that have one.
    """

    name: str
    codec: CodecParams
    dims: int
    image_hz: tuple[float, ...] = ()

    @property
    def columns(self) -> int:
        """All latents of the stem per sixteenth note."""
        return self.dims + 2 * len(self.image_hz)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint's metadata."""
        image = {"image_hz": list(self.image_hz)} if self.image_hz else {}
        return {"name": self.name, "codec": self.codec.to_dict(), "dims": self.dims, **image}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> StemShape:
        """The inverse of ``as_dict``; raises KeyError, TypeError, ValueError or ModelError for a damaged header."""
        image_hz = tuple(float(hz) for hz in stored.get("image_hz", ()))
        return cls(str(stored["name"]), CodecParams.from_dict(stored["codec"]), int(stored["dims"]), image_hz)


# What new weights are trained with. String noise of a bass reaches 8 kHz; the harmony covers A1 to 16 kHz.
STEMS = (
    StemShape("drums", CodecParams(n_fft=3072, n_mels=256, frames=384, fmax=20000.0), 128, (150.0, 1000.0, 5000.0)),
    StemShape(
        "bass",
        CodecParams(n_fft=4096, n_mels=288, frames=256, fmin=32.703, fmax=9000.0, axis="log"),
        64,
        (150.0, 1000.0),
    ),
    StemShape(
        "harmony",
        CodecParams(n_fft=4096, n_mels=296, frames=256, fmin=55.0, fmax=17000.0, axis="log"),
        256,
        (150.0, 1000.0, 5000.0),
    ),
)


# Above these frequencies a stem is mostly noise, and its phases start from noise (medians of 24 loops: the buzz at the
# frame rate falls from 30 to 5 dB in the drums, from 30 to 3 in the harmony, at an equal or lower spectral distance).
NOISE_FROM_HZ = {"drums": 1200.0, "bass": 2500.0, "harmony": 3000.0}


class LatentCodec(nn.Module):
    """Latents ``(batch, 32, channels)`` ↔ mel images and stereo images of every stem.

    The shapes are those of eight beats; loops of other lengths have the same number of latents and frames per beat.
    """

    def __init__(self, shapes: Sequence[StemShape]) -> None:
        super().__init__()
        self.shapes = tuple(shapes)
        self.lapped = nn.ModuleList(LappedPca(s.codec.frames // STEPS, s.codec.n_mels, s.dims) for s in self.shapes)
        self.images = nn.ModuleList(ImageCode(len(s.image_hz)) for s in self.shapes if s.image_hz)
        self.codecs = [_codec(shape, shape.codec.frames) for shape in self.shapes]
        self._codecs = {BEATS: self.codecs}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the stems, in the order of their latents."""
        return tuple(shape.name for shape in self.shapes)

    @property
    def channels(self) -> int:
        """The number of latents per sixteenth note, of all stems together."""
        return sum(shape.columns for shape in self.shapes)

    def columns(self, stem: str) -> slice:
        """The columns of a row of latents that belong to ``stem``."""
        index = self.names.index(stem)
        start = sum(shape.columns for shape in self.shapes[:index])
        return slice(start, start + self.shapes[index].columns)

    def codecs_for(self, beats: int) -> list[Codec]:
        """The codec of every stem for loops of ``beats`` beats."""
        if beats not in self._codecs:
            self._codecs[beats] = [_codec(shape, shape.codec.frames // BEATS * beats) for shape in self.shapes]
        return self._codecs[beats]

    def mel_images(self, stems: Tensor) -> list[Tensor]:
        """The mel image ``(1, T, bands)`` of every stem of a loop ``(stems, frames)`` at 44.1 kHz."""
        return [codec.encode(stem[None]) for codec, stem in zip(self.codecs, stems, strict=True)]

    def encode(self, mels: Sequence[Tensor], images: Sequence[KnownImage] = ()) -> Tensor:
        """Latents of one mel image ``(batch, T, bands)`` per stem.

        ``images`` are the stereo images of the stems that have one, each ``(image, known)`` as ``analyse_image`` gives
        them, batched; without them every stem has the mean image.
        """
        parts, codes = [], self.image_codes()
        given = iter(images)
        for shape, lapped, mel in zip(self.shapes, self._transforms, mels, strict=True):
            parts.append(lapped.encode(mel))
            if shape.image_hz and images:
                parts.append(codes[shape.name].encode(*next(given)))
            elif shape.image_hz:
                parts.append(mel.new_zeros((*parts[-1].shape[:2], 2 * len(shape.image_hz))))
        return torch.cat(parts, dim=2)

    def decode(self, latents: Tensor) -> list[Tensor]:
        """The mel image of every stem."""
        parts = latents.split([shape.columns for shape in self.shapes], dim=2)
        pairs = zip(self.shapes, self._transforms, parts, strict=True)
        return [lapped.decode(part[..., : shape.dims]) for shape, lapped, part in pairs]

    def decode_images(self, latents: Tensor) -> list[Tensor | None]:
        """The stereo image ``(batch, T, bands, 2)`` of every stem, ``None`` for a stem that has none."""
        parts = latents.split([shape.columns for shape in self.shapes], dim=2)
        codes = self.image_codes()
        return [
            codes[shape.name].decode(part[..., shape.dims :]) if shape.image_hz else None
            for shape, part in zip(self.shapes, parts, strict=True)
        ]

    def image_codes(self) -> dict[str, ImageCode]:
        """The transform of the stereo image of every stem that has one."""
        names = [shape.name for shape in self.shapes if shape.image_hz]
        return dict(zip(names, (cast(ImageCode, module) for module in self.images), strict=True))

    @property
    def _transforms(self) -> list[LappedPca]:
        return [cast(LappedPca, module) for module in self.lapped]


def _codec(shape: StemShape, frames: int) -> Codec:
    return Codec(replace(shape.codec, frames=frames), noise_from_hz=NOISE_FROM_HZ.get(shape.name))
