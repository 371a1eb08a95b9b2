"""Observers: the status line and all observers of a performance, such as the dashboard and the service's log.

An observer must not disturb the performance: one that raises is removed, and the performer gets a message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from riffengine.telemetry.observation import Observation, Observer, Submit
from riffengine.telemetry.status_line import StatusLine

_CLOSE_SECONDS = 1.0  # for the last lines; a terminal takes them in a moment, or stands still


class Observers:
    """The status line and all observers, called together. Belongs to the event loop's thread."""

    def __init__(self, line: StatusLine | None, observers: Sequence[Observer] = ()) -> None:
        self._line = line
        self._observers = list(observers)

    @property
    def watching(self) -> bool:
        """Whether there is any observer."""
        return bool(self._observers)

    def say(self, text: str) -> None:
        """Show ``text`` to the performer and pass it to every observer."""
        if self._line is not None:
            self._line.say(text)
        self._for_each(lambda observer: observer.notified(text))

    def update(self, fields: Mapping[str, str]) -> None:
        """Show ``fields`` in the status line."""
        if self._line is not None:
            self._line.update(fields)

    def opened(self, submit: Submit, stop: Callable[[], None]) -> None:
        """The performance starts."""
        self._for_each(lambda observer: observer.opened(submit, stop))

    def observed(self, observation: Observation) -> None:
        """The current state."""
        self._for_each(lambda observer: observer.observed(observation))

    def ending(self) -> None:
        """The fade-out starts."""
        if self._line is not None:
            self._line.end()
        self._for_each(lambda observer: observer.ending())

    def closed(self, status: int) -> None:
        """The performance has ended; waits a moment for a terminal that takes no output."""
        if self._line is not None:
            self._line.close(_CLOSE_SECONDS)
        self._for_each(lambda observer: observer.closed(status))

    def _for_each(self, call: Callable[[Observer], None]) -> None:
        for observer in tuple(self._observers):
            try:
                call(observer)
            except Exception as error:  # noqa: BLE001 (an observer must not end the performance; the error is shown)
                self._observers.remove(observer)
                self.say(
                    f"the {type(observer).__name__} failed: {type(error).__name__}: {error}; "
                    "it is switched off, and the music continues (please report this)"
                )
