"""Vocabulary: the words that the bundled model knows, and the parser that turns a prompt into weighted words.

Emphasis is as usual with text-to-image models: ``(word)`` has weight 1.1, ``[word]`` 1/1.1, brackets nest, and
``(word:1.3)`` has weight 1.3. An unmatched bracket is ignored.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import yaml

EMPHASIS = 1.1
HEAVIEST = 4.0  # above this, one word dominates the sum of embeddings; also limits typos such as 11 for 1.1
LONGEST_PROMPT = 2000  # characters; the rest is ignored, so that a huge text cannot stall the engine

ROLES = ("genre", "instrument", "mood", "mode", "drums", "playing")

_SYNTAX = re.compile(r"\\(.)|([()\[\]])|:\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*\)|([^\\()\[\]:]+)|(.)", re.DOTALL)
_TOKEN = re.compile(r"[^\W_]+|[,.;:|/\n!?]", re.UNICODE)
_BREAK = frozenset(",.;:|/\n!?")


@dataclass(frozen=True)
class ParsedPrompt:
    """A parsed prompt: ``weights`` are pairs (word index, weight), one for each known word, sorted by index.

    ``unknown`` are the words that the model does not know, in lower case, in order, each once.
    """

    weights: tuple[tuple[int, float], ...]
    unknown: tuple[str, ...]


def _tokens(text: str) -> list[str]:
    """Words in lower case without accents, apostrophes and hyphens; ``&`` and ``+`` become ``and``."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(c for c in plain if not unicodedata.combining(c) and c not in "'’`")
    return _TOKEN.findall(re.sub(r"[&+]", " and ", plain))


def _singular(token: str) -> str:
    """The token without a plural ending; ``bass`` and ``brass`` are not plurals."""
    if len(token) > 4 and token.endswith(("ches", "shes", "xes")):
        return token[:-2]
    if len(token) > 3 and token.endswith("s") and not token.endswith("ss"):
        return token[:-1]
    return token


def _weighted_tokens(prompt: str) -> list[tuple[str, float]]:
    tokens: list[str] = []
    weights: list[float] = []
    brackets: list[tuple[str, int]] = []

    def add(text: str) -> None:
        found = _tokens(text)
        tokens.extend(found)
        weights.extend([1.0] * len(found))

    def close(kind: str, factor: float) -> None:
        if not brackets or brackets[-1][0] != kind:
            return
        _, since = brackets.pop()
        for i in range(since, len(weights)):
            weights[i] *= factor

    for escaped, bracket, number, text, other in _SYNTAX.findall(prompt[:LONGEST_PROMPT]):
        if bracket in ("(", "["):
            brackets.append((bracket, len(tokens)))
        elif bracket == ")":
            close("(", EMPHASIS)
        elif bracket == "]":
            close("[", 1.0 / EMPHASIS)
        elif number:
            close("(", float(number))
        else:
            add(text or other or escaped)
    return list(zip(tokens, weights, strict=True))


