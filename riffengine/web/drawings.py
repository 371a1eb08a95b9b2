"""Drawings: sounds and pictures that pages have sent, as files of our own names in one bounded folder.

What is written there was decoded and encoded again here: the renderer never reads a stranger's bytes. The name is made
of the content, so the same drawing is the same file, and another one never takes its place.
"""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image

from riffengine.errors import AudioFileError, ControlError, PictureError
from riffengine.files.user_folders import user_folder
from riffengine.renderer.audio_file import check_shape, read_frames
from riffengine.web.loop_picture import SIZE

MOST_FILES = 64
MOST_BYTES = 4 << 20  # of a file that is sent; a minute of music as MP3 takes 1 MB
LONGEST_SECONDS = 60.0  # as much as a renderer reads of a sound
_SHORTEST_SECONDS = 0.25
_MOST_PIXELS = 1 << 23  # decoded they take 8 to 32 MB
_EMPTY = 4  # a picture whose darkest pixel is nearer to white than this is empty


def drawings_folder(environment: Mapping[str, str] | None = None) -> Path:
    """``$XDG_DATA_HOME/riffengine/drawn``, by default under ``~/.local/share``."""
    environment = os.environ if environment is None else environment
    return user_folder("XDG_DATA_HOME", ".local/share", environment) / "riffengine" / "drawn"


class Drawings:
    """The files of ``folder``. At most ``MOST_FILES`` are kept; the oldest goes first, but none that is in use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content: bytes, ending: str, used: Iterable[str]) -> Path:
        """Keep ``content``; the path of its file. ``used`` are paths that must stay. ``ControlError``: no room."""
        path = self._folder / f"drawn-{hashlib.sha256(content).hexdigest()[:16]}{ending}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path.exists():
                os.utime(path)
                return path
            partial = path.with_name(f".{path.name}.{os.getpid()}")
            partial.write_bytes(content)
            partial.replace(path)
            self._remove_oldest({str(path), *used})
        except OSError as error:
            raise ControlError(f"the drawing cannot be kept in {self._folder}: {error.strerror}; make room") from None
        return path

    def _remove_oldest(self, used: set[str]) -> None:
        files = sorted(self._folder.glob("drawn-*"), key=lambda path: path.stat().st_mtime_ns)
        free = [path for path in files if str(path) not in used]
        for path in free[: max(0, len(files) - MOST_FILES)]:
            path.unlink(missing_ok=True)


def read_drawing(content: bytes) -> NDArray[np.uint8]:
    """The picture ``(512, 512)``, dark is loud, in a PNG or JPEG file; ``PictureError`` for anything else."""
    try:
        with (
            warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning),
            Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as file,
        ):
            if file.width * file.height > _MOST_PIXELS:
                raise PictureError(f"the picture has {file.width} x {file.height} pixels; at most 8 million are read")
            gray = _on_white(file).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    except PictureError:
        raise
    except (Image.DecompressionBombError, OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        raise PictureError("this is no readable PNG or JPEG picture; export it again") from error
    levels = np.asarray(gray, np.uint8)
    if levels.min() > 255 - _EMPTY:
        raise PictureError("the picture is white, which is silence; paint something dark")
    return levels


def png_file(levels: NDArray[np.uint8]) -> bytes:
    """``levels`` as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "PNG", compress_level=4)
    return file.getvalue()


def read_sound(content: bytes) -> bytes:
    """A sound file of any format that libsndfile reads, as FLAC, at most a minute of it; ``AudioFileError``."""
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            rate = file.samplerate
            check_shape("the sound", rate, file.channels)
            frames = min(round(LONGEST_SECONDS * rate), file.frames)
            samples = read_frames(file, max(0, frames), 2).T
    except (soundfile.LibsndfileError, OSError, TypeError, ValueError, MemoryError) as error:
        raise AudioFileError("this is no sound file that can be read; send WAV, FLAC, Ogg or MP3") from error
    if len(samples) < _SHORTEST_SECONDS * rate:
        raise AudioFileError(f"the sound is shorter than {_SHORTEST_SECONDS} s")
    return flac_of(samples, rate)


def flac_of(samples: NDArray[np.float32], sample_rate: int) -> bytes:
    """``(frames,)`` or ``(frames, channels)`` as FLAC; ``AudioFileError`` for what is silent or not finite."""
    peak = float(np.abs(samples).max(initial=0.0))
    if not np.isfinite(samples).all() or peak < 1e-4:
        raise AudioFileError("the sound is silent, or holds NaN; send another")
    file = io.BytesIO()
    try:
        soundfile.write(file, samples * min(1.0, 0.97 / peak), sample_rate, format="FLAC", subtype="PCM_16")
    except (soundfile.LibsndfileError, ValueError) as error:  # a rate that FLAC has not
        raise AudioFileError(f"a sound of {sample_rate:,} Hz cannot be kept; convert it to 44.1 or 48 kHz") from error
    return file.getvalue()


def _on_white(file: Image.Image) -> Image.Image:
    """``file`` in shades of gray; what is transparent becomes white, which is silence."""
    if not file.has_transparency_data:
        return file.convert("L")
    coloured = file.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured).convert("L")
