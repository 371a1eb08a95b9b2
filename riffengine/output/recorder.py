"""Recorder: what is handed to the output, written to a file by a thread of its own. If it fails, the sound goes on."""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riffengine.errors import AudioFileError

FORMATS = {".wav": ("WAV", "FLOAT"), ".flac": ("FLAC", "PCM_24")}
"""Endings and what they mean: float32 samples exactly as played, or 24 bit without loss."""

_FLUSH_SECONDS = 1.0  # what a crash may cost
_WAV_BYTES = 3_900_000_000  # a WAV header counts to 4 GiB; RF64 would be unreadable after a crash (facts, section 8)
_LONGEST_QUEUE = 4096  # blocks: 48 s at 512 frames and 44.1 kHz, 16 MB


class Recorder:
    """Writes ``(frames, channels) float32`` blocks in the order they come.

    ``put`` belongs to the audio thread: it copies and returns. A disk that is full or too slow ends the recording, and
    ``failure`` says why. A .wav longer than 3.9 GB goes on in ``name-2.wav``. No file is ever overwritten: ``path`` is
    the file that is written, ``name-2`` and so on where ``name`` is taken. Without one block no file is left.
    """

    def __init__(self, path: Path, sample_rate: int, channels: int) -> None:
        if path.suffix.lower() not in FORMATS:
            raise AudioFileError(f"cannot record {path.name!r}: the name must end in {' or '.join(FORMATS)}")
        self._asked = path
        self.failure: str | None = None
        self._rate = sample_rate
        self._channels = channels
        self._frames_in_part = 0
        self._unflushed = 0
        self._empty = True
        self.path = self._unused_path()
        self._file: Any = self._open(self.path)
        self._queue: queue.SimpleQueue[NDArray[np.float32] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def put(self, block: NDArray[np.float32]) -> None:
        """Queue a copy of ``block``; never waits."""
        if self.failure is not None:
            return
        if self._queue.qsize() >= _LONGEST_QUEUE:
            self.failure = f"recording to {self.path} ended: the disk is slower than the music"
            return
        self._queue.put(block.copy())

    def close(self, timeout_seconds: float = 10.0) -> None:
        """Write what is queued and finish the file."""
        self._queue.put(None)
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            self.failure = f"recording to {self.path} was not finished: the disk did not take it in {timeout_seconds} s"

    def _unused_path(self) -> Path:
        """The asked path, or it with the least number that is free, made at once so that nobody else can take it."""
        asked = self._asked
        for number in itertools.count(1):
            path = asked if number == 1 else asked.with_name(f"{asked.stem}-{number}{asked.suffix}")
            if path.exists() and not path.is_file():  # a pipe or a device: nothing to lose there
                return path
            try:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            except FileExistsError:
                continue
            except OSError as error:
                raise self._unwritable(path, error) from error
            return path
        raise AssertionError("itertools.count ended")

    def _unwritable(self, path: Path, error: Exception) -> AudioFileError:
        return AudioFileError(f"cannot record to {path}: {error}; choose a folder that exists and can be written")

    def _open(self, path: Path) -> Any:
        import soundfile

        kind, subtype = FORMATS[self._asked.suffix.lower()]
        try:
            return soundfile.SoundFile(
                path, "w", samplerate=self._rate, channels=self._channels, format=kind, subtype=subtype
            )
        except (soundfile.LibsndfileError, OSError) as error:
            raise self._unwritable(path, error) from error

    def _run(self) -> None:
        import soundfile

        while (block := self._queue.get()) is not None:
            if self.failure is not None:
                continue
            try:
                self._write(block)
            except (soundfile.LibsndfileError, AudioFileError, OSError) as error:
                self.failure = f"recording to {self.path} ended: {error}"
        try:
            self._file.close()
        except (soundfile.LibsndfileError, OSError) as error:
            self.failure = self.failure or f"recording to {self.path} was not finished: {error}"
        if self._empty and self.path.is_file():
            with contextlib.suppress(OSError):
                self.path.unlink()

    def _write(self, block: NDArray[np.float32]) -> None:
        if self._asked.suffix.lower() == ".wav" and self._frames_in_part * self._channels * 4 > _WAV_BYTES:
            self._file.close()
            self._frames_in_part = 0
            self._file = self._open(self._unused_path())
        self._empty = False
        self._file.write(block)
        self._frames_in_part += len(block)
        self._unflushed += len(block)
        if self._unflushed >= _FLUSH_SECONDS * self._rate:
            self._file.flush()
            self._unflushed = 0
