"""What the pool asks of a member, wherever it runs, and what a member tells the pool."""

from __future__ import annotations

from typing import Protocol

from riffengine.pool.finished_loop import FinishedLoop
from riffengine.pool.jobs import Begin
from riffengine.processes.render_messages import Ready


class MemberLink(Protocol):
    """A renderer of the pool. No call waits; what follows is told to ``MemberEvents``, on the event loop's thread."""

    name: str
    local: bool  # it reads the files of this machine

    def start(self) -> None:
        """Have it load its model; it is started again by itself whenever it ends."""

    def begin(self, begin: Begin) -> None:
        """Render; answered by ``finished``, ``failed`` or ``dropped`` with the number of the attempt."""

    def drop(self, attempt: int) -> None:
        """Stop rendering ``attempt`` between two of its steps."""

    def end(self) -> None:
        """End it by force; ``lost`` follows, and a new one."""

    async def close(self) -> None:
        """End it for good."""


class MemberEvents(Protocol):
    """Who hears what members say: the pool."""

    def ready(self, link: MemberLink, ready: Ready) -> None:
        """It takes jobs."""

    def seats(self, link: MemberLink, seats: int) -> None:
        """It renders another number of jobs at the same time."""

    def lost(self, link: MemberLink, reason: str) -> None:
        """It has ended, or could not be reached; a new attempt to start it follows by itself."""

    def unusable(self, link: MemberLink, reason: str) -> None:
        """It says that it cannot load its model."""

    def alive(self, link: MemberLink, attempt: int, worked_seconds: float, steps: int, queued: bool = False) -> None:
        """A sign of life while it renders; ``queued``: while the attempt waits at a member that is a pool itself."""

    def heard(self, link: MemberLink) -> None:
        """Something has come from it, such as a part of a loop: it is there, however long the rest takes."""

    def finished(self, link: MemberLink, attempt: int, loop: FinishedLoop) -> None:
        """The loop is there."""

    def failed(self, link: MemberLink, attempt: int, reason: str, hopeless: bool) -> None:
        """The loop could not be made."""

    def dropped(self, link: MemberLink, attempt: int) -> None:
        """The attempt ended as it was asked to."""
