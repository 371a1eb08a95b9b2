"""FrameClock: the host time at which a frame is heard, by a line through the player's reports, free of their jitter."""

from __future__ import annotations

from riffengine.transport.sync.regression import LinearFit

_WINDOW = 240  # reports; 8 s at 30 a second
_TRUSTED = 60  # for the first 2 s the device's nominal rate is used
_STRAY_NS = 5_000_000.0  # a report that is further off than this is ignored …
_STRAYS = 4  # … unless this many follow each other: then the device has lost or inserted time


class FrameClock:
    """Host time of frames, from ``(frame, host_ns)`` marks: at ``host_ns`` the block that ends before ``frame`` was
    ready.

    ``delay_seconds`` is the time from handing a frame over until it is heard. One thread.
    """

    def __init__(self, sample_rate: int, delay_seconds: float = 0.0) -> None:
        self.delay_seconds = delay_seconds
        self._period_ns = 1e9 / sample_rate
        self._line = LinearFit(_WINDOW, _TRUSTED, self._period_ns)
        self._last_frame = -1
        self._strays = 0

    @property
    def known(self) -> bool:
        """Whether there was any report."""
        return self._line.known

    def mark(self, frame: int, host_ns: int) -> None:
        """Add a report; one that repeats the last frame is ignored."""
        if frame <= self._last_frame:
            return
        self._last_frame = frame
        if self._line.known and abs(host_ns - self._line.y_at(frame)) > _STRAY_NS:
            self._strays += 1
            if self._strays < _STRAYS:
                return
            self._line = LinearFit(_WINDOW, _TRUSTED, self._period_ns)
        self._strays = 0
        self._line.add(frame, host_ns)
        self._line.fit()

    def pull_ns(self, frame: int, block_frames: int) -> int:
        """The host time at which the block that begins with ``frame`` is pulled: one block after that before it."""
        return round(self._line.y_at(frame) + block_frames * self._period_ns)

    def heard_ns(self, frame: float) -> int:
        """The host time at which ``frame`` is heard."""
        return round(self._line.y_at(frame) + self.delay_seconds * 1e9)

    def frame_heard_at(self, host_ns: int) -> float:
        """The frame that is heard at ``host_ns``."""
        return self._line.x_at(host_ns - self.delay_seconds * 1e9)
