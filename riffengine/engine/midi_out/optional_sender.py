"""OptionalSender: a sender of MIDI that is open as long as a parameter is on. One thread, the engine's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from riffengine.errors import ControlError

Order = TypeVar("Order", contravariant=True)


class Sender(Protocol[Order]):
    """Whoever sends it."""

    def send(self, order: Order) -> None:
        """This is to go out, at the time that it names."""

    def notes(self) -> list[str]:
        """What a person should be told."""

    def close(self) -> None:
        """End what was begun, and leave."""


class OptionalSender(Generic[Order]):
    """Opens the sender when it is wanted and closes it when it is not; a refusal is told once and tried no more.

    ``open_sender`` may raise ``ControlError``; ``without`` says what that means, such as "no notes go out".
    """

    def __init__(self, open_sender: Callable[[], Sender[Order]], without: str, say: Callable[[str], None]) -> None:
        self._open_sender, self._without, self._say = open_sender, without, say
        self._sender: Sender[Order] | None = None
        self._refused = False

    def sender(self, wanted: bool) -> Sender[Order] | None:
        """The open sender, its notes told; ``None`` where it is not ``wanted`` or was refused since it is."""
        if not wanted:
            self._refused = False
            self.close()
        elif self._sender is None and not self._refused:
            try:
                self._sender = self._open_sender()
            except ControlError as error:
                self._refused = True
                self._say(f"{self._without}: {error}")
        for note in () if self._sender is None else self._sender.notes():
            self._say(note)
        return self._sender

    def close(self) -> None:
        """Close it if it is open."""
        if self._sender is not None:
            self._sender.close()
            self._sender = None
