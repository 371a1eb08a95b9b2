"""LatentCodec: the stems of a loop as one row of latents per 16th note, and back to audio.

Every stem has the codec that suits it: drums a mel axis and short windows, bass and harmony a logarithmic axis of 36
bands to the octave, and long ones. The latents of a 16th are those of all stems, one after another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from riffengine.renderer.bundled.lapped_pca import LappedPca
from riffengine.renderer.bundled.score import BEATS, STEPS
from riffengine.renderer.codec import Codec, CodecParams


@dataclass(frozen=True)
class StemShape:
    """One stem: its name, its codec, and how many latents a 16th note has."""

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


# A bass reaches up to 8 kHz with its strings' noise; the harmony from A1 to 16 kHz.
STEMS = (
    StemShape("drums", CodecParams(n_fft=3072, n_mels=256, frames=384), 128),
    StemShape("bass", CodecParams(n_fft=4096, n_mels=288, frames=256, fmin=32.703, fmax=9000.0, axis="log"), 64),
    StemShape("harmony", CodecParams(n_fft=4096, n_mels=296, frames=256, fmin=55.0, fmax=17000.0, axis="log"), 256),
)


class LatentCodec(nn.Module):
    """Latents ``(batch, 32, channels)`` ↔ mel images of every stem ↔ stems of audio ``(stems, frames)``.

    A loop of other than eight beats has as many latents and mel frames to the beat.
    """

    def __init__(self, shapes: Sequence[StemShape]) -> None:
        super().__init__()
        self.shapes = tuple(shapes)
        self.lapped = nn.ModuleList(LappedPca(s.codec.frames // STEPS, s.codec.n_mels, s.dims) for s in self.shapes)
        self.codecs = [Codec(shape.codec) for shape in self.shapes]
        self._codecs = {BEATS: self.codecs}

    @property
    def names(self) -> tuple[str, ...]:
        """The stems, in the order of their latents."""
        return tuple(shape.name for shape in self.shapes)

    @property
    def channels(self) -> int:
        """Latents of one 16th note, all stems together."""
        return sum(shape.dims for shape in self.shapes)

    def columns(self, stem: str) -> slice:
        """Where the latents of ``stem`` lie in a row."""
        at = self.names.index(stem)
        start = sum(shape.dims for shape in self.shapes[:at])
        return slice(start, start + self.shapes[at].dims)

    def codecs_for(self, beats: int) -> list[Codec]:
        """The codec of every stem for loops of ``beats`` beats."""
        if beats not in self._codecs:
            widths = [replace(s.codec, frames=s.codec.frames // BEATS * beats) for s in self.shapes]
            self._codecs[beats] = [Codec(params) for params in widths]
        return self._codecs[beats]

    def listen(self, stems: Tensor) -> list[Tensor]:
        """Mel images ``(1, T, bands)`` of every stem of a loop ``(stems, frames)`` at 44.1 kHz."""
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

    def audio(
        self,
        mels: Sequence[Tensor],
        frames: int,
        iterations: int,
        silent: Sequence[str] = (),
        phase_from: Tensor | None = None,
    ) -> Tensor:
        """Stems ``(stems, frames)`` of one loop; those in ``silent`` are exact silence and cost nothing.

        ``phase_from`` are the stems ``(stems, frames)`` of a loop near by, whose phases are begun with; one that is
        silent there has none to lend. The stems are computed side by side on two threads, each with the same samples
        as alone.
        """
        out = torch.zeros(len(self.shapes), frames)
        codecs = self.codecs_for(mels[0].shape[1] * BEATS // self.shapes[0].codec.frames)
        inference = torch.is_inference_mode_enabled()

        def fill(index: int) -> None:
            near = None if phase_from is None or not phase_from[index].any() else phase_from[index][None]
            with torch.inference_mode(inference):
                out[index] = codecs[index].decode(mels[index], frames, near, iterations)[0]

        sounding = [i for i, shape in enumerate(self.shapes) if shape.name not in silent]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(fill, sorted(sounding, reverse=True)))  # the longest first
        return out
