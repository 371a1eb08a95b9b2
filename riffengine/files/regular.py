"""Opens regular files, and nothing that could wait for ever or never end: no pipe, device, socket or folder.

``is_file``, ``is_folder`` and ``exists`` are for names from outside: ``pathlib`` raises ``OSError`` for a name that is
too long or lies in a folder that may not be searched, where nothing of that name can be used.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

# Opening a pipe without O_NONBLOCK waits for its writer; opening a terminal without O_NOCTTY may make it ours.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


def is_file(path: Path | str) -> bool:
    """Whether ``path`` can be seen as a file; false for every name that cannot be looked at."""
    return os.path.isfile(path)  # noqa: PTH113 (never raises, other than Path's)


def is_folder(path: Path | str) -> bool:
    """Whether ``path`` can be seen as a folder; false for every name that cannot be looked at."""
    return os.path.isdir(path)  # noqa: PTH112 (never raises, other than Path's)


def exists(path: Path | str) -> bool:
    """Whether ``path`` can be seen; false for every name that cannot be looked at."""
    return os.path.exists(path)  # noqa: PTH110 (never raises, other than Path's)


def home_path(text: str | Path) -> Path:
    """``text`` with ``~`` and ``~user`` as their folders; as it is where there is no such user."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 (Path's raises RuntimeError for a user that there is not)


def open_regular(path: Path | str, most_bytes: int | None = None) -> BinaryIO:
    """The regular file at ``path``, open for reading.

    Raises ``OSError``, whose ``strerror`` says why, for a file that cannot be opened, is no regular file, or has more
    than ``most_bytes``.
    """
    try:
        descriptor = os.open(path, _FLAGS | getattr(os, "O_CLOEXEC", 0))
    except ValueError as error:  # a null character in the name
        raise OSError(errno.EINVAL, f"is no file name ({error})") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "is no regular file")
        if most_bytes is not None and found.st_size > most_bytes:
            raise OSError(errno.EFBIG, f"has {found.st_size:,} bytes; at most {most_bytes:,} are read")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path | str, most_bytes: int) -> bytes:
    """The content of the regular file at ``path``; ``OSError`` as of ``open_regular``.

    No more than the size that the file states is read: files of the system, such as /proc/kmsg, state 0 and never end.
    """
    with open_regular(path, most_bytes) as file:
        return file.read(min(most_bytes, os.fstat(file.fileno()).st_size))
