"""InitReader: what a loop starts from, as pictures: a sound, a picture, or one of those that ship, and a mask.

song.wav                     audio, cut to whole beats from a bar line
song.wav?from=16             the same, sixteen beats later
drawing.png?mask=sky.png     a picture, of which only what is white in the mask is dreamt anew
straight?mask=keep-low       a seed image and a mask of the package
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from riffengine.errors import AudioFileError, PictureError
from riffengine.renderer.loop_audio import read_loop
from riffengine.renderer.riffusion.codec import COLUMNS_PER_BEAT, RiffusionCodec, as_batch
from riffengine.renderer.riffusion.song import Song
from riffengine.renderer.riffusion.spectrogram_image import FORMATS, read_picture

_FROM_MOST = 100_000


def packaged(kind: str) -> dict[str, Path]:
    """The pictures that ship, by name; ``kind`` is ``seed`` or ``mask``."""
    folder = Path(str(resources.files("riffengine") / "pictures" / kind))
    return {path.stem: path for path in sorted(folder.glob("*.png"))}


@dataclass(frozen=True)
class Start:
    """What a request's ``init`` says: the file to start from, and the picture of what is dreamt anew, if any.

    ``beat`` counts from a sound's first bar line; ``None`` leaves the choice of the bar to the reader.
    """

    source: Path
    mask: Path | None = None
    beat: int | None = None

    @classmethod
    def parse(cls, init: str) -> Start:
        """Read ``init``; a name without a folder or an ending may be one that ships.

        Raises ``AudioFileError`` where no such file is there, or an option is not understood.
        """
        source, _, rest = init.partition("?")
        options = dict(entry.partition("=")[::2] for entry in filter(None, rest.split("&")))
        mask, beat = options.pop("mask", ""), options.pop("from", "")
        if options or (beat and not (beat.isdecimal() and int(beat) <= _FROM_MOST)):
            raise AudioFileError(f"init {init!r} is not understood; options are ?mask=PICTURE and ?from=BEATS")
        return cls(_place(source, "seed"), _place(mask, "mask") if mask else None, int(beat) if beat else None)

    def stamp(self) -> tuple[tuple[str, int, int], ...]:
        """What changes when a file or the place in it does: path, time in ns, size in bytes of each."""
        stamps = [("from", 0, -1 if self.beat is None else self.beat)]
        for path in (self.source, *([self.mask] if self.mask else [])):
            try:
                facts = path.stat()
            except OSError as error:
                raise AudioFileError(f"{path} cannot be read: {error.strerror}; give the path of a file") from error
            stamps.append((str(path), facts.st_mtime_ns, facts.st_size))
        return tuple(stamps)


def _place(name: str, kind: str) -> Path:
    own = packaged(kind)
    path = own.get(name, Path(name).expanduser())
    if not path.is_file():
        shipped = ", ".join(own)
        raise AudioFileError(
            f"there is no file {name!r} to start from; give a sound or a picture, or one of the package: {shipped}"
            if kind == "seed"
            else f"there is no mask {name!r}; give a picture (white is dreamt anew), or one of the package: {shipped}"
        )
    return path


class InitReader:
    """Reads what a loop starts from as the pictures that a checkpoint knows. Renderer process."""

    def __init__(self, codec: RiffusionCodec) -> None:
        self._codec = codec
        self._params = codec.params
        self._read: tuple[tuple[str, int], Song] | None = None  # the last song: a whole one is read once

    def read(self, start: Start, beats: int, bpm: float) -> Tensor:
        """The picture ``(1, 1|3, bands, 64 * beats)``, low bands first, of what ``start`` names.

        A picture shorter than the loop repeats, of a longer one the first beats are taken. Raises ``AudioFileError``
        for a file that is neither sound nor picture.
        """
        columns = beats * COLUMNS_PER_BEAT
        if start.source.suffix.lower() not in FORMATS:
            if start.beat is None:
                sound = read_loop(str(start.source), beats, bpm, self._params.sample_rate, self._params.channels)
            else:
                sound = self._song(start.source).piece(start.beat, beats)
            return self._codec.encode(as_batch(sound), columns)
        image = self._picture(start.source)
        whole = max(1, round(image.shape[3] / COLUMNS_PER_BEAT)) * COLUMNS_PER_BEAT
        if whole != image.shape[3]:
            image = F.interpolate(image, (image.shape[2], whole), mode="bilinear")
        image = image.repeat(1, 1, 1, -(-columns // whole))[..., :columns]
        if not self._params.stereo:
            return image.mean(dim=1, keepdim=True)
        return image if image.shape[1] == 3 else torch.cat([torch.zeros_like(image), image, image], dim=1)

    def read_mask(self, start: Start, columns: int) -> Tensor | None:
        """The mask ``(bands, columns)``, low bands first: 1 is dreamt anew, 0 stays; it covers the whole loop."""
        if start.mask is None:
            return None
        grey = self._picture(start.mask).mean(dim=1, keepdim=True)
        return F.interpolate(grey, (grey.shape[2], columns), mode="nearest")[0, 0]

    def _song(self, path: Path) -> Song:
        stamp = (str(path), path.stat().st_mtime_ns)
        if self._read is None or self._read[0] != stamp:
            self._read = stamp, Song.read(path, self._params.sample_rate, channels=self._params.channels)
        return self._read[1]

    def _picture(self, path: Path) -> Tensor:
        try:
            return torch.from_numpy(read_picture(path, self._params).image)[None]
        except PictureError as error:
            raise AudioFileError(str(error)) from error
