"""ParameterPath: the path of a parameter, such as ``deck/a/stem/drums/gain``, taken apart.

No other module splits paths, except where text is what counts: OSC address patterns (``control.osc.address``) and
suggestions for a misspelt name (``performance.error_text``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]*")
"""What a deck or a stem may be called."""


class ParameterPath(NamedTuple):
    """What a path names: a control, and the group, deck and stem that it belongs to, ``""`` for none.

    ``deck/a/gain`` is gain of deck a, ``deck/a/prompts/pick`` is pick of the group prompts of deck a, ``master/gain``
    is gain of the group master.
    """

    control: str
    deck: str = ""
    stem: str = ""
    group: str = ""

    @property
    def is_prompt(self) -> bool:
        """Whether it is the prompt of a start or an end: text that a row of pads chooses from."""
        return self.control in ("prompt", "to")

    @property
    def is_scene(self) -> bool:
        """Whether it is about scenes: ``scene/recall``, ``scene/morph_bars``."""
        return self.group == "scene"

    @property
    def plugin_number(self) -> int:
        """The number of the plugin that it belongs to, in the plugins of its place; 0 for none."""
        before, _, number = self.group.rpartition("/")
        belongs = number.isdecimal() and (before == "fx" or before.endswith("/fx"))
        return int(number) if belongs else 0

    @property
    def place(self) -> str:
        """Of a plugin's parameter, the place of the plugin in the mixer: ``deck/a/stem/drums``, ``master``."""
        return str(self).rpartition("/fx/")[0]

    @property
    def within_deck(self) -> str:
        """The path below the deck and the stem: ``prompts/pick``."""
        return f"{self.group}/{self.control}" if self.group else self.control

    def __str__(self) -> str:
        """The path as text."""
        deck = f"deck/{self.deck}/" if self.deck else ""
        stem = f"stem/{self.stem}/" if self.stem else ""
        return f"{deck}{stem}{self.within_deck}"


@lru_cache(maxsize=4096)
def parse_path(path: str) -> ParameterPath:
    """``path`` taken apart, whether or not there is such a parameter; ``str`` of the result is ``path`` again."""
    match path.split("/"):
        case ["deck", deck, "stem", stem, *rest] if rest and all((deck, stem, *rest)):
            return ParameterPath(rest[-1], deck, stem, "/".join(rest[:-1]))
        case ["deck", deck, *rest] if rest and all((deck, *rest)):
            return ParameterPath(rest[-1], deck, group="/".join(rest[:-1]))
    group, _, control = path.rpartition("/")
    return ParameterPath(control, group=group) if group else ParameterPath(path)


def stems_of(paths: Iterable[str], deck: str) -> tuple[str, ...]:
    """The stems of ``deck`` that ``paths`` name, in the order in which they come."""
    return tuple(dict.fromkeys(p.stem for p in map(parse_path, paths) if p.deck == deck and p.stem))


def decks_of(paths: Iterable[str]) -> tuple[str, ...]:
    """The decks that ``paths`` belong to, in the order in which they come."""
    return tuple(dict.fromkeys(deck for path in paths if (deck := parse_path(path).deck)))
