"""Recorder: writes what is played to disk, in threads of its own. If a disk fails, the sound continues.

The audio thread gives every block once (``put``). It is copied into a rolling buffer, the last minutes in memory, and
while a recording runs into a queue from which the recorder's thread writes. Another thread saves the rolling buffer,
so neither a slow save nor a full disk delays a recording.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from riffengine.errors import AudioFileError
from riffengine.output.recording_file import RecordingFile
from riffengine.output.rolling_buffer import RollingBuffer
from riffengine.processes.audio import Block
from riffengine.processes.player_messages import Recorded, SaveLast, StartRecording

FINISH_SECONDS = 12.0
"""A slow disk may take this long to write the rest of a recording."""

_LONGEST_QUEUE = 4096  # blocks: 48 s at 512 frames and 44.1 kHz, 16 MB
_YIELD_SECONDS = 0.002  # between two pieces of a save: it has the audio thread's priority and must yield to it

_QueueItem = tuple[int, Block] | tuple[int, StartRecording | RecordingFile] | str


class Recorder:
    """Records, keeps the last ``keep_seconds`` in memory, and saves them when asked.

    ``put`` belongs to the audio thread, all else to the player's control thread; only ``first`` and ``close`` wait for
    the disk. ``reports`` returns the results, failures included.
    """

    def __init__(self, sample_rate: int, channels: int, keep_seconds: float = 0.0) -> None:
        self._rate, self._channels = sample_rate, channels
        self._buffer = RollingBuffer(keep_seconds, sample_rate, channels)
        self._reports: deque[Recorded] = deque()
        self._frame = self._first_frame = 0  # of the output
        # Numbers of recordings: the wanted one (0: none), and those that ended early. Each has one writing thread.
        self._wanted = self._started = 0
        self._failed = self._overrun = 0
        self._writing = 0
        self._queue: queue.SimpleQueue[_QueueItem | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._saver: threading.Thread | None = None
        self._file: RecordingFile | None = None
        self._written_frame = 0
        self._thread.start()

    @property
    def recording(self) -> bool:
        """Whether blocks are being written, as far as is known yet."""
        return self._wanted not in (0, self._failed, self._overrun)

    def begin_at(self, frame: int) -> None:
        """Count output frames from ``frame`` on. Call it before the first ``put``, in the audio thread."""
        self._first_frame = self._frame = frame

    def put(self, block: Block) -> None:
        """Take a copy of ``block`` ``(frames, channels) float32``; never waits."""
        self._buffer.put(block)
        if self.recording:
            if self._queue.qsize() < _LONGEST_QUEUE:
                self._queue.put((self._frame, block.copy()))
            else:
                self._overrun = self._wanted
                self._queue.put("the disk is slower than the music")
        self._frame += len(block)

    def first(self, request: StartRecording) -> Path:
        """Begin a recording before the first block; returns its path, or raises ``AudioFileError``."""
        file = self._new_file(request)
        self._begin(file)
        return file.path

    def start(self, request: StartRecording) -> None:
        """Record from the next block on; a recording that runs is finished first."""
        self._begin(request)

    def stop(self) -> None:
        """Finish the recording."""
        self._wanted = 0
        self._queue.put("")

    def save_last(self, request: SaveLast) -> None:
        """Write the newest seconds to a file, in a thread of its own; one save at a time."""
        if self._saver is not None and self._saver.is_alive():
            problem = "the last save is still being written; try again when it is done"
            self._reports.append(Recorded("refused", request.path, 0, 0, problem))
            return
        pieces, put_before = self._buffer.last(request.seconds)
        self._saver = threading.Thread(
            target=self._save, args=(request, pieces, self._first_frame + put_before), name="save-last", daemon=True
        )
        self._saver.start()

    def reports(self) -> Iterable[Recorded]:
        """What happened since the last call."""
        while self._reports:
            yield self._reports.popleft()

    def close(self, timeout_seconds: float = 10.0) -> None:
        """Write what is queued and finish every file."""
        self._wanted = 0
        self._queue.put(None)
        self._thread.join(timeout_seconds)
        if self._thread.is_alive() and self._file is not None:
            path = self._file.path
            problem = f"recording to {path} was not finished: the disk was too slow for {timeout_seconds} s"
            self._reports.append(Recorded("ended", str(path), self._written_frame, self._file.frames, problem))
        if self._saver is not None:
            self._saver.join(timeout_seconds)

    def _begin(self, recording: RecordingFile | StartRecording) -> None:
        self._started += 1
        self._queue.put((self._started, recording))
        self._wanted = self._started

    # --- the recorder's thread --------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            match item:
                case (int(frame), np.ndarray() as block):
                    self._write(frame, block)
                case (int(number), RecordingFile() | StartRecording() as recording):
                    self._end()
                    self._writing = number
                    self._open(recording)
                case str():
                    self._end(item and f"recording ended: {item}")
        self._end()

    def _open(self, recording: RecordingFile | StartRecording) -> None:
        if isinstance(recording, RecordingFile):
            self._file = recording
            return
        try:
            self._file = self._new_file(recording)
        except AudioFileError as error:
            self._failed = self._writing
            self._reports.append(Recorded("ended", recording.path, self._frame, 0, str(error)))

    def _write(self, frame: int, block: Block) -> None:
        file = self._file
        if file is None:
            return
        began = file.frames == 0
        try:
            part = file.write(block)
        except AudioFileError as error:
            self._failed = self._writing
            self._end(str(error))
            return
        self._written_frame = frame + len(block)
        if began or part:
            self._reports.append(Recorded("began" if began else "part", str(file.parts[-1].path), frame))

    def _end(self, problem: str = "") -> None:
        file, self._file = self._file, None
        if file is None:
            return
        unfinished = file.close()
        problem = problem or unfinished
        if file.frames or problem:
            self._reports.append(Recorded("ended", str(file.path), self._written_frame, file.frames, problem))

    def _new_file(self, request: StartRecording) -> RecordingFile:
        part_frames = round(request.part_seconds * self._rate) or None
        return RecordingFile(Path(request.path), self._rate, self._channels, part_frames)

    # --- a thread for each save ---------------------------------------------------------------------------------------

    def _save(self, request: SaveLast, pieces: list[Block], first: int) -> None:
        problem = ""
        try:
            file = RecordingFile(Path(request.path), self._rate, self._channels)
        except AudioFileError as error:
            self._reports.append(Recorded("saved", request.path, first, 0, str(error)))
            return
        try:
            for piece in pieces:
                file.write(piece)
                time.sleep(_YIELD_SECONDS)
        except AudioFileError as error:
            problem = str(error)
        unfinished = file.close()
        problem = problem or unfinished
        if not file.frames and not problem:
            problem = "there is nothing to save yet; record: keep_minutes: in the preset sets how much is kept"
            self._reports.append(Recorded("refused", request.path, first, 0, problem))
            return
        self._reports.append(Recorded("saved", str(file.path), first, file.frames, problem))
