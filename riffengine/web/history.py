"""History: the last minutes of the output in the web server's memory, to be downloaded by bars."""

from __future__ import annotations

import asyncio
import io
import math
import re
from dataclasses import dataclass

import numpy as np
import soundfile

from riffengine.errors import ControlError
from riffengine.processes.audio import Block
from riffengine.processes.audio_tap import AudioTap
from riffengine.transport.beat_grid import BEATS_PER_BAR, BeatGrid

KEPT_SECONDS = 150.0  # 53 MB in stereo at 44.1 kHz
_POLL_SECONDS = 0.5  # the tap holds 5 s
_MOST_FRAMES = 1 << 18
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Excerpt:
    """Whole bars: ``samples`` ``(frames, channels) float32`` from output frame ``frame`` on."""

    frame: int
    samples: Block


class History:
    """Follows the tap. ``excerpt`` belongs to the server's event loop, as ``run`` does.

    All of its memory is taken at the start, so that none is missing in the middle of a set.
    """

    def __init__(self, tap: AudioTap, seconds: float = KEPT_SECONDS) -> None:
        self._tap = tap
        self._size = round(seconds * tap.sample_rate)
        self._ring: Block = np.full((self._size, tap.channels), 0.0, np.float32)  # written, not only reserved
        self._frame = tap.end  # the next one to read
        self._begin = self._frame  # of the unbroken output in the ring

    async def run(self) -> None:
        """Keep what is played, for ever."""
        while True:
            self.take()
            await asyncio.sleep(_POLL_SECONDS)

    def take(self) -> None:
        """Keep what was played since the last call."""
        tapped = self._tap.read(self._frame, _MOST_FRAMES)
        if tapped.frame != self._frame:
            self._begin = tapped.frame  # what is older does not belong to the same time
        self._frame = tapped.frame + len(tapped.samples)
        newest = tapped.samples[-self._size :]
        for piece in self._pieces(self._frame - len(newest), self._frame):
            piece[:], newest = newest[: len(piece)], newest[len(piece) :]

    def excerpt(self, bars: int, grid: BeatGrid) -> Excerpt:
        """The last ``bars`` whole bars; ``ControlError`` where so many were not played yet, or are not kept."""
        self.take()
        last_bar = math.floor(grid.beat_at(self._frame) / BEATS_PER_BAR)
        first, end = (grid.frame_at(BEATS_PER_BAR * bar) for bar in (last_bar - bars, last_bar))
        kept = max(self._begin, self._frame - self._size)
        if first < kept:
            seconds = max(0, end - kept) / self._tap.sample_rate
            raise ControlError(
                f"the last {bars} bars are not kept; there are {seconds:.0f} s of the music: ask for less"
            )
        return Excerpt(first, np.concatenate(self._pieces(first, end)))

    def _pieces(self, first: int, end: int) -> tuple[Block, Block]:
        """Where the frames from ``first`` to before ``end`` are in the ring; the second piece may be empty."""
        at, count = first % self._size, end - first
        return self._ring[at : at + count], self._ring[: max(0, at + count - self._size)]


def flac_file(samples: Block, sample_rate: int) -> bytes:
    """A FLAC file of 24 bit. Takes up to a second: not on the event loop."""
    file = io.BytesIO()
    soundfile.write(file, samples, sample_rate, format="FLAC", subtype="PCM_24")
    return file.getvalue()


def file_name(prompt: str, bars: int, bpm: float) -> str:
    """What a download is called: letters and digits of the prompt, bars and tempo."""
    words = re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")[:_LONGEST_NAME].strip("-") or "riffengine"
    return f"{words}-{bars}-bars-{bpm:g}-bpm.flac"
