"""InitReader: reads the init of a loop (audio, or a picture, and a mask) as spectrogram images for img2img.

song.wav                     audio, cut to whole beats from a bar line
song.wav?from=16             the same, sixteen beats later
drawing.png?mask=sky.png     a picture; only the parts that are white in the mask are generated again
straight?mask=keep-low       a seed image and a mask of the package
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from riffengine.errors import AudioFileError, PictureError
from riffengine.files.regular import home_path, is_file
from riffengine.renderer.file_hash import packaged_pictures
from riffengine.renderer.loop_audio import read_loop
from riffengine.renderer.riffusion.codec import COLUMNS_PER_BEAT, RiffusionCodec, as_batch
from riffengine.renderer.riffusion.spectrogram_image import FORMATS, read_picture
from riffengine.renderer.song import Song

_MAX_FROM_BEATS = 100_000


@dataclass(frozen=True)
class InitSource:
    """A parsed ``init``: the file to start from, and the mask picture, if any.

    ``beat`` counts from the first bar line of audio; with ``None`` the beat tracker chooses the bar.
    """

    file: Path
    mask: Path | None = None
    beat: int | None = None

    @classmethod
    def parse(cls, init: str) -> InitSource:
        """Parse ``init``. A plain name may be that of a picture of the package.

        Raises ``AudioFileError`` for a missing file and for an unknown option.
        """
        source, _, rest = init.partition("?")
        options = dict(entry.partition("=")[::2] for entry in filter(None, rest.split("&")))
        mask, beat = options.pop("mask", ""), options.pop("from", "")
        if options or (beat and not (beat.isdecimal() and int(beat) <= _MAX_FROM_BEATS)):
            raise AudioFileError(f"init {init!r} cannot be read; options are ?mask=PICTURE and ?from=BEATS")
        return cls(_find_file(source, "seed"), _find_file(mask, "mask") if mask else None, int(beat) if beat else None)

    def file_state(self) -> tuple[tuple[str, int, int], ...]:
        """Start beat, and path, modification time in ns and size of each file: changes when the files change."""
        states = [("from", 0, -1 if self.beat is None else self.beat)]
        for path in (self.file, *([self.mask] if self.mask else [])):
            try:
                found = path.stat()
            except OSError as error:
                raise AudioFileError(f"{path} cannot be read: {error.strerror}; give the path of a file") from error
            states.append((str(path), found.st_mtime_ns, found.st_size))
        return tuple(states)


def _find_file(name: str, kind: str) -> Path:
    shipped_files = packaged_pictures(kind)
    path = shipped_files.get(name, home_path(name))
    if not is_file(path):
        shipped = ", ".join(shipped_files)
        raise AudioFileError(
            f"there is no file {name!r} to start from; give a sound or a picture, or one of the package: {shipped}"
            if kind == "seed"
            else f"there is no mask {name!r}; give a picture (white is changed), or one of the package: {shipped}"
        )
    return path


class InitReader:
    """Reads inits as pictures in a checkpoint's format. Renderer process."""

    def __init__(self, codec: RiffusionCodec) -> None:
        self._codec = codec
        self._params = codec.params
        self._last_song: tuple[tuple[str, int], Song] | None = None  # so that a song is read once, not once per piece

    def read(self, source: InitSource, beats: int, bpm: float) -> Tensor:
        """The picture ``(1, 1|3, bands, 64 * beats)``, lowest band first, of ``source``.

        A picture shorter than the loop repeats; of a longer one, the first beats are used. Raises ``AudioFileError``
        for a file that is neither audio nor a picture.
        """
        columns = beats * COLUMNS_PER_BEAT
        if source.file.suffix.lower() not in FORMATS:
            if source.beat is None:
                audio = read_loop(str(source.file), beats, bpm, self._params.sample_rate, self._params.channels)
            else:
                audio = self._song(source.file).piece(source.beat, beats)
            return self._codec.encode(as_batch(audio), columns)
        image = self._picture(source.file)
        whole_columns = max(1, round(image.shape[3] / COLUMNS_PER_BEAT)) * COLUMNS_PER_BEAT
        if whole_columns != image.shape[3]:
            image = F.interpolate(image, (image.shape[2], whole_columns), mode="bilinear")
        image = image.repeat(1, 1, 1, -(-columns // whole_columns))[..., :columns]
        if not self._params.stereo:
            return image.mean(dim=1, keepdim=True)
        return image if image.shape[1] == 3 else torch.cat([torch.zeros_like(image), image, image], dim=1)

    def read_mask(self, source: InitSource, columns: int) -> Tensor | None:
        """The mask ``(bands, columns)``, lowest band first: 1 is generated again, 0 stays. It covers the whole loop."""
        if source.mask is None:
            return None
        gray = self._picture(source.mask).mean(dim=1, keepdim=True)
        return F.interpolate(gray, (gray.shape[2], columns), mode="nearest")[0, 0]

    def _song(self, path: Path) -> Song:
        file_state = (str(path), path.stat().st_mtime_ns)
        if self._last_song is None or self._last_song[0] != file_state:
            self._last_song = file_state, Song.read(path, self._params.sample_rate, channels=self._params.channels)
        return self._last_song[1]

    def _picture(self, path: Path) -> Tensor:
        try:
            return torch.from_numpy(read_picture(path, self._params).image)[None]
        except PictureError as error:
            raise AudioFileError(str(error)) from error
