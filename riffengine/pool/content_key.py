"""The content address of a loop: one SHA-256 over everything that determines its samples.

The digests inside a set have 64 bits and leave out weights and machine; a cache that several sets and machines share
needs all of it, in full.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from riffengine.errors import AudioFileError
from riffengine.files.regular import open_regular
from riffengine.processes.render_request import RenderRequest
from riffengine.renderer.cache import LruCache
from riffengine.renderer.file_hash import mask_files, named_file

FORMAT = 1
"""Of keys and of the files in a disk cache; another number makes every older entry unknown."""

_PIECE_BYTES = 1 << 20
_MOST_BYTES = 4 << 30
_MOST_KNOWN = 1024  # files


def content_key(request: RenderRequest, weights_digest: str, kind: str, contents: str = "") -> str:
    """Sixty-four hex digits. ``contents`` is ``file_contents`` of the sound that ``request`` starts from.

    The name of that file is left out, since only what it holds is heard; its options (after ``?``) are kept.
    """
    facts = request.canonical().facts()
    facts["init"] = facts["init"].partition("?")[2] if facts["init"] else ""
    whole = {"format": FORMAT, "request": facts, "weights": weights_digest, "kind": kind, "contents": contents}
    text = json.dumps(whole, sort_keys=True, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class FileContents:
    """SHA-256 of whole files; of the last 1024 remembered as long as size, times and inode stay.

    Opens files: not on an event loop.
    """

    def __init__(self) -> None:
        self._known = LruCache[str, tuple[tuple[int, int, int, int], str]](_MOST_KNOWN)

    def of(self, init: str) -> str:
        """Sixty-four hex digits of the file behind ``init`` and its mask; ``AudioFileError``: one cannot be read."""
        found = self._of_file(named_file(init))
        masks = [self._of_file(path) for path in mask_files(init)]
        return hashlib.sha256(" ".join([found, *masks]).encode()).hexdigest() if masks else found

    def _of_file(self, path: str) -> str:
        try:
            with open_regular(path, _MOST_BYTES) as file:
                found = os.fstat(file.fileno())
                stamp = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
                known = self._known.get(path)
                if known is not None and known[0] == stamp:
                    return known[1]
                digest = hashlib.sha256()
                for _ in range(0, found.st_size, _PIECE_BYTES):
                    digest.update(file.read(_PIECE_BYTES))
        except OSError as error:
            raise AudioFileError(f"{Path(path).name} cannot be read: {error.strerror}; check the file") from error
        self._known.put(path, (stamp, digest.hexdigest()))
        return digest.hexdigest()
