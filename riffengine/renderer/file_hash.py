"""DiskFileHashes: the hash of an audio file's content at the moment when the performer chose the file.

A loop that starts from a file depends on the file's content, not on its name. With the hash in the request, a file that
was exported again under the same name gives another loop. Engine thread only.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TypeAlias

from riffengine.errors import AudioFileError, reason
from riffengine.files.regular import exists, home_path, is_file, open_regular
from riffengine.renderer.cache import LruCache

MOST_SECONDS = 0.25  # that the engine waits for a file; hashing takes about 10 ms
_WHOLE_BYTES = 8 << 20  # files up to this size are hashed completely, in 10 ms
MOST_BEGUN = 8  # files that are asked for at the same time
_PIECES, _PIECE_BYTES = 64, 64 << 10  # of larger files this many pieces are hashed, evenly spread

_MOST_KNOWN = (
    1024  # files whose hashes are kept, those used longest ago dropped first: a capture is a new file each time
)

_Answer: TypeAlias = "queue.SimpleQueue[str | AudioFileError]"


@dataclass(frozen=True)
class BegunFile:
    """A file that is being opened; ``answer`` gets its hash, or why there is none."""

    path: str
    answer: _Answer


class DiskFileHashes:
    """Hashes by path, each computed when the file was chosen.

    Files are opened in a thread of their own, ``hash_file`` (by default ``init_hash``) after ``hash_file``, and the
    engine waits for one no longer than ``most_seconds``: one on a network share that has gone would keep it for ever.
    Between ``begin`` and ``answered`` it does not wait at all.
    """

    def __init__(self, hash_file: Callable[[str], str] | None = None, most_seconds: float = MOST_SECONDS) -> None:
        self._hash_file, self._most_seconds = hash_file or init_hash, most_seconds
        self._hashes = LruCache[str, str](_MOST_KNOWN)
        self._asked: queue.SimpleQueue[tuple[str, _Answer, Callable[[], None]]] = queue.SimpleQueue()
        self._reader: threading.Thread | None = None
        self._begun = 0  # files that ``begin`` asked for
        self._answered: dict[str, BegunFile] = {}
        self._waiting: _Answer | None = None  # for a file that took too long

    @property
    def most_seconds(self) -> float:
        """How long a file may take."""
        return self._most_seconds

    def begin(self, path: str, done: Callable[[], None]) -> BegunFile | None:
        """Have the file at ``path`` opened; ``None`` where ``look`` would refuse it at once.

        ``done`` is called in the reader's thread. Enter ``answered`` after it, or after ``most_seconds``.
        """
        if self._is_busy():
            return None
        self._begun += 1
        return BegunFile(path, self._ask(path, done))

    @contextlib.contextmanager
    def answered(self, *files: BegunFile) -> Iterator[None]:
        """Within it, ``look`` takes what became of ``files`` without waiting: a hash, or that one took too long."""
        self._begun -= len(files)
        self._answered = {file.path: file for file in files}
        try:
            yield
        finally:
            self._answered = {}

    def look(self, path: str) -> None:
        """Hash the file at ``path`` as it is now. Raises ``AudioFileError`` when it cannot be read, or not in time."""
        self._hashes.put(path, self._in_time(path))

    def _is_busy(self) -> bool:
        """Whether a file that took too long is still being opened, or many are."""
        if self._waiting is not None and not self._waiting.empty():
            self._waiting = None
        return self._waiting is not None or self._begun >= MOST_BEGUN

    def _ask(self, path: str, done: Callable[[], None]) -> _Answer:
        if self._reader is None:
            self._reader = threading.Thread(target=self._read_files, name="file-hashes", daemon=True)
            self._reader.start()
        answer: _Answer = queue.SimpleQueue()
        self._asked.put((path, answer, done))
        return answer

    def _in_time(self, path: str) -> str:
        begun = self._answered.get(path)
        if begun is None and self._is_busy():
            raise AudioFileError(f"{path} cannot be read now: another file is still being opened; try again later")
        answer = self._ask(path, lambda: None) if begun is None else begun.answer
        try:
            found = answer.get(timeout=self._most_seconds if begun is None else 0.0)
        except queue.Empty:
            self._waiting = answer
            raise AudioFileError(
                f"{path} could not be read within {self._most_seconds:g} s; copy it to a disk of this machine"
            ) from None
        if begun is not None:
            answer.put(found)  # another deck may start from the same file
        if isinstance(found, AudioFileError):
            raise found
        return found

    def _read_files(self) -> None:
        while True:
            path, answer, done = self._asked.get()
            try:
                answer.put(self._hash_file(path))
            except AudioFileError as error:
                answer.put(error)
            except (OSError, ValueError) as error:
                answer.put(AudioFileError(f"{path} cannot be read: {reason(error)}"))
            done()

    def of(self, path: str) -> str:
        """The hash from the last ``look``. "" for a file that cannot be read; the renderer reports that error."""
        if path not in self._hashes:
            try:
                self.look(path)
            except AudioFileError:
                return ""
        return self._hashes.get(path) or ""


def packaged_pictures(kind: str) -> dict[str, Path]:
    """The pictures of the package by name; ``kind`` is ``seed`` or ``mask``."""
    folder = Path(str(resources.files("riffengine") / "pictures" / kind))
    return {path.stem: path for path in sorted(folder.glob("*.png"))}


def named_file(path: str) -> str:
    """The file that ``path`` names: options after ``?`` are removed, and the name of a seed image is looked up."""
    plain = path if is_file(path) else path.partition("?")[0]
    shipped = Path(__file__).parents[1] / "pictures" / "seed" / f"{plain}.png"
    return str(shipped) if plain.isidentifier() and is_file(shipped) and not exists(plain) else plain


def mask_files(init: str) -> list[str]:
    """The files that the options ``mask=`` of ``init`` name; the name of a mask of the package is looked up."""
    if is_file(init):  # the question mark is part of its name
        return []
    options = [option.partition("=") for option in init.partition("?")[2].split("&")]
    masks = [value for name, _, value in options if name == "mask" and value]
    shipped = packaged_pictures("mask") if masks else {}
    return [str(shipped.get(mask, home_path(mask))) for mask in masks]


def init_hash(init: str) -> str:
    """Twelve hex digits that identify what ``init`` names: the content of its file, and of its masks where it has any.

    ``AudioFileError`` when the file cannot be read. For a mask that cannot be, the renderer says so.
    """
    found, masks = file_hash(init), mask_files(init)
    if not masks:
        return found
    digest = hashlib.sha256(found.encode())
    for mask in masks:
        with contextlib.suppress(AudioFileError):
            digest.update(f" {file_hash(mask)}".encode())
    return digest.hexdigest()[:12]


def file_hash(path: str) -> str:
    """Twelve hex digits that identify the content of the file. Raises ``AudioFileError`` when it cannot be read."""
    path = named_file(path)
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if not size:  # also files of the system, such as /proc/kmsg, whose reading may never end
                raise AudioFileError(f"{path} is empty; give the path of an audio file on this machine")
            digest = hashlib.sha256(str(size).encode())
            if size <= _WHOLE_BYTES:
                digest.update(file.read())
            else:
                for piece in range(_PIECES):
                    file.seek(piece * (size - _PIECE_BYTES) // (_PIECES - 1))
                    digest.update(file.read(_PIECE_BYTES))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EINVAL, errno.EISDIR):
            raise AudioFileError(f"there is no file {path}; give the path of an audio file on this machine") from None
        raise AudioFileError(f"{path} cannot be read: {error.strerror}; check its permissions") from error
    return digest.hexdigest()[:12]
