"""Spectrogram image files: reads and writes pixels and the EXIF that stores their parameters."""

from __future__ import annotations

import math
import struct
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from riffengine.errors import ModelError, PictureError, reason
from riffengine.files.regular import is_file, open_regular
from riffengine.renderer.riffusion.codec import COLUMNS_PER_BEAT, RiffusionParams

EXIF_TAGS: dict[str, int] = {
    "sample_rate": 11000,
    "stereo": 11005,
    "step_size_ms": 11010,
    "window_duration_ms": 11020,
    "padded_duration_ms": 11030,
    "num_frequencies": 11040,
    "min_frequency": 11050,
    "max_frequency": 11060,
    "power_for_image": 11070,
    "max_value": 11080,
}
"""Riffusion's tags. ``max_value`` is the level of black; Riffusion writes it but does not read it, riffengine does."""

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
WIDEST = 30_000  # columns: five minutes at 10 ms; decoded in pieces; the pixels take 180 MB as RGB floats
_TALLEST = 8192
MOST_PIXELS = 1 << 24  # the widest picture of 512 bands, and a photograph; they take 200 MB as RGB floats
MOST_BYTES = 256 << 20
_READERS = ("PNG", "JPEG")  # Pillow would hand PostScript to another program, whatever the file's name


@dataclass(frozen=True)
class Picture:
    """A picture file, resized to its parameters.

    ``image`` is ``(1|3, bands, columns) float32`` in 0..1, lowest band first. ``has_exif``: the file stores parameters;
    ``has_level``: it stores the level of black. ``notes`` say what was assumed or changed.
    """

    image: NDArray[np.float32]
    params: RiffusionParams
    has_exif: bool
    has_level: bool
    notes: tuple[str, ...]


def read_picture(path: Path, params: RiffusionParams | None = None, *, invert: bool = False) -> Picture:
    """Read the picture at ``path``, of any size and mode; ``params`` overrides its EXIF, ``invert`` makes white loud.

    Dark is loud, like ink on paper. The height is resized to the number of bands; without EXIF the width is resized to
    whole beats of 64 columns, in proportion to the height. Raises ``PictureError`` when the file cannot be read, is too
    large or has invalid EXIF.
    """
    if not is_file(path):
        raise PictureError(f"{path.name} cannot be read as a picture: there is no such file")
    if path.stat().st_size == 0:
        raise PictureError(f"{path.name} is empty (0 bytes): give a PNG or JPEG picture")
    try:
        with (
            warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning),  # see _check_size
            open_regular(path, MOST_BYTES) as opened,
            Image.open(opened, formats=_READERS) as file,
        ):
            _check_size(path, file)
            found = _exif_params(path, file)
            pixels = _rgb(ImageOps.exif_transpose(file))
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise PictureError(f"{path.name} is not a readable picture; give a PNG or JPEG file") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:  # of Pillow's readers of damaged files
        raise PictureError(f"{path.name} is damaged: {reason(error)}; export it again as PNG or JPEG") from error
    stored, has_level = found if found else (RiffusionParams(), False)
    chosen = params or stored
    height, width = pixels.shape[:2]
    rows = chosen.num_frequencies
    columns = width if found else _whole_beats(width, height, rows)
    notes = [] if found or params else [f"{path.name} has no EXIF: 10 ms a column and 0 to 10 kHz are assumed"]
    if columns < 8 or columns > WIDEST:
        raise PictureError(f"{path.name} is {columns} columns wide; 8 to {WIDEST} are possible; cut or scale it")
    if (height, width) != (rows, columns):
        notes.append(f"{path.name}: {width} x {height} pixels were resized to {columns} x {rows}")
        pixels = _resized(pixels, columns, rows)
    if invert:
        pixels = 1.0 - pixels
    image = np.ascontiguousarray(pixels[::-1].transpose(2, 0, 1))
    if not chosen.stereo and (image[0] == image[1]).all() and (image[0] == image[2]).all():
        image = image[:1]
    return Picture(image, chosen, found is not None, has_level and not invert, tuple(notes))


