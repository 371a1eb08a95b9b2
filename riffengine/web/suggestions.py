"""Suggestions: words of the model for somebody who types a prompt. No torch; the server's thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from riffengine.renderer.family import Vocabulary

_MOST_WORDS = 8
_MOST_UNKNOWN = 3  # a suggestion costs up to a millisecond
_LONGEST_TEXT = 400


class Suggestions:
    """``vocabulary`` is the model's, ``None`` where it takes any text."""

    def __init__(self, vocabulary: Vocabulary | None) -> None:
        self._vocabulary = vocabulary
        roles = vocabulary.by_role() if vocabulary is not None else {}
        self._words: Sequence[str] = tuple(dict.fromkeys(word for words in roles.values() for word in words))

    def find(self, text: str) -> dict[str, Any]:
        """``words`` that continue the last word of ``text``, and of each unknown word what may have been meant."""
        text = text[:_LONGEST_TEXT]
        last = text.rsplit(" ", 1)[-1].rsplit(",", 1)[-1].lower()
        words = [word for word in self._words if last and word.lower().startswith(last)]
        if self._vocabulary is None:
            return {"words": [], "unknown": []}
        unknown = self._vocabulary.unknown(text)[:_MOST_UNKNOWN]
        meant = [{"word": word, "close": list(self._vocabulary.suggest(word))} for word in unknown]
        return {"words": words[:_MOST_WORDS], "unknown": meant}
