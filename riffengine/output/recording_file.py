"""RecordingFile: one recording on disk, in one file or in several parts, written block by block."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from riffengine.errors import AudioFileError, reason
from riffengine.files.regular import exists, is_file
from riffengine.output.flac_repair import lock_recording, remove_empty_recording, repair_flac
from riffengine.processes.audio import Block

FORMATS = {".wav": ("WAV", "FLOAT"), ".flac": ("FLAC", "PCM_24")}
"""File endings with format and subtype: float32 samples exactly as played, or 24 bit, losslessly compressed."""

LONGEST_WAV_BYTES = 3_900_000_000
"""A WAV header counts to 4 GiB. RF64 counts further, but would be unreadable after a crash."""

_FLUSH_SECONDS = 1.0  # the most that is lost in a crash
_FLOAT_BYTES = 4
LEAST_FREE_BYTES = 64_000_000  # a recording does not begin with less: two minutes at most
STOP_FREE_BYTES = 16_000_000  # one that runs ends here, while there is still room to finish it and for everything else
_FULL_BYTES = 1_000_000  # three seconds; a file system keeps some blocks to itself


@dataclass(frozen=True)
class RecordingPart:
    """One file of a recording, and the number of the recording's frames in the files before it."""

    path: Path
    offset: int


class RecordingFile:
    """Writes ``(frames, channels) float32`` blocks in their order. One thread only; every call may wait for the disk.

    A part ends after ``part_frames`` (``None``: never), and a .wav before 3.9 GB; the next one is called ``name-2`` and
    so on. No file is ever overwritten: where ``name`` exists, the lowest free number is added, and a .flac of that name
    whose recorder was killed is made readable. A name whose file holds no sound is taken again. If no block was
    written, no file is left. ``AudioFileError`` from constructor and ``write`` when the disk does not take the data.
    """

    def __init__(self, path: Path, sample_rate: int, channels: int, part_frames: int | None = None) -> None:
        if path.suffix.lower() not in FORMATS:
            raise AudioFileError(f"cannot record {path.name!r}: the name must end in {' or '.join(FORMATS)}")
        import soundfile  # noqa: F401 (takes long: a file that is created gets its header at once)

        self._asked = path
        self._rate, self._channels = sample_rate, channels
        longest = LONGEST_WAV_BYTES // (channels * _FLOAT_BYTES) if path.suffix.lower() == ".wav" else None
        self._part_frames = min((n for n in (part_frames, longest) if n is not None), default=None)
        self._frames_in_part = 0
        self._unflushed = 0
        self._check_room(LEAST_FREE_BYTES, "cannot record to")
        self.frames = 0
        self.parts = [RecordingPart(self._unused_path(), 0)]
        self._lock = lock_recording(self.parts[0].path)
        self._file: Any = self._open(self.parts[0].path)  # locked before: a header alone is taken for a dead recorder's

    @property
    def path(self) -> Path:
        """The first file."""
        return self.parts[0].path

    def write(self, block: Block) -> bool:
        """Append ``block``; true when it began a new part."""
        import soundfile

        try:
            begun = self._part_frames is not None and self._frames_in_part + len(block) > self._part_frames > 0
            if begun := begun and self._frames_in_part > 0:
                self._file.close()
                self.parts.append(RecordingPart(self._unused_path(), self.frames))
                self._unlock()
                self._lock = lock_recording(self.parts[-1].path)
                self._file = self._open(self.parts[-1].path)
                self._frames_in_part = 0
            self._file.write(block)
            self._frames_in_part += len(block)
            self.frames += len(block)
            self._unflushed += len(block)
            if self._unflushed >= _FLUSH_SECONDS * self._rate:
                self._file.flush()
                self._unflushed = 0
                self._check_room(STOP_FREE_BYTES, "the recording ends at")
        # AssertionError: soundfile's own, raised where the library wrote less than it was given without an error
        except (soundfile.LibsndfileError, OSError, AssertionError) as error:
            raise AudioFileError(f"recording to {self.parts[-1].path} ended: {self._reason(error)}") from error
        return begun

    def _check_room(self, least_bytes: int, what: str) -> None:
        """``AudioFileError`` where the disk has less left: so a recording ends whole, and not within a frame."""
        folder = self._asked.parent
        try:
            free = shutil.disk_usage(folder).free
        except OSError:  # opening the file says why
            return
        if free < least_bytes:
            raise AudioFileError(
                f"{what} {self._asked}: {folder} has {free // 1_000_000} MB left, and {least_bytes // 1_000_000} MB "
                "are needed; make room there or record elsewhere"
            )

    def close(self) -> str:
        """Finish the file; returns why it could not be finished, or ``""``."""
        import soundfile

        problem = ""
        try:
            self._file.close()
        except (soundfile.LibsndfileError, OSError) as error:
            problem = f"recording to {self.parts[-1].path} was not finished: {self._reason(error)}"
        self._unlock()
        if not self.frames and self.path.is_file():
            with contextlib.suppress(OSError):
                self.path.unlink()
        return problem

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _unused_path(self) -> Path:
        """The asked path, or with the lowest free number; created at once so that no other process can take it."""
        asked = self._asked
        for number in itertools.count(1):
            path = asked if number == 1 else asked.with_name(f"{asked.stem}-{number}{asked.suffix}")
            if exists(path) and not is_file(path):  # a pipe or a device: nothing to lose there
                return path
            remove_empty_recording(path)
            try:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            except FileExistsError:
                if path.suffix.lower() == ".flac":  # perhaps of a recorder that was killed
                    with contextlib.suppress(AudioFileError):
                        repair_flac(path)
                continue
            except OSError as error:
                raise self._unwritable(path, error) from error
            return path
        raise AssertionError("itertools.count ended")

    def _unwritable(self, path: Path, error: Exception) -> AudioFileError:
        return AudioFileError(
            f"cannot record to {path}: {reason(error)}; choose a folder that exists and can be written"
        )

    def _open(self, path: Path) -> Any:
        import soundfile

        kind, subtype = FORMATS[self._asked.suffix.lower()]
        try:
            return soundfile.SoundFile(
                path, "w", samplerate=self._rate, channels=self._channels, format=kind, subtype=subtype
            )
        except (soundfile.LibsndfileError, OSError) as error:
            self._unlock()
            raise self._unwritable(path, error) from error

    def _reason(self, error: BaseException) -> str:
        folder = self.parts[-1].path.parent
        try:
            free = shutil.disk_usage(folder).free
        except OSError:  # the disk was removed
            return f"{folder} cannot be reached any more; record elsewhere"
        return write_error_text(str(error), folder, free)


def write_error_text(error: str, folder: Path, free_bytes: int) -> str:
    """Why the disk took no more data, and what to do; ``error`` is the library's message, which may be empty."""
    if free_bytes < _FULL_BYTES:
        return f"the disk is full ({folder} has {free_bytes // 1000} kB left); make room there or record elsewhere"
    return error or "the disk accepted only part of the data; is there a limit on file size or a quota?"
