"""Recorder: what is handed to the output, written to a file by a thread of its own. If it fails, the sound goes on."""

from __future__ import annotations

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
    ``failure`` says why. A .wav longer than 3.9 GB goes on in ``name-2.wav``.
    """

    def __init__(self, path: Path, sample_rate: int, channels: int) -> None:
        if path.suffix.lower() not in FORMATS:
            raise AudioFileError(f"cannot record {path.name!r}: the name must end in {' or '.join(FORMATS)}")
        self.path = path
        self.failure: str | None = None
        self._rate = sample_rate
        self._channels = channels
        self._part = 1
        self._frames_in_part = 0
        self._unflushed = 0
        self._file: Any = self._open(path)
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

    def _open(self, path: Path) -> Any:
        import soundfile

        kind, subtype = FORMATS[self.path.suffix.lower()]
        try:
            return soundfile.SoundFile(
                path, "w", samplerate=self._rate, channels=self._channels, format=kind, subtype=subtype
            )
        except (soundfile.LibsndfileError, OSError) as error:
            raise AudioFileError(
                f"cannot record to {path}: {error}; choose a folder that exists and can be written"
            ) from error

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

    def _write(self, block: NDArray[np.float32]) -> None:
        if self.path.suffix.lower() == ".wav" and self._frames_in_part * self._channels * 4 > _WAV_BYTES:
            self._file.close()
            self._part += 1
            self._frames_in_part = 0
            self._file = self._open(self.path.with_name(f"{self.path.stem}-{self._part}{self.path.suffix}"))
        self._file.write(block)
        self._frames_in_part += len(block)
        self._unflushed += len(block)
        if self._unflushed >= _FLUSH_SECONDS * self._rate:
            self._file.flush()
            self._unflushed = 0
