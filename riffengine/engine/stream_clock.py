"""StreamClock: which frame a message can still reach, and when a frame is heard, by the player's last report."""

from __future__ import annotations

from dataclasses import replace

from riffengine.clock import Clock
from riffengine.playback.mixer import MIX_AHEAD_FRAMES
from riffengine.processes.player_messages import PlayerReady, Status


class StreamClock:
    """Frames against the monotonic clock. Belongs to the engine's thread; nothing is known before the first report."""

    def __init__(self, sample_rate: int, block_frames: int, clock: Clock) -> None:
        self.anchor: Status | None = None
        self._rate, self._block_frames, self._clock = sample_rate, block_frames, clock
        self._device_ns = 0  # from a block being handed over to its first frame being heard
        self._latest_frame = 0
        self._counted = (0, 0, 0)  # underruns, late messages and gaps of players that have ended

    @property
    def underruns(self) -> int:
        """Blocks that the device had to do without, so far."""
        return self.anchor.underruns if self.anchor else 0

    @property
    def plugin_gaps(self) -> int:
        """Times that plugins answered too late, so far."""
        return self.anchor.plugin_gaps if self.anchor else 0

    @property
    def load(self) -> float:
        """Share of the block period that the last blocks took to compute."""
        return self.anchor.load if self.anchor else 0.0

    def ready(self, message: PlayerReady) -> None:
        """The output runs; it adds ``latency_seconds`` to every block."""
        self._device_ns = round(message.latency_seconds * 1e9)

    def report(self, message: Status) -> None:
        """The player's report of frame and host time."""
        underruns, late, gaps = self._counted
        self.anchor = replace(
            message,
            underruns=underruns + message.underruns,
            late_messages=late + message.late_messages,
            plugin_gaps=gaps + message.plugin_gaps,
        )

    def player_lost(self) -> None:
        """The next player counts from 0 again; the sums go on."""
        if self.anchor is not None:
            self._counted = (self.anchor.underruns, self.anchor.late_messages, self.anchor.plugin_gaps)

    def frame(self) -> int:
        """The first frame on which a message could still act. 0 before the first report.

        The mixer has mixed a little ahead, and one block is being played.
        """
        if self.anchor is None:
            return 0
        passed_ns = max(0, self._clock.now_ns() - self.anchor.host_ns)
        under_way = MIX_AHEAD_FRAMES + self._block_frames
        frame = self.anchor.frame + passed_ns * self._rate // 1_000_000_000 + under_way
        self._latest_frame = max(self._latest_frame, frame)  # a report may correct the guess; time does not go back
        return self._latest_frame

    def heard_ns(self, frame: int) -> int:
        """When ``frame`` leaves the device, on the monotonic clock."""
        if self.anchor is None:
            return self._clock.now_ns()
        after = frame - self.anchor.frame + self._block_frames  # the anchor is the end of a block just filled
        return self.anchor.host_ns + after * 1_000_000_000 // self._rate + self._device_ns
