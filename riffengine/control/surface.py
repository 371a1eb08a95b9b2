"""Surface: what the engine tells whoever plays it. A surface overrides what it can show; the rest passes it by."""

from __future__ import annotations

from riffengine.performance.command import Landing, Reply, Value
from riffengine.transport.beat_grid import Moment


class Surface:
    """Something a performer touches or looks at. Every call comes on the event loop's thread and must not wait."""

    @property
    def received(self) -> int | None:
        """How many messages came in since it was opened; ``None`` where nothing comes in."""
        return None

    def changed(self, path: str, value: Value) -> None:
        """``path`` became ``value``, whoever asked."""

    def replied(self, moment: Moment, reply: Reply) -> None:
        """A command was answered at ``moment``, whoever sent it; also one that changed nothing."""

    def announce(self, landing: Landing, source: str) -> None:
        """``landing`` moved; ``source`` is the sender it was promised to."""

    def landed(self, moment: Moment, path: str, value: Value) -> None:
        """``path`` is heard as ``value`` from ``moment`` on, which may lie a little ahead."""

    def event(self, moment: Moment, path: str, note: str) -> None:
        """Something that no performer asked for."""

    def close(self) -> None:
        """Hear no more, and let go of ports and devices."""
