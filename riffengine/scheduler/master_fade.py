"""MasterFade: whether the whole output is open: closed until the first launch, then open until a panic."""

from __future__ import annotations

from riffengine.processes.player_messages import FADE, SetControl


class MasterFade:
    """The fade-in of a set, and panic. Its methods return the messages that move the control ``FADE``."""

    def __init__(self, panic_frames: int, fade_in_frames: int) -> None:
        self._panic_frames = panic_frames
        self._fade_in_frames = fade_in_frames
        self.opened = False
        self.panicked = False

    def open(self, at_frame: int) -> list[SetControl]:
        """Fade in for the first sound, unless there was a panic meanwhile."""
        if self.opened:
            return []
        self.opened = True
        return [] if self.panicked else [SetControl(FADE, 1.0, at_frame, self._fade_in_frames)]

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
        return [SetControl(FADE, 1.0, None, self._panic_frames, stamp_ns)] if self.opened else []

    def reopen(self, fade_frames: int) -> list[SetControl]:
        """Open a new player, whose output is closed, if the last one could be heard."""
        return [SetControl(FADE, 1.0, None, fade_frames)] if self.opened and not self.panicked else []
