"""DiskFileHashes: the hash of an audio file's content at the moment when the performer chose the file.

A loop that starts from a file depends on the file's content, not on its name. With the hash in the request, a file that
was exported again under the same name gives another loop. Engine thread only.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from riffengine.errors import AudioFileError

_WHOLE_BYTES = 8 << 20  # files up to this size are hashed completely, in 10 ms
_PIECES, _PIECE_BYTES = 64, 64 << 10  # of larger files this many pieces are hashed, evenly spread


class DiskFileHashes:
    """Hashes by path, each computed when the file was chosen."""

    def __init__(self) -> None:
        self._hashes: dict[str, str] = {}

    def look(self, path: str) -> None:
        """Hash the file at ``path`` as it is now. Raises ``AudioFileError`` when it cannot be read."""
        self._hashes[path] = file_hash(path)

    def of(self, path: str) -> str:
        """The hash from the last ``look``. "" for a file that cannot be read; the renderer reports that error."""
        if path not in self._hashes:
            try:
                self.look(path)
            except AudioFileError:
                return ""
        return self._hashes[path]


def _file_of(path: str) -> str:
    """The file that ``path`` names: options after ``?`` are removed, and the name of a seed image is looked up."""
    plain = path if Path(path).is_file() else path.partition("?")[0]
    shipped = Path(__file__).parents[1] / "pictures" / "seed" / f"{plain}.png"
    return str(shipped) if plain.isidentifier() and shipped.is_file() and not Path(plain).exists() else plain


def file_hash(path: str) -> str:
    """Twelve hex digits that identify the content of the file. Raises ``AudioFileError`` when it cannot be read."""
    path = _file_of(path)
    if not Path(path).is_file():  # opening a FIFO would wait for its writer for ever
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
