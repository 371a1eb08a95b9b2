"""OptionalSender: a sender of MIDI that is open while a parameter is on. One thread, the engine's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from riffengine.errors import ControlError
from riffengine.processes.backoff import Backoff, RestartPolicy

_MOST_CLOSING_SECONDS = 1.0  # a sender that is closed sends its last messages and ends within 0.3 s
_BETWEEN_OPENS_SECONDS = 0.5  # a sender is a process: a switch that is played like a drum starts no crowd of them

Order = TypeVar("Order", contravariant=True)


class Sender(Protocol[Order]):
    """A process that sends MIDI, as the engine sees it."""

    def send(self, order: Order) -> None:
        """Send ``order`` at the time that it names."""

    def notes(self) -> list[str]:
        """Messages for a person since the last call."""

    @property
    def ended(self) -> bool:
        """Whether the process has ended unasked."""

    def close(self) -> None:
        """End what was started, and close the port; it ends by itself."""

    def gone(self) -> bool:
        """After ``close``: whether it has ended, and nothing is left of it."""

    def kill(self) -> None:
        """After ``close``: end it by force, without waiting for its end."""

    def end(self) -> None:
        """After ``close``: wait for its end, and end it by force if it does not end by itself."""


class OptionalSender(Generic[Order]):
    """Opens the sender when it is wanted and closes it when it is not; one that dies is opened again.

    There is one sender at a time: the next is opened when the last has ended, and half a second after that was opened.
    One that has not ended a second after it was closed is killed.

    ``open_sender`` may raise ``ControlError``: it is reported once, and not tried again until the parameter was off.
    An ``OSError`` (no descriptor, process or memory just now) and a death are followed by another attempt after the
    pauses of ``policy``. ``consequence`` says what that means meanwhile, such as "no notes are sent".
    """

    def __init__(
        self,
        open_sender: Callable[[], Sender[Order]],
        consequence: str,
        say: Callable[[str], None],
        policy: RestartPolicy | None = None,
    ) -> None:
        self._open_sender, self._consequence, self._say = open_sender, consequence, say
        self._backoff = Backoff(policy or RestartPolicy())
        self._sender: Sender[Order] | None = None
        self._closing: Sender[Order] | None = None
        self._kill_ns: int | None = None
        self._refused = False
        self._next_ns = 0
        self._opened_ns: int | None = None

    def sender(self, wanted: bool, now_ns: int) -> Sender[Order] | None:
        """The open sender, after showing its messages; ``None`` when it is not ``wanted``, was refused or has died."""
        self._look_after_closing(now_ns)
        if not wanted:
            self._refused, self._next_ns = False, 0
            self.close()
        elif self._sender is None and not self._refused and self._may_open(now_ns):
            self._open(now_ns)
        sender = self._sender
        for note in () if sender is None else sender.notes():
            self._say(note)
        if sender is not None and sender.ended:
            self.close()
            self._try_later("its process has ended", now_ns)
        return self._sender

    def close(self) -> None:
        """Close it if it is open."""
        if self._sender is not None:
            self._sender.close()
            if not self._sender.ended:
                self._closing, self._kill_ns = self._sender, None
            self._sender = None

    def end(self) -> None:
        """After ``close``, at the end of the set: no process stays, whatever its driver does."""
        if self._closing is not None:
            self._closing.end()
            self._closing = None

    def _may_open(self, now_ns: int) -> bool:
        since_ns = None if self._opened_ns is None else now_ns - self._opened_ns
        rested = since_ns is None or since_ns >= _BETWEEN_OPENS_SECONDS * 1e9
        return self._closing is None and rested and now_ns >= self._next_ns

    def _look_after_closing(self, now_ns: int) -> None:
        if self._closing is None:
            return
        if self._closing.gone():
            self._closing = None
        elif self._kill_ns is None:
            self._kill_ns = now_ns + round(_MOST_CLOSING_SECONDS * 1e9)
        elif now_ns >= self._kill_ns:
            self._closing.kill()

    def _open(self, now_ns: int) -> None:
        self._backoff.started(now_ns)
        try:
            self._sender = self._open_sender()
            self._opened_ns = now_ns
        except ControlError as error:
            self._refused = True
            self._say(f"{self._consequence}: {error}")
        except OSError as error:
            self._try_later(f"it cannot be started: {error.strerror or error}", now_ns)

    def _try_later(self, reason: str, now_ns: int) -> None:
        pause = self._backoff.pause(now_ns)
        self._next_ns = now_ns + round(pause * 1e9)
        again = f"in {pause:g} s" if pause else "now"
        self._say(f"{self._consequence}: {reason}; it is started again {again}")
