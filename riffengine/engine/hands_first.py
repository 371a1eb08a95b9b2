"""HandsFirst: what a person has moved is theirs for eight bars, before agents and decks that follow the input. Pure."""

from __future__ import annotations

from riffengine.performance.command import AGENT_SOURCE, FOLLOW_SOURCE, INPUT_SOURCE, Command
from riffengine.transport.beat_grid import BEATS_PER_BAR

BARS = 8
_MOST_PATHS = 1024


class HandsFirst:
    """Remembers on which beat a person moved each parameter last."""

    def __init__(self) -> None:
        self._moved: dict[str, float] = {}  # the one that was moved longest ago first

    def moved(self, command: Command, beat: float) -> None:
        """``command`` was accepted on ``beat``."""
        if _yields(command) or command.source == INPUT_SOURCE:
            return
        self._moved.pop(command.path, None)
        while len(self._moved) >= _MOST_PATHS:
            del self._moved[next(iter(self._moved))]
        self._moved[command.path] = beat

    def refusal(self, command: Command, beat: float) -> str:
        """Why ``command``, which no hand has sent, is refused on ``beat``; "" where it is not."""
        if not _yields(command) or command.path not in self._moved:
            return ""
        free = self._moved[command.path] + BARS * BEATS_PER_BAR
        if beat >= free:
            return ""
        return f"a person moved {command.path}, which is theirs until beat {free:.0f}; change something else"


def _yields(command: Command) -> bool:
    """Whether a person's hand wins over ``command``."""
    return command.source == FOLLOW_SOURCE or command.source.startswith(AGENT_SOURCE)
