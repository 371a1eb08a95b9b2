"""DiskFileHashes: what a file of sound held when a performer chose it, in a few letters.

A loop that starts from a file is determined by what the file holds, not by its name: with the stamp in its request, a
file that was exported anew under the same name is another loop. One thread, the engine's.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from riffengine.errors import AudioFileError

_WHOLE_BYTES = 8 << 20  # up to this size every byte counts: 10 ms
_PIECES, _PIECE_BYTES = 64, 64 << 10  # of a larger file so many, evenly spread


class DiskFileHashes:
    """Stamps of files by path, each taken when the file was chosen."""

    def __init__(self) -> None:
        self._stamps: dict[str, str] = {}

    def look(self, path: str) -> None:
        """Stamp the file at ``path`` as it is now. ``AudioFileError`` when there is none that can be read."""
        self._stamps[path] = file_hash(path)

    def of(self, path: str) -> str:
        """The stamp of the file when it was last looked at; "" when it cannot be read, which the renderer will tell."""
        if path not in self._stamps:
            try:
                self.look(path)
            except AudioFileError:
                return ""
        return self._stamps[path]


def _place(path: str) -> str:
    """The file that ``path`` means: what stands behind a question mark is the renderer's; a name may be a seed."""
    plain = path if Path(path).is_file() else path.partition("?")[0]
    shipped = Path(__file__).parents[1] / "pictures" / "seed" / f"{plain}.png"
    return str(shipped) if plain.isidentifier() and shipped.is_file() and not Path(plain).exists() else plain


def file_hash(path: str) -> str:
    """Twelve hex digits for what the file at ``path`` holds; ``AudioFileError`` when it cannot be read."""
    path = _place(path)
    if not Path(path).is_file():  # to open a FIFO would wait for its writer, for ever
        raise AudioFileError(f"there is no file {path}; give the path of an audio file on this machine")
    try:
        with Path(path).open("rb") as file:
            size = Path(path).stat().st_size
            digest = hashlib.sha256(str(size).encode())
            if size <= _WHOLE_BYTES:
                digest.update(file.read())
            else:
                for piece in range(_PIECES):
                    file.seek(piece * (size - _PIECE_BYTES) // (_PIECES - 1))
                    digest.update(file.read(_PIECE_BYTES))
    except OSError as error:
        raise AudioFileError(f"{path} cannot be read: {error.strerror}; check its permissions") from error
    return digest.hexdigest()[:12]
