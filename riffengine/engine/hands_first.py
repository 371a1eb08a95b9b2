"""HandsFirst: what a person has moved is theirs for eight bars, before agents and decks that follow the input. Pure.

A command that sets other parameters too, such as a scene or an undo, is refused where one of these is a person's; and
what a person sets by such a command is theirs as well, in a scene morph from the time that each was moved last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from riffengine.engine.sync import tempo_sync
from riffengine.performance import drift
from riffengine.performance.command import AGENT_SOURCE, FOLLOW_SOURCE, INPUT_SOURCE, Accepted, Command, Reply
from riffengine.transport.beat_grid import BEATS_PER_BAR

BARS = 8
_MOST_PATHS = 1024
_BY_ITSELF = frozenset({INPUT_SOURCE, drift.SOURCE, tempo_sync.SOURCE})  # sources that are no hand, and wait for none


class HandsFirst:
    """Remembers on which beat a person moved each parameter last."""

    def __init__(self) -> None:
        self._moved: dict[str, float] = {}  # the one that was moved longest ago first

    def moved(self, command: Command, reply: Reply, beat: float) -> None:
        """``command``, of a surface or made by one of theirs, was answered with ``reply`` on ``beat``."""
        if not isinstance(reply, Accepted) or _yields(command) or command.source in _BY_ITSELF:
            return
        self._moved.pop(command.path, None)
        while len(self._moved) >= _MOST_PATHS:
            del self._moved[next(iter(self._moved))]
        self._moved[command.path] = beat

    def refusal(
        self, command: Command, beat: float, also_sets: Callable[[Command], Iterable[str]] = lambda command: ()
    ) -> str:
        """Why ``command``, which no hand has sent, is refused on ``beat``; "" where it is not.

        ``also_sets`` names the parameters that a command sets besides its own.
        """
        if not _yields(command):
            return ""
        for path in (command.path, *also_sets(command)):
            free = self._moved.get(path, -math.inf) + BARS * BEATS_PER_BAR
            if beat < free:
                also = "" if path == command.path else f", and {command.path} would set it"
                return f"a person moved {path}, which is theirs until beat {free:.0f}{also}; change something else"
        return ""


def _yields(command: Command) -> bool:
    """Whether a person's hand wins over ``command``."""
    return command.source == FOLLOW_SOURCE or command.source.startswith(AGENT_SOURCE)
