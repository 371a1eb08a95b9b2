"""Prompt: parses text with weights in the usual syntax of Stable Diffusion. No torch.

``(word)`` has weight 1.1, ``[word]`` 1/1.1, ``(word:1.3)`` 1.3; brackets nest and multiply; ``\\(`` is a literal
bracket. ``<lora:name:0.6>`` sets the weight of a LoRA and is not part of the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

STEP = 1.1
MOST_WEIGHT = 10.0
_LORA = re.compile(r"<lora:([^<>:]+)(?::(-?\d*\.?\d+))?>")
_TOKEN = re.compile(r"\\([\\()\[\]])|:\s*(\d*\.?\d+)\s*\)|([()\[\]])|([^\\()\[\]:]+|[\\:])")


@dataclass(frozen=True)
class Prompt:
    """``parts`` are texts with their weights, in order; ``loras`` are names with their weights."""

    parts: tuple[tuple[str, float], ...]
    loras: tuple[tuple[str, float], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Prompt:
        """Parse ``text``; never raises. Open brackets are closed at the end; unmatched closing ones are ignored."""
        loras = {name.strip(): max(-4.0, min(4.0, float(weight or 1.0))) for name, weight in _LORA.findall(text)}
        parts: list[tuple[str, float]] = []
        open_brackets: list[tuple[str, int]] = []
        for match in _TOKEN.finditer(_LORA.sub("", text)):
            escaped, explicit, bracket, plain = match.groups()
            if bracket in ("(", "["):
                open_brackets.append((bracket, len(parts)))
            elif explicit is not None or bracket is not None:
                opening, factor = ("(", float(explicit or STEP)) if bracket != "]" else ("[", 1.0 / STEP)
                if open_brackets and open_brackets[-1][0] == opening:
                    _scale(parts, open_brackets.pop()[1], factor)
                elif explicit is not None:
                    parts.append((match[0].removesuffix(")"), 1.0))
            else:
                parts.append((escaped or plain, 1.0))
        for opening, first in reversed(open_brackets):
            _scale(parts, first, STEP if opening == "(" else 1.0 / STEP)
        return cls(_joined(parts), tuple(loras.items()))


def _scale(parts: list[tuple[str, float]], first: int, factor: float) -> None:
    parts[first:] = [(text, min(MOST_WEIGHT, weight * factor)) for text, weight in parts[first:]]


def _joined(parts: list[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    """Join neighbours of equal weight, so that a word is not split into tokens where there was no bracket."""
    joined: list[tuple[str, float]] = []
    for text, weight in parts:
        if joined and joined[-1][1] == weight:
            joined[-1] = (joined[-1][0] + text, weight)
        else:
            joined.append((text, weight))
    return tuple((text, weight) for text, weight in joined if text.strip())
