"""OptionalSender: a sender of MIDI that is open while a parameter is on. One thread, the engine's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from riffengine.errors import ControlError

Order = TypeVar("Order", contravariant=True)


class Sender(Protocol[Order]):
    """A process that sends MIDI, as the engine sees it."""

    def send(self, order: Order) -> None:
        """Send ``order`` at the time that it names."""

    def notes(self) -> list[str]:
        """Messages for a person since the last call."""

    def close(self) -> None:
        """End what was started, and close the port."""


class OptionalSender(Generic[Order]):
    """Opens the sender when it is wanted and closes it when it is not.

    ``open_sender`` may raise ``ControlError``: it is reported once, and not tried again until the parameter was off.
    ``consequence`` says what a refusal means, such as "no notes are sent".
    """

    def __init__(self, open_sender: Callable[[], Sender[Order]], consequence: str, say: Callable[[str], None]) -> None:
        self._open_sender, self._consequence, self._say = open_sender, consequence, say
        self._sender: Sender[Order] | None = None
        self._refused = False

    def sender(self, wanted: bool) -> Sender[Order] | None:
        """The open sender, after showing its messages; ``None`` when it is not ``wanted`` or was refused."""
        if not wanted:
            self._refused = False
            self.close()
        elif self._sender is None and not self._refused:
            try:
                self._sender = self._open_sender()
            except ControlError as error:
                self._refused = True
                self._say(f"{self._consequence}: {error}")
        for note in () if self._sender is None else self._sender.notes():
            self._say(note)
        return self._sender

    def close(self) -> None:
        """Close it if it is open."""
        if self._sender is not None:
            self._sender.close()
            self._sender = None
