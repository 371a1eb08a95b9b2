"""TextFormat: the syntax of a text parameter, which is checked when the text is set and not when it is used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class TextFormat:
    """The syntax: ``allowed`` describes it; ``read`` parses a text or raises ``ValueError`` with the problem."""

    allowed: str
    read: Callable[[str], object]
