"""Report: the result of a rehearsal; OutputAnalyser: finds gaps, peak and digest of its output."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from riffengine.performance.command import Reply
from riffengine.processes.audio import Samples
from riffengine.scheduler.actions import Announce

GAP_SECONDS = 0.005  # a longer run of digital silence counts as a dropout
_PIECE_FRAMES = 1 << 15  # the output is analysed in pieces of this length


@dataclass
class Report:
    """What was heard, and how many renders, faults and messages there were."""

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
    runway_min_s: float = math.inf  # infinite until something has sounded
    renders_started: int = 0
    renders_delivered: int = 0
    renders_heard: int = 0
    renders_cancelled: int = 0
    renders_failed: int = 0
    renders_lost: int = 0
    repeated_renders: int = 0  # of loops that were in the pool with as many steps or more
    crashes: int = 0
    restarts: int = 0  # of a renderer that hung; each also counts as a crash
    replies: list[Reply] = field(default_factory=list)
    announced: list[Announce] = field(default_factory=list)
    logs: dict[str, int] = field(default_factory=dict)
    walk: list[str] = field(default_factory=list)  # what each loop of a drift with memory was, in their order

    @property
    def heard_share(self) -> float:
        """Share of the started renders whose loop was heard."""
        return self.renders_heard / self.renders_started if self.renders_started else 1.0


class OutputAnalyser:
    """Analyses the output: digest, peak, and runs of digital silence while sound is expected."""

    def __init__(self, sample_rate: int, report: Report) -> None:
        self._sample_rate = sample_rate
        self._report = report
        self._hash = hashlib.blake2b(digest_size=16)
        self._blocks: list[Samples] = []
        self._block_frames = 0
        self._silent_frames = 0
        self._sound_expected = False

    def add(self, block: Samples) -> None:
        """Add the next block of output, ``(frames, channels) float32``."""
        self._blocks.append(block)
        self._block_frames += len(block)
        if self._block_frames >= _PIECE_FRAMES:
            self.analyse()

    def expect_sound(self, expected: bool) -> None:
        """From this frame on sound is expected, or not."""
        if expected != self._sound_expected:
            self.analyse()
            self._sound_expected = expected
            self._silent_frames = 0

    def analyse(self) -> None:
        """Analyse the blocks added since the last call."""
        if not self._blocks:
            return
        output = np.concatenate(self._blocks)
        self._blocks, self._block_frames = [], 0
        self._hash.update(output.tobytes())
        level = np.abs(output).max(axis=1)
        self._report.frames += len(output)
        self._report.peak = max(self._report.peak, float(level.max()))
        if self._sound_expected:
            self._find_gaps(level)

    def _find_gaps(self, level: Samples) -> None:
        sounding = np.flatnonzero(level)
        if len(sounding) == 0:
            self._silent_frames += len(level)
            return
        self._count_gap(self._silent_frames + int(sounding[0]))
        limit = GAP_SECONDS * self._sample_rate
        runs = np.diff(sounding) - 1
        for run in runs[runs > limit]:
            self._count_gap(int(run))
        self._silent_frames = len(level) - 1 - int(sounding[-1])

    def _count_gap(self, frames: int) -> None:
        if frames > GAP_SECONDS * self._sample_rate:
            self._report.gaps += 1
            seconds = frames / self._sample_rate
            self._report.longest_gap_seconds = max(self._report.longest_gap_seconds, seconds)

    def digest(self, landings: Sequence[tuple[str, int]]) -> str:
        """Finish, and return the digest of all samples and ``landings``."""
        self.analyse()
        if self._sound_expected:
            self._count_gap(self._silent_frames)
        self._hash.update(repr(list(landings)).encode())
        return self._hash.hexdigest()
