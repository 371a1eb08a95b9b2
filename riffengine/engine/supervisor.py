"""Supervisor: keeps one child process running, also when a start of it fails. The event loop's thread.

The renderer and the player are kept by it alike: they may die at any moment, and the system may have no descriptor or
memory for a new process just then (EMFILE, EAGAIN, ENOMEM: what follows an out-of-memory kill).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from riffengine.clock import Clock
from riffengine.processes.backoff import Backoff, RestartPolicy

Received = TypeVar("Received")

ENDED = "ended"
"""The reason that ``lost`` and ``gave_up`` get of a process that has run, as against one that could not be started."""


class Child(Protocol[Received]):
    """What a supervisor asks of a process; see ``processes.child_process.ChildProcess``."""

    @property
    def alive(self) -> bool:
        """Whether it runs."""

    def start(self) -> None:
        """Start it; ``OSError`` when the system has no room for it."""

    def fileno(self) -> int:
        """The descriptor that is readable when a message waits or the process has ended."""

    def receive(self) -> tuple[list[Received], bool]:
        """Everything that came, and whether it still holds its end of the pipe."""

    def flush(self) -> None:
        """Send what its pipe did not take."""

    def close(self) -> None:
        """Forget it and hang up."""


class Supervisor(Generic[Received]):
    """Starts ``child``, passes on what it says, notices its death, and starts it again.

    ``received`` gets every message. ``started`` is called after every start but the first. ``lost`` is called when a
    process has ended, or could not be started, with the reason and the seconds until the next start; ``gave_up`` when
    that happened too often. None of them is called after ``stop``.
    """

    def __init__(
        self,
        child: Child[Received],
        policy: RestartPolicy,
        clock: Clock,
        received: Callable[[Received], None],
        started: Callable[[], None],
        lost: Callable[[str, float], None],
        gave_up: Callable[[str], None],
    ) -> None:
        self.deaths = 0  # and failed starts, since the start of the set
        self._child, self._policy, self._clock = child, policy, clock
        self._received, self._started, self._lost, self._gave_up = received, started, lost, gave_up
        self._backoff = Backoff(policy)
        self._recent_ns: deque[int] = deque()
        self._watched: int | None = None  # the descriptor on the event loop
        self._restart: asyncio.TimerHandle | None = None
        self._again = False
        self._ended = False

    @property
    def running(self) -> bool:
        """Whether the process is there and its messages are heard."""
        return self._watched is not None

    def start(self) -> None:
        """Start the process; a start that fails is tried again."""
        self._restart = None
        if self._ended:
            return
        self._backoff.started(self._clock.now_ns())
        try:
            self._child.start()
        except OSError as error:
            self._start_later(f"cannot be started: {error.strerror or error}")
            return
        self._watched = self._child.fileno()
        asyncio.get_running_loop().add_reader(self._watched, self._read)
        if self._again:
            self._started()
        self._again = True

    def check(self) -> None:
        """Notice a process that has ended without closing its pipe, and go on sending to one that was slow to read."""
        if self._watched is not None:
            self._child.flush()
        if self._watched is not None and not self._child.alive:
            self._read()
            if self._watched is not None:
                self._died(ENDED)

    def stop(self) -> None:
        """Watch it no more and start it no more; ending it is the caller's."""
        self._ended = True
        self._unwatch()
        if self._restart is not None:
            self._restart.cancel()
            self._restart = None

    def _read(self) -> None:
        messages, connected = self._child.receive()
        for message in messages:
            self._received(message)
        if not connected and self._watched is not None:
            self._died(ENDED)

    def _unwatch(self) -> None:
        if self._watched is not None:
            asyncio.get_running_loop().remove_reader(self._watched)
            self._watched = None

    def _died(self, reason: str) -> None:
        self._unwatch()
        self._child.close()
        if self._ended:
            return
        now_ns, policy = self._clock.now_ns(), self._policy
        self._recent_ns.append(now_ns)
        while now_ns - self._recent_ns[0] > policy.within_seconds * 1e9:
            self._recent_ns.popleft()
        if policy.most_deaths is not None and len(self._recent_ns) > policy.most_deaths:
            self._gave_up(reason)
            return
        self._start_later(reason)

    def _start_later(self, reason: str) -> None:
        pause = self._backoff.pause(self._clock.now_ns())
        self.deaths += 1
        try:
            self._lost(reason, pause)
        finally:  # an error of ours in telling it must not keep the process from coming back
            if not self._ended:
                self._restart = asyncio.get_running_loop().call_later(pause, self.start)
