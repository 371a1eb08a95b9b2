"""MasterFade: whether the output is open: not before the first launch, after a panic, or while the leader stands."""

from __future__ import annotations

from riffengine.processes.player_messages import FADE, SetControl


class MasterFade:
    """The fade-in of a set, panic, and the stop of the leader. Its methods return what moves the control ``FADE``.

    Each of them closes the output by itself: what ends one does not open what another keeps closed.
    """

    def __init__(self, panic_frames: int, fade_in_frames: int) -> None:
        self._panic_frames = panic_frames
        self._fade_in_frames = fade_in_frames
        self.opened = False
        self.panicked = False
        self.stopped = False

    @property
    def heard(self) -> bool:
        """Whether the output is open."""
        return self.opened and not self.panicked and not self.stopped

    def open(self, at_frame: int) -> list[SetControl]:
        """Fade in for the first sound, unless a panic or the leader keeps it closed."""
        if self.opened:
            return []
        self.opened = True
        return [SetControl(FADE, 1.0, at_frame, self._fade_in_frames)] if self.heard else []

    def panic(self, stamp_ns: int) -> list[SetControl]:
        """Silence within 20 ms; the second time brings the sound back."""
        if self.panicked:
            return self.restore(stamp_ns)
        self.panicked = True
        return [SetControl(FADE, 0.0, None, self._panic_frames, stamp_ns)]

    def restore(self, stamp_ns: int) -> list[SetControl]:
        """Bring the sound back after a panic."""
        if not self.panicked:
            return []
        self.panicked = False
        return self._reopened(stamp_ns)

    def stop(self) -> list[SetControl]:
        """The leader has stopped: silence as after a panic."""
        self.stopped = True
        return [] if self.panicked else [SetControl(FADE, 0.0, None, self._panic_frames)]

    def go_on(self) -> list[SetControl]:
        """The leader has started, or nobody follows it any more."""
        if not self.stopped:
            return []
        self.stopped = False
        return self._reopened(0)

    def reopen(self, fade_frames: int) -> list[SetControl]:
        """Open a new player, whose output is closed, if the last one could be heard."""
        return [SetControl(FADE, 1.0, None, fade_frames)] if self.heard else []

    def _reopened(self, stamp_ns: int) -> list[SetControl]:
        return [SetControl(FADE, 1.0, None, self._panic_frames, stamp_ns)] if self.heard else []
