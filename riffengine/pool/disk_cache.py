"""DiskCache: finished loops in a folder, each as FLAC of 24 bits and a JSON file beside it, bounded in bytes.

Several pools may share a folder: a file is written under another name and then renamed, and a reader that finds half a
pair takes it as missing. What a pool that was killed has left half written counts, and is removed after an hour. A loop
that comes back differs from the rendered one by at most half a step of 24 bits (6e-8 of full scale); what lies above
full scale is scaled down in the file and up again.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from riffengine.errors import ServiceError
from riffengine.files.json_text import read_json
from riffengine.files.regular import open_regular
from riffengine.pool.content_key import FORMAT
from riffengine.pool.delivery_facts import delivery_facts, delivery_of, number
from riffengine.pool.finished_loop import FinishedLoop

_MOST_CHANNELS = 8  # of FLAC: stems times channels
_MOST_JSON_BYTES = 1 << 20
_MOST_FLAC_BYTES = 64 << 20
_MOST_FRAMES = 1 << 20  # of a loop: 16 beats at 60 bpm and 48000 Hz are 768,000
_MOST_SCALE = 1e6  # times full scale
_LEFT_SECONDS = 3600.0  # after that, half a pair is not being written any more
_NAME = re.compile(r"^([^.]+)\.(flac|json|[0-9]+-[0-9a-f]{8})$")  # of our files; the last while it is being written
_ROOM_SHARE = 0.9  # of the bound, that is left after old loops were removed
_BLIND_SHARE = 0.05  # of the bound, that is written before the folder is looked at again for what others wrote


class DiskCache:
    """The loops of ``folder``, at most ``most_bytes`` of files. One thread may call ``get``, and another ``put``.

    Each user of the folder looks at it anew after it has written 5 % of ``most_bytes``; so several together may exceed
    these by 5 % for each, and one alone does not.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder, self._most_bytes = folder, most_bytes
        self._unreadable = self._unwritten = 0
        self._blind_bytes = 0  # written since the folder was looked at
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._remove_left()
            self.bytes = sum(group.bytes for group in self._groups().values())
        except OSError as error:
            raise ServiceError(f"the cache {folder} cannot be used: {error.strerror}; name another folder") from error

    @property
    def broken(self) -> int:
        """Files that could not be read or written."""
        return self._unreadable + self._unwritten

    def get(self, key: str) -> FinishedLoop | None:
        """The loop of ``key``; ``None`` when it is not there or not whole. A broken pair is removed."""
        sound, facts = self._paths(key)
        try:
            known = read_json(facts, _MOST_JSON_BYTES)
            if known["format"] != FORMAT or known["key"] != key:
                raise ValueError("written for another loop")
            with open_regular(sound, _MOST_FLAC_BYTES) as file:
                samples, _ = soundfile.read(file, frames=_MOST_FRAMES, dtype="float32", always_2d=True)
            loop = _loop(known, samples)
            os.utime(sound)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, RuntimeError, OverflowError, AttributeError):
            self._unreadable += 1
            self._remove(key)
            return None
        return loop

    def put(self, key: str, loop: FinishedLoop) -> None:
        """Keep ``loop``, if FLAC can hold its channels and the disk has room; the oldest give way."""
        sound, facts = self._paths(key)
        stems, frames, channels = loop.samples.shape
        if stems * channels > _MOST_CHANNELS or (facts.exists() and sound.exists()):
            return
        peak = max(1.0, float(np.abs(loop.samples).max(initial=0.0)) * (1 + 2**-23))
        flat = loop.samples.transpose(1, 0, 2).reshape(frames, stems * channels) / np.float32(peak)
        mark = f".{os.getpid()}-{secrets.token_hex(4)}"
        try:
            with (self._folder / f"{key}{mark}").open("wb") as file:
                soundfile.write(file, flat, round(loop.delivery.request.sample_rate), format="FLAC", subtype="PCM_24")
            (self._folder / f"{key}{mark}").rename(sound)
            text = json.dumps(
                {"format": FORMAT, "key": key, "scale": peak, **delivery_facts(loop.delivery)}, ensure_ascii=False
            )
            (self._folder / f"{key}{mark}").write_text(text, encoding="utf-8")
            (self._folder / f"{key}{mark}").rename(facts)
            written = sound.stat().st_size + len(text.encode())
            self.bytes += written
            self._blind_bytes += written
        except (OSError, RuntimeError):
            self._unwritten += 1
            with contextlib.suppress(OSError):
                (self._folder / f"{key}{mark}").unlink()
        if self.bytes > self._most_bytes or self._blind_bytes > _BLIND_SHARE * self._most_bytes:
            self._make_room()

    def drop(self, key: str) -> None:
        """Remove the loop of ``key``; in the thread of ``put``."""
        self._unreadable += 1
        self._remove(key)

    def _paths(self, key: str) -> tuple[Path, Path]:
        return self._folder / f"{key}.flac", self._folder / f"{key}.json"

    def _remove(self, key: str) -> None:
        for path in self._paths(key):
            with contextlib.suppress(OSError):
                path.unlink()

    def _groups(self) -> dict[str, _Group]:
        """All of our files, by their loop."""
        groups: dict[str, _Group] = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                name = _NAME.match(entry.name)
                if name is not None and entry.is_file(follow_symlinks=False):
                    with contextlib.suppress(OSError):  # removed meanwhile
                        found = entry.stat(follow_symlinks=False)
                        group = groups.setdefault(name[1], _Group())
                        group.files[name[2]] = Path(entry.path)
                        group.bytes += found.st_size
                        group.used = max(group.used, found.st_mtime)
        return groups

    def _remove_left(self) -> None:
        """Remove what pools that were killed have left, by the time of the folder: a server may have set it."""
        probe = self._folder / f".now-{secrets.token_hex(4)}"
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink()
        for group in self._groups().values():
            whole = group.files.keys() >= {"flac", "json"}
            for ending, path in group.files.items():
                if not (whole and ending in ("flac", "json")) and now - group.used > _LEFT_SECONDS:
                    with contextlib.suppress(OSError):
                        path.unlink()

    def _make_room(self) -> None:
        """Count what is in the folder, and remove the oldest loops where that is too much."""
        groups = sorted(self._groups().values(), key=lambda group: group.used)
        self.bytes, self._blind_bytes = sum(group.bytes for group in groups), 0
        if self.bytes <= self._most_bytes:
            return
        for group in groups:
            if self.bytes <= _ROOM_SHARE * self._most_bytes:
                return
            for path in group.files.values():
                with contextlib.suppress(OSError):
                    path.unlink()
            self.bytes -= group.bytes


@dataclass
class _Group:
    """The files of one loop by their endings, their bytes, and when one of them was last used."""

    files: dict[str, Path] = field(default_factory=dict)
    bytes: int = 0
    used: float = 0.0


def _loop(known: dict[str, object], flat: NDArray[np.float32]) -> FinishedLoop:
    """The loop of a pair of files; ``ValueError``, ``TypeError`` or ``KeyError`` where they are none."""
    delivery = delivery_of(known, len(flat))
    stems, channels = len(delivery.stems), delivery.channels
    scale = number(known["scale"], 1, _MOST_SCALE, "scale")
    if flat.shape[1] != stems * channels or not len(flat):
        raise ValueError("the sound has other channels than it should")
    samples = np.ascontiguousarray(flat.reshape(len(flat), stems, channels).transpose(1, 0, 2)) * np.float32(scale)
    return FinishedLoop(delivery, samples)
