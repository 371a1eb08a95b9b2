"""CodecParams: all parameters that define a mel image; stored with the checkpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from riffengine.errors import ModelError


@dataclass(frozen=True)
class CodecParams:
    """The geometry of a mel image: ``(frames, n_mels) float32``, circular in time, one row of bands per frame.

    ``sample_rate``, ``fmin`` and ``fmax`` are in Hz, ``n_fft`` is the window in samples, ``frames`` the number of
    equally spaced frames in a loop of any length. Amplitudes are stored as ``magnitude ** power``, where a full-scale
    sine has magnitude 1 in its FFT bin. ``axis`` is ``"mel"`` (HTK, ``n_mels`` bands between ``fmin`` and ``fmax``) or
    ``"log"`` (``n_mels`` bands upwards from ``fmin``, ``bands_per_octave`` apart; ``fmax`` is then only a ceiling).

    Raises ``ModelError`` for impossible values, so a damaged checkpoint is refused when it is read.
    """

    sample_rate: int = 44100
    n_fft: int = 3072
    n_mels: int = 256
    frames: int = 384
    fmin: float = 20.0
    fmax: float = 16000.0
    power: float = 0.25
    axis: str = "mel"
    bands_per_octave: int = 36

    def __post_init__(self) -> None:
        if self.sample_rate < 8000:
            raise ModelError(f"codec: sample_rate is {self.sample_rate} Hz; at least 8000 is needed")
        if self.n_fft < 64 or self.n_fft % 2:
            raise ModelError(f"codec: n_fft is {self.n_fft}; an even number of at least 64 is needed")
        if self.n_mels < 8 or self.frames < 8:
            raise ModelError(f"codec: {self.n_mels} bands x {self.frames} frames; at least 8 x 8 are needed")
        if not 0.0 <= self.fmin < self.fmax <= self.sample_rate / 2 or (self.axis == "log" and self.fmin == 0.0):
            raise ModelError(
                f"codec: fmin {self.fmin} Hz and fmax {self.fmax} Hz; "
                f"0 < fmin < fmax <= {self.sample_rate / 2:g} Hz (half the sample rate) is needed"
            )
        if not 0.0 < self.power <= 1.0:
            raise ModelError(f"codec: power is {self.power}; it must lie in (0, 1]")
        if self.axis not in ("mel", "log"):
            raise ModelError(f"codec: axis is {self.axis!r}; it must be 'mel' or 'log'")
        if self.axis == "log":
            if self.bands_per_octave < 1:
                raise ModelError(f"codec: bands_per_octave is {self.bands_per_octave}; at least 1 is needed")
            top = self.fmin * 2.0 ** (self.n_mels / self.bands_per_octave)
            if top > self.fmax * (1 + 1e-9):
                raise ModelError(
                    f"codec: {self.n_mels} bands of 1/{self.bands_per_octave} octave above {self.fmin} Hz reach "
                    f"{top:.0f} Hz, above fmax {self.fmax} Hz; use fewer bands"
                )

    @property
    def bins(self) -> int:
        """The number of FFT bins in use: from 0 Hz to the first bin above ``fmax``."""
        return min(self.n_fft // 2, math.ceil(self.fmax * self.n_fft / self.sample_rate)) + 1

    @property
    def shortest_loop(self) -> int:
        """The minimum length of a loop in samples: one window, so that a frame wraps around at most once."""
        return max(self.n_fft, self.frames)

    @property
    def longest_loop(self) -> int:
        """The maximum length of a loop in samples: neighbouring windows overlap by at least 5/8."""
        return self.frames * (self.n_fft * 3 // 8)

    def to_dict(self) -> dict[str, int | float | str]:
        """A flat dict of numbers and strings, for a checkpoint's metadata."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, object]) -> CodecParams:
        """The inverse of ``to_dict``; numbers may be strings, as safetensors metadata holds nothing else."""
        kinds = {field.name: type(field.default) for field in fields(cls)}
        unknown = sorted(set(stored) - set(kinds))
        if unknown:
            raise ModelError(
                f"codec: unknown keys {unknown}; allowed are {sorted(kinds)}; was it made by a newer version?"
            )
        values: dict[str, int | float | str] = {}
        for name, value in stored.items():
            kind = kinds[name]
            if isinstance(value, bool) or not isinstance(value, int | float | str):
                raise ModelError(f"codec: {name} is {value!r}; {kind.__name__} is needed")
            try:
                values[name] = _cast(kind, value)
            except ValueError:
                raise ModelError(f"codec: {name} is {value!r}; {kind.__name__} is needed") from None
        return cls(**values)  # type: ignore[arg-type]


def _cast(kind: type, value: int | float | str) -> int | float | str:
    if kind is str:
        return str(value)
    number = float(value)
    if not math.isfinite(number) or (kind is int and number != int(number)):
        raise ValueError
    return int(number) if kind is int else number
