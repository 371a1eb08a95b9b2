"""HostChannel: what the player must know of a DAW, kept so that a player that is started again is told it too."""

from __future__ import annotations

from collections.abc import Callable

from riffengine.processes.player_messages import AttachInstance, DetachInstance, FollowHost, ToHost


class HostChannel:
    """Passes messages about a DAW to the player. The event loop's thread; ``deliver`` is the player link's."""

    def __init__(self) -> None:
        self.deliver: Callable[[ToHost], None] = lambda message: None
        self._attached: dict[str, AttachInstance] = {}
        self._follow: FollowHost | None = None

    def send(self, message: ToHost) -> None:
        """Tell the player, and every player after it as long as it is true."""
        match message:
            case AttachInstance(ring):
                self._attached[ring] = message
            case DetachInstance(ring):
                self._attached.pop(ring, None)
            case FollowHost():
                self._follow = message
        self.deliver(message)

    def repeat(self) -> None:
        """A new player knows nothing: tell it all."""
        for message in (self._follow, *self._attached.values()):
            if message is not None:
                self.deliver(message)
