"""OptionalSender: a sender of MIDI that is open while a parameter is on. One thread, the engine's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from riffengine.errors import ControlError
from riffengine.processes.backoff import Backoff, RestartPolicy

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

    def end(self) -> None:
        """After ``close``: end it by force if it has not ended by itself."""


class OptionalSender(Generic[Order]):
    """Opens the sender when it is wanted and closes it when it is not; one that dies is opened again.

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
        self._closed: list[Sender[Order]] = []  # at most one for every time that it was switched off
        self._refused = False
        self._next_ns = 0

    def sender(self, wanted: bool, now_ns: int) -> Sender[Order] | None:
        """The open sender, after showing its messages; ``None`` when it is not ``wanted``, was refused or has died."""
        if not wanted:
            self._refused, self._next_ns = False, 0
            self.close()
        elif self._sender is None and not self._refused and now_ns >= self._next_ns:
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
                self._closed.append(self._sender)
            self._sender = None

    def end(self) -> None:
        """After ``close``, at the end of the set: no process stays, whatever its driver does."""
        while self._closed:
            self._closed.pop().end()

    def _open(self, now_ns: int) -> None:
        self._backoff.started(now_ns)
        try:
            self._sender = self._open_sender()
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
