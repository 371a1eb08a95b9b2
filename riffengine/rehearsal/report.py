"""What a rehearsal has to tell, and the ear that listens to its output."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from riffengine.performance.command import Reply
from riffengine.scheduler.actions import Announce

GAP_SECONDS = 0.005  # a longer run of digital silence after the start is a dropout
_LISTEN_FRAMES = 1 << 15  # the output is examined in pieces of this length

Samples = NDArray[np.float32]


@dataclass
class Report:
    """What was heard and what it cost."""

    frames: int = 0
    gaps: int = 0
    longest_gap_seconds: float = 0.0
    peak: float = 0.0
    digest: str = ""
    famines: int = 0
    landing_error_frames_max: int = 0
    late_messages: int = 0
    refused_messages: int = 0
    landings: list[tuple[str, int]] = field(default_factory=list)
    landings_moved: int = 0
    runway_min_s: float = math.inf  # infinite while nothing has sounded
    renders_started: int = 0
    renders_delivered: int = 0
    renders_heard: int = 0
    renders_cancelled: int = 0
    renders_failed: int = 0
    renders_lost: int = 0
    repeated_renders: int = 0  # renders of a loop that was there already, as fine or finer
    crashes: int = 0
    restarts: int = 0  # of a renderer that hung; each is a crash too
    replies: list[Reply] = field(default_factory=list)
    announced: list[Announce] = field(default_factory=list)
    logs: dict[str, int] = field(default_factory=dict)

    @property
    def heard_share(self) -> float:
        """Share of the renders that were begun whose loop was heard."""
        return self.renders_heard / self.renders_started if self.renders_started else 1.0


class OutputAnalyser:
    """Listens to the output: digest, peak, and runs of digital silence where sound was wanted."""

    def __init__(self, sample_rate: int, report: Report) -> None:
        self._sample_rate = sample_rate
        self._report = report
        self._hash = hashlib.blake2b(digest_size=16)
        self._waiting: list[Samples] = []
        self._waiting_frames = 0
        self._silent_frames = 0
        self._wanted = False

    def hear(self, block: Samples) -> None:
        """The next frames of output."""
        self._waiting.append(block)
        self._waiting_frames += len(block)
        if self._waiting_frames >= _LISTEN_FRAMES:
            self.listen()

    def want(self, wanted: bool) -> None:
        """From here on sound is (not) wanted."""
        if wanted != self._wanted:
            self.listen()
            self._wanted = wanted
            self._silent_frames = 0

    def listen(self) -> None:
        """Examine what has been heard so far."""
        if not self._waiting:
            return
        heard = np.concatenate(self._waiting)
        self._waiting, self._waiting_frames = [], 0
        self._hash.update(heard.tobytes())
        level = np.abs(heard).max(axis=1)
        self._report.frames += len(heard)
        self._report.peak = max(self._report.peak, float(level.max()))
        if self._wanted:
            self._count_gaps(level)

    def _count_gaps(self, level: Samples) -> None:
        sounding = np.flatnonzero(level)
        if len(sounding) == 0:
            self._silent_frames += len(level)
            return
        self._close_gap(self._silent_frames + int(sounding[0]))
        limit = GAP_SECONDS * self._sample_rate
        runs = np.diff(sounding) - 1
        for run in runs[runs > limit]:
            self._close_gap(int(run))
        self._silent_frames = len(level) - 1 - int(sounding[-1])

    def _close_gap(self, frames: int) -> None:
        if frames > GAP_SECONDS * self._sample_rate:
            self._report.gaps += 1
            seconds = frames / self._sample_rate
            self._report.longest_gap_seconds = max(self._report.longest_gap_seconds, seconds)

    def finish(self, landings: Sequence[tuple[str, int]]) -> str:
        """The digest of all samples and landings."""
        self.listen()
        if self._wanted:
            self._close_gap(self._silent_frames)
        self._hash.update(repr(list(landings)).encode())
        return self._hash.hexdigest()
