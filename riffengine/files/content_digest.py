"""ContentDigests: the SHA-256 of every byte of large files, such as weights, each computed once.

What was computed is kept in the user's cache folder, and taken from there while a file has the same size, times and
inode. Where that folder cannot be used, it is computed again each time: 200 MB took 0.16 s of processor time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from riffengine.files.json_text import read_json
from riffengine.files.user_folders import user_folder

_LEAST_BYTES = 32 << 20  # smaller files are read each time, in 30 ms
_MOST_ENTRIES = 256  # files whose digests are kept
_MOST_ENTRY_BYTES = 4096
_DIGEST = re.compile(r"[0-9a-f]{64}")


class ContentDigests:
    """Digests by file, kept in ``folder``. Any thread or process; reads whole files, so not on an event loop."""

    def __init__(self, folder: Path, least_bytes: int = _LEAST_BYTES) -> None:
        self._folder, self._least_bytes = folder, least_bytes

    @classmethod
    def standard(cls, environment: Mapping[str, str] = os.environ) -> ContentDigests:
        """Those of the user: ``riffengine/sha256`` in ``$XDG_CACHE_HOME``, by default ``~/.cache``."""
        try:
            caches = user_folder("XDG_CACHE_HOME", ".cache", environment)
        except RuntimeError:  # a user without a home folder
            caches = Path(os.devnull)
        return cls(caches / "riffengine" / "sha256")

    def of(self, path: Path) -> str:
        """Sixty-four hex digits of what ``path`` holds; ``OSError`` when it cannot be read."""
        with path.open("rb") as file:
            before = _stamp(file.fileno())
            if before[0] < self._least_bytes:
                return hashlib.file_digest(file, "sha256").hexdigest()
            entry = self._folder / f"{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]}.json"
            known = _read(entry, before)
            if known:
                return known
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if _stamp(file.fileno()) == before:  # else it is being written
                self._keep(entry, before, digest)
        return digest

    def _keep(self, entry: Path, stamp: list[int], digest: str) -> None:
        partial = entry.with_name(f"{entry.stem}.{os.getpid()}-{secrets.token_hex(4)}")
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            partial.write_text(json.dumps({"stamp": stamp, "sha256": digest}), encoding="utf-8")
            partial.replace(entry)
            entries = sorted(self._folder.iterdir(), key=lambda each: each.stat().st_mtime_ns, reverse=True)
            for old in entries[_MOST_ENTRIES:]:
                old.unlink(missing_ok=True)


def _stamp(descriptor: int) -> list[int]:
    found = os.fstat(descriptor)
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev]


def _read(entry: Path, stamp: list[int]) -> str:
    """The digest in ``entry``, where it is that of a file with ``stamp``; else ""."""
    try:
        kept = read_json(entry, _MOST_ENTRY_BYTES)
        return str(kept["sha256"]) if kept["stamp"] == stamp and _DIGEST.fullmatch(kept["sha256"]) else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""
