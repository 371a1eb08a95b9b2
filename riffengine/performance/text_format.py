"""TextFormat: text with a meaning, checked when it is written and not when it is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class TextFormat:
    """What a text may say: ``allowed`` in words; ``read`` raises ``ValueError`` with what is wrong with it."""

    allowed: str
    read: Callable[[str], object]