class Vocabulary:
    """The canonical words, in the order of the model's embedding, with their roles and synonyms."""

    def __init__(self, sections: Mapping[str, Any], size: int | None = None) -> None:
        """``sections`` is the content of ``vocabulary.yaml``: roles, ``added`` (more roles), ``several`` and ``stop``.

        With ``size`` only the first ``size`` canonical words are known: those of weights trained with so many.
        """
        self._role: dict[str, str] = {}
        self._parts: dict[str, tuple[str, ...]] = {}
        synonyms: dict[str, list[str]] = {}
        later: Mapping[str, Any] = sections.get("added", {})
        for role, entries in [(role, sections.get(role, {})) for role in ROLES] + list(later.items()):
            for word, entry in entries.items():
                if len(self._role) == size:
                    break
                self._role[word] = role
                if isinstance(entry, Mapping):
                    self._parts[word] = tuple(entry["parts"])
                    synonyms[word] = [str(name) for name in entry["also"]]
                else:
                    synonyms[word] = [str(name) for name in entry]
        self.words: tuple[str, ...] = tuple(self._role)
        self._index = {word: i for i, word in enumerate(self.words)}
        self._stop = frozenset(str(word) for word in sections["stop"])
        # Later entries win: synonyms first, then phrases for several words, then the words themselves.
        self._meaning: dict[tuple[str, ...], tuple[int, ...]] = {}
        for word, names in synonyms.items():
            for name in names:
                self._meaning[tuple(_tokens(name))] = (self._index[word],)
        for phrase, words in sections["several"].items():
            if all(word in self._index for word in words):
                self._meaning[tuple(_tokens(phrase))] = tuple(self._index[word] for word in words)
        for word in self.words:
            self._meaning[tuple(_tokens(word))] = (self._index[word],)
        self._longest = max(len(phrase) for phrase in self._meaning)

    @classmethod
    def load(cls) -> Vocabulary:
        """The vocabulary that ships with the package."""
        return _packaged(None)

    @classmethod
    def of_size(cls, size: int) -> Vocabulary:
        """Its first ``size`` words (all if it has no more): the vocabulary of weights that were trained with these."""
        return _packaged(size if size < len(cls.load()) else None)

    def __len__(self) -> int:
        """The number of canonical words."""
        return len(self.words)

    def index(self, word: str) -> int:
        """The index of a canonical word in ``words``. Raises ``KeyError`` for any other word."""
        return self._index[word]

    def role(self, word: str) -> str:
        """One of ``ROLES``: ``genre``, ``instrument`` …; raises ``KeyError`` for other words."""
        return self._role[word]

    def parts(self, word: str) -> tuple[str, ...]:
        """The parts of an instrument: some of ``lead``, ``comp``, ``bass``, ``drums``. Empty for other words."""
        return self._parts.get(word, ())

    def with_role(self, role: str) -> tuple[str, ...]:
        """The canonical words of one role, in order."""
        return tuple(word for word in self.words if self._role[word] == role)

    def by_role(self) -> dict[str, tuple[str, ...]]:
        """The canonical words of every role that has any, in order."""
        return {role: words for role in ROLES if (words := self.with_role(role))}

    def unknown(self, prompt: str) -> tuple[str, ...]:
        """The words of ``prompt`` that the model does not know; see ``ParsedPrompt``."""
        return self.parse(prompt).unknown

    def parse(self, prompt: str) -> ParsedPrompt:
        """Parse a prompt; never raises. The longest matching phrase wins; a repeated word keeps its largest weight."""
        tokens = _weighted_tokens(prompt)
        weights: dict[int, float] = {}
        unknown: dict[str, None] = {}
        at = 0
        while at < len(tokens):
            length, meaning = self._match_longest_phrase([token for token, _ in tokens[at : at + self._longest]])
            if length:
                weight = sum(w for _, w in tokens[at : at + length]) / length
                for index in meaning:
                    weights[index] = max(weights.get(index, 0.0), min(max(weight, 0.0), HEAVIEST))
            elif not self._is_ignored(tokens[at][0]):
                unknown[tokens[at][0]] = None
            at += max(length, 1)
        return ParsedPrompt(tuple(sorted(weights.items())), tuple(unknown))

    def suggest(self, word: str) -> tuple[str, ...]:
        """At most three canonical words that ``word`` may have meant, best first."""
        phrases = {" ".join(phrase): meaning for phrase, meaning in self._meaning.items()}
        close = difflib.get_close_matches(" ".join(_tokens(word[:80])), phrases, n=6, cutoff=0.7)
        found = dict.fromkeys(self.words[index] for phrase in close for index in phrases[phrase])
        return tuple(found)[:3]

    def _match_longest_phrase(self, tokens: Sequence[str]) -> tuple[int, tuple[int, ...]]:
        for length in range(len(tokens), 0, -1):
            exact = tuple(tokens[:length])
            for phrase in (exact, (*exact[:-1], _singular(exact[-1])), tuple(_singular(t) for t in exact)):
                if phrase in self._meaning:
                    return length, self._meaning[phrase]
        return 0, ()

    def _is_ignored(self, token: str) -> bool:
        return token in _BREAK or token in self._stop or token.isdigit()


@lru_cache(maxsize=4)
def _packaged(size: int | None) -> Vocabulary:
    text = resources.files(__package__).joinpath("vocabulary.yaml").read_text(encoding="utf-8")
    return Vocabulary(yaml.safe_load(text), size)
