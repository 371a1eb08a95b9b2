"""UnknownWords: which words of a prompt the model does not know, and what may have been meant."""

from __future__ import annotations

from collections.abc import Callable

from riffengine.performance.command import Value
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.render_request import DEFAULT_MODEL
from riffengine.renderer.registry import family_of

MOST_SAID = 1000  # words that are remembered as shown
MAX_WORDS = 3  # reported of one prompt: a suggestion costs up to a millisecond of the event loop


class UnknownWords:
    """Looks at the prompts of a session whose model is ``model``; ``say`` shows each unknown word once."""

    def __init__(self, model: str, say: Callable[[str], None]) -> None:
        self._vocabulary, self._say = family_of(model).vocabulary(model), say
        self._command = "riffengine words" if model == DEFAULT_MODEL else f"riffengine words --model {model}"
        self._said: set[str] = set()

    def note(self, path: str, text: Value) -> str:
        """What to tell the sender of ``text`` for ``path``; "" when it is no prompt, or all its words are known."""
        target = parse_path(path)
        if not target.is_prompt and target.control != "negative":
            return ""
        vocabulary = self._vocabulary
        if vocabulary is None:
            return ""
        notes = []
        for word in vocabulary.unknown(str(text))[:MAX_WORDS]:
            close = vocabulary.suggest(word)
            hint = (
                f"did you mean {' or '.join(close)}?" if close else f"`{self._command}` lists the words that it knows"
            )
            notes.append(f"the model does not know {word!r}; {hint}")
            if word not in self._said:
                if len(self._said) >= MOST_SAID:
                    self._said.clear()
                self._said.add(word)
                self._say(notes[-1])
        return "; ".join(notes)
