"""DiskCache: finished loops in a folder, each as FLAC of 24 bits and a JSON file beside it, bounded in bytes.

Several pools may share a folder: a file is written under another name and then renamed, and a reader that finds half a
pair takes it as missing. A loop that comes back differs from the rendered one by at most half a step of 24 bits
(6e-8 of full scale); what lies above full scale is scaled down in the file and up again.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from riffengine.errors import ServiceError
from riffengine.files.regular import open_regular, read_regular
from riffengine.pool.content_key import FORMAT
from riffengine.pool.delivery_facts import delivery_facts, delivery_of
from riffengine.pool.finished_loop import FinishedLoop

_MOST_CHANNELS = 8  # of FLAC: stems times channels
_MOST_JSON_BYTES = 1 << 20
_MOST_FLAC_BYTES = 64 << 20
_ROOM_SHARE = 0.9  # of the bound, that is left after old loops were removed


class DiskCache:
    """The loops of ``folder``, at most ``most_bytes`` of files. It reads and writes files: a thread of its own."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder, self._most_bytes = folder, most_bytes
        self.broken = 0  # files that could not be read or written
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.bytes = sum(size for _, size, _ in self._files())
        except OSError as error:
            raise ServiceError(f"the cache {folder} cannot be used: {error.strerror}; name another folder") from error

    def get(self, key: str) -> FinishedLoop | None:
        """The loop of ``key``; ``None`` when it is not there or not whole. A broken pair is removed."""
        sound, facts = self._paths(key)
        try:
            known = json.loads(read_regular(facts, _MOST_JSON_BYTES))
            if known["format"] != FORMAT or known["key"] != key:
                raise ValueError("written for another loop")
            with open_regular(sound, _MOST_FLAC_BYTES) as file:
                samples, _ = soundfile.read(file, dtype="float32", always_2d=True)
            loop = _loop(known, samples)
            os.utime(sound)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, RuntimeError):  # RuntimeError: of soundfile
            self.broken += 1
            self._remove(key)
            return None
        return loop

    def put(self, key: str, loop: FinishedLoop) -> None:
        """Keep ``loop``, if FLAC can hold its channels and the disk has room; the oldest give way."""
        sound, facts = self._paths(key)
        stems, frames, channels = loop.samples.shape
        if stems * channels > _MOST_CHANNELS or facts.exists():
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
            self.bytes += sound.stat().st_size + len(text.encode())
        except (OSError, RuntimeError):
            self.broken += 1
            with contextlib.suppress(OSError):
                (self._folder / f"{key}{mark}").unlink()
        if self.bytes > self._most_bytes:
            self._make_room()

    def _paths(self, key: str) -> tuple[Path, Path]:
        return self._folder / f"{key}.flac", self._folder / f"{key}.json"

    def _remove(self, key: str) -> None:
        for path in self._paths(key):
            with contextlib.suppress(OSError):
                path.unlink()

    def _files(self) -> list[tuple[float, int, str]]:
        """Of every loop: when it was last used, its bytes, its key."""
        found = []
        for sound in self._folder.glob("*.flac"):
            with contextlib.suppress(OSError):
                facts, known = sound.with_suffix(".json"), sound.stat()
                size = known.st_size + (facts.stat().st_size if facts.exists() else 0)
                found.append((known.st_mtime, size, sound.stem))
        return sorted(found)

    def _make_room(self) -> None:
        files = self._files()
        self.bytes = sum(size for _, size, _ in files)
        for _, size, key in files:
            if self.bytes <= _ROOM_SHARE * self._most_bytes:
                return
            self._remove(key)
            self.bytes -= size


def _loop(known: dict[str, object], flat: NDArray[np.float32]) -> FinishedLoop:
    """The loop of a pair of files; ``ValueError``, ``TypeError`` or ``KeyError`` where they are none."""
    delivery = delivery_of(known, len(flat))
    stems, channels, scale = len(delivery.stems), delivery.channels, float(str(known["scale"]))
    if flat.shape[1] != stems * channels or not len(flat):
        raise ValueError("the sound has other channels than it should")
    samples = np.ascontiguousarray(flat.reshape(len(flat), stems, channels).transpose(1, 0, 2)) * np.float32(scale)
    return FinishedLoop(delivery, samples)
