"""Recorder: what is handed to the output, onto disk by threads of its own. If a disk fails, the sound goes on.

The audio thread gives every block once (``put``). It is copied into the reel, the last minutes in memory, and while a
recording runs into a queue from which the recorder's thread writes. Saving the reel is another thread's work, so that
neither a slow save nor a full disk holds up a recording.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riffengine.errors import AudioFileError
from riffengine.output.recording_file import FORMATS, RecordingFile
from riffengine.output.rolling_buffer import RollingBuffer
from riffengine.processes.player_messages import Recorded, SaveLast, StartRecording

__all__ = ["FORMATS", "Recorder"]

_LONGEST_QUEUE = 4096  # blocks: 48 s at 512 frames and 44.1 kHz, 16 MB
_YIELD_SECONDS = 0.002  # between two pieces of a save: it runs at the audio thread's priority and must let it in

Samples = NDArray[np.float32]
_Order = tuple[int, Samples] | tuple[int, StartRecording | RecordingFile] | str


class Recorder:
    """Records, keeps the last ``keep_seconds`` in memory, and saves them when asked.

    ``put`` belongs to the audio thread; everything else to the player's control thread, and none of it waits for the
    disk but ``first`` and ``close``. ``news`` tells what became of it, failures included.
    """

    def __init__(self, sample_rate: int, channels: int, keep_seconds: float = 0.0) -> None:
        self._rate, self._channels = sample_rate, channels
        self._reel = RollingBuffer(keep_seconds, sample_rate, channels)
        self._news: deque[Recorded] = deque()
        self._frame = self._first_frame = 0  # of the output
        # The number of the recording that is wanted (0: none), and those that ended by themselves: one writer each.
        self._wanted = self._started = 0
        self._failed = self._overrun = 0
        self._writing = 0
        self._queue: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._saver: threading.Thread | None = None
        self._take: RecordingFile | None = None
        self._told_frame = 0
        self._thread.start()

    @property
    def recording(self) -> bool:
        """Whether blocks are being written, as far as is known."""
        return self._wanted not in (0, self._failed, self._overrun)

    def begin_at(self, frame: int) -> None:
        """The first block that is put is ``frame`` of the output. Before the first ``put``, in the audio thread."""
        self._first_frame = self._frame = frame

    def put(self, block: Samples) -> None:
        """Take a copy of ``block`` ``(frames, channels) float32``; never waits."""
        self._reel.put(block)
        if self.recording:
            if self._queue.qsize() < _LONGEST_QUEUE:
                self._queue.put((self._frame, block.copy()))
            else:
                self._overrun = self._wanted
                self._queue.put("the disk is slower than the music")
        self._frame += len(block)

    def first(self, request: StartRecording) -> Path:
        """Begin a recording before the first block, at once: ``AudioFileError`` when it cannot be; else where to."""
        take = self._new_take(request)
        self._begin(take)
        return take.path

    def start(self, request: StartRecording) -> None:
        """Record from the next block on; an unfinished recording is finished first."""
        self._begin(request)

    def stop(self) -> None:
        """Finish the recording."""
        self._wanted = 0
        self._queue.put("")

    def save_last(self, request: SaveLast) -> None:
        """Write the newest seconds to a file, in a thread of its own; one at a time."""
        if self._saver is not None and self._saver.is_alive():
            self._news.append(Recorded("saved", request.path, 0, 0, "the last save is still being written; try again"))
            return
        pieces, put_before = self._reel.last(request.seconds)
        self._saver = threading.Thread(
            target=self._save, args=(request, pieces, self._first_frame + put_before), name="save-last", daemon=True
        )
        self._saver.start()

    def news(self) -> Iterable[Recorded]:
        """What happened since the last call."""
        while self._news:
            yield self._news.popleft()

    def close(self, timeout_seconds: float = 10.0) -> None:
        """Write what is queued and finish every file."""
        self._wanted = 0
        self._queue.put(None)
        self._thread.join(timeout_seconds)
        if self._thread.is_alive() and self._take is not None:
            path = self._take.path
            problem = f"recording to {path} was not finished: the disk did not take it in {timeout_seconds} s"
            self._news.append(Recorded("ended", str(path), self._told_frame, self._take.frames, problem))
        if self._saver is not None:
            self._saver.join(timeout_seconds)

    def _begin(self, what: RecordingFile | StartRecording) -> None:
        self._started += 1
        self._queue.put((self._started, what))
        self._wanted = self._started

    # --- the recorder's thread --------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (order := self._queue.get()) is not None:
            match order:
                case (int(frame), np.ndarray() as block):
                    self._write(frame, block)
                case (int(number), RecordingFile() | StartRecording() as what):
                    self._end()
                    self._writing = number
                    self._open(what)
                case str():
                    self._end(order and f"recording ended: {order}")
        self._end()

    def _open(self, what: RecordingFile | StartRecording) -> None:
        if isinstance(what, RecordingFile):
            self._take = what
            return
        try:
            self._take = self._new_take(what)
        except AudioFileError as error:
            self._failed = self._writing
            self._news.append(Recorded("ended", what.path, self._frame, 0, str(error)))

    def _write(self, frame: int, block: Samples) -> None:
        take = self._take
        if take is None:
            return
        began = take.frames == 0
        try:
            part = take.write(block)
        except AudioFileError as error:
            self._failed = self._writing
            self._end(str(error))
            return
        self._told_frame = frame + len(block)
        if began or part:
            self._news.append(Recorded("began" if began else "part", str(take.parts[-1].path), frame))

    def _end(self, problem: str = "") -> None:
        take, self._take = self._take, None
        if take is None:
            return
        unfinished = take.close()
        problem = problem or unfinished
        if take.frames or problem:
            self._news.append(Recorded("ended", str(take.path), self._told_frame, take.frames, problem))

    def _new_take(self, request: StartRecording) -> RecordingFile:
        part_frames = round(request.part_seconds * self._rate) or None
        return RecordingFile(Path(request.path), self._rate, self._channels, part_frames)

    # --- a thread for each save ---------------------------------------------------------------------------------------

    def _save(self, request: SaveLast, pieces: list[Samples], first: int) -> None:
        problem = ""
        try:
            take = RecordingFile(Path(request.path), self._rate, self._channels)
        except AudioFileError as error:
            self._news.append(Recorded("saved", request.path, first, 0, str(error)))
            return
        try:
            for piece in pieces:
                take.write(piece)
                time.sleep(_YIELD_SECONDS)
        except AudioFileError as error:
            problem = str(error)
        unfinished = take.close()
        problem = problem or unfinished
        if not take.frames:
            problem = problem or "there is nothing to save yet; record: keep: in the preset says how much is kept"
        self._news.append(Recorded("saved", str(take.path), first, take.frames, problem))