def write_picture(path: Path, image: NDArray[np.float32], params: RiffusionParams) -> None:
    """Write ``(1|3, bands, columns)`` in 0..1 as an 8-bit RGB picture with EXIF; ``.png`` or ``.jpg``.

    Written under another name and renamed, so that no incomplete file remains. Raises ``PictureError`` when it cannot
    be written.
    """
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise PictureError(f"{path.name} is neither .png nor .jpg; the suffix determines the format")
    pixels = np.round(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)[:, ::-1].transpose(1, 2, 0)
    file = Image.fromarray(np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3))))
    exif = file.getexif()
    for name, tag in EXIF_TAGS.items():
        exif[tag] = _plain(getattr(params, name))
    options: dict[str, object] = {"optimize": True} if kind == "PNG" else {"quality": 95, "subsampling": 0}
    partial = path.with_name(path.name + ".partial")
    try:
        file.save(partial, kind, exif=exif, **options)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise PictureError(f"{path} cannot be written: {reason(error)}; choose another place") from error


def params_from_exif(stored: Mapping[int, object]) -> RiffusionParams | None:
    """Parameters from the EXIF tags 11000 to 11080, defaults for missing ones; ``None`` if all are missing.

    Raises ``ModelError`` for a value that is not a number or is impossible.
    """
    kinds = {name: type(value) for name, value in asdict(RiffusionParams()).items()}
    values: dict[str, int | float | bool] = {}
    for name, tag in EXIF_TAGS.items():
        if tag not in stored:
            continue
        try:
            number = float(stored[tag])  # type: ignore[arg-type]
            values[name] = kinds[name](number)
        except (TypeError, ValueError, ZeroDivisionError, OverflowError):
            raise ModelError(f"EXIF tag {tag} ({name}) holds {stored[tag]!r}; a number is needed") from None
        if not math.isfinite(number):
            raise ModelError(f"EXIF tag {tag} ({name}) holds {number}; a finite number is needed")
    return RiffusionParams(**values) if values else None  # type: ignore[arg-type]


def _exif_params(path: Path, file: Image.Image) -> tuple[RiffusionParams, bool] | None:
    stored = file.getexif()
    try:
        found = params_from_exif(stored)
    except ModelError as error:
        raise PictureError(f"{path.name}: {error}; write the picture again without EXIF to use the defaults") from error
    return (found, EXIF_TAGS["max_value"] in stored) if found else None


def _check_size(path: Path, file: Image.Image) -> None:
    """Refuse a picture of too many pixels before they are decoded; of a JPEG, fewer are decoded where that helps."""
    width, height = file.size
    if width > WIDEST or height > _TALLEST or min(file.size) < 8:
        raise PictureError(
            f"{path.name} has {width} x {height} pixels; 8 x 8 to {WIDEST} x {_TALLEST} are possible; scale it"
        )
    if width * height > MOST_PIXELS:
        file.draft("RGB", (width // 2, height // 2))
    if file.size[0] * file.size[1] > MOST_PIXELS:
        raise PictureError(
            f"{path.name} has {width} x {height} pixels; at most {MOST_PIXELS // 1_000_000} million are possible; "
            "scale it"
        )


def _rgb(file: Image.Image) -> NDArray[np.float32]:
    """``(rows, columns, 3) float32`` in 0..1; transparent pixels are drawn on white."""
    if file.mode.startswith("I") or file.mode == "F":  # 16 bits a pixel, or more
        gray = np.asarray(file, np.float64)
        top = 65535.0 if gray.max() > 255.0 or file.mode.startswith("I;16") else 255.0
        return np.repeat((gray / top).clip(0.0, 1.0).astype(np.float32)[:, :, None], 3, axis=2)
    if file.has_transparency_data:
        layer = file.convert("RGBA")
        background = Image.new("RGBA", layer.size, "white")
        file = Image.alpha_composite(background, layer)
    return np.asarray(file.convert("RGB"), np.float32) / np.float32(255.0)


def _whole_beats(width: int, height: int, rows: int) -> int:
    scaled = width * rows / height
    return max(1, round(scaled / COLUMNS_PER_BEAT)) * COLUMNS_PER_BEAT


def _resized(pixels: NDArray[np.float32], columns: int, rows: int) -> NDArray[np.float32]:
    channels = [
        np.asarray(Image.fromarray(np.ascontiguousarray(channel)).resize((columns, rows), Image.Resampling.BICUBIC))
        for channel in pixels.transpose(2, 0, 1)
    ]
    return np.stack(channels, axis=2).clip(0.0, 1.0)


def _plain(value: float | bool) -> int | float:
    return int(value) if float(value).is_integer() and value < 2**31 else float(value)
