"""Attendants: those who look after a performance beside its performer: a dashboard, a service's log and supervisor.

None of them may disturb it: one that fails is let go, and that is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from riffengine.telemetry.observation import Observation, Observer, Submit
from riffengine.telemetry.status_line import StatusLine


class Observers:
    """The status line and the attendants as one. Belongs to the event loop's thread."""

    def __init__(self, line: StatusLine | None, attendants: Sequence[Observer] = ()) -> None:
        self._line = line
        self._attendants = list(attendants)

    @property
    def watching(self) -> bool:
        """Whether anybody wants observations."""
        return bool(self._attendants)

    def say(self, text: str) -> None:
        """Tell the performer and everybody."""
        if self._line is not None:
            self._line.say(text)
        self._each(lambda attendant: attendant.said(text))

    def update(self, fields: Mapping[str, str]) -> None:
        """The status line anew."""
        if self._line is not None:
            self._line.update(fields)

    def opened(self, submit: Submit, stop: Callable[[], None]) -> None:
        """The performance begins."""
        self._each(lambda attendant: attendant.opened(submit, stop))

    def observed(self, observation: Observation) -> None:
        """How it stands."""
        self._each(lambda attendant: attendant.observed(observation))

    def ending(self) -> None:
        """The fade-out begins."""
        if self._line is not None:
            self._line.end()
        self._each(lambda attendant: attendant.ending())

    def closed(self, status: int) -> None:
        """It is over."""
        self._each(lambda attendant: attendant.closed(status))

    def _each(self, tell: Callable[[Observer], None]) -> None:
        for attendant in tuple(self._attendants):
            try:
                tell(attendant)
            except Exception as error:  # noqa: BLE001 (whoever only watches must not end the show; it is told)
                self._attendants.remove(attendant)
                self.say(
                    f"the {type(attendant).__name__} stumbled: {type(error).__name__}: {error}; "
                    "the music goes on without it (please report this)"
                )
