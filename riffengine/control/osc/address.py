"""OSC addresses and the paths of the tree that they name, patterns included.

Source: Open Sound Control 1.0, "OSC Message Dispatching".
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Iterable, Sequence

from riffengine.errors import ControlError
from riffengine.performance.error_text import unknown
from riffengine.performance.parameter_tree import ParameterTree

ROOT = "/riff/"
MAX_PATTERN = 200  # characters
MAX_STARS = 4  # and as many braces in one word: a pattern that tries every split of a word must not take long
_SPECIAL = frozenset("*?[]{}")


def paths(address: str, tree: ParameterTree, others: Iterable[str] = ()) -> Sequence[str]:
    """The paths that ``address`` names: one, or all that a pattern (``* ? [a-d] {left,right}``) matches.

    ``ControlError`` when there is none; it suggests the nearest of the tree and of ``others``, which are addresses.
    """
    path = address.removeprefix(ROOT)
    if path != address:
        if path in tree:
            return (path,)
        if not _SPECIAL.isdisjoint(path):
            return _matches(path, tree)
    raise ControlError(unknown("address", address, [*(ROOT + path for path in tree.parameters), *others]))


def _matches(pattern: str, tree: ParameterTree) -> Sequence[str]:
    if len(pattern) > MAX_PATTERN:
        raise ControlError(f"a pattern of {len(pattern)} characters is too long; allowed are {MAX_PATTERN}")
    words = [_compiled(word) for word in pattern.split("/")]
    found = [
        path
        for path in tree.parameters
        if len(names := path.split("/")) == len(words)
        and all(word.fullmatch(name) for word, name in zip(words, names, strict=True))
    ]
    if not found:
        raise ControlError(f"no address matches {ROOT}{pattern}; a star stands for one word, as in {ROOT}deck/*/mute")
    return found


@functools.lru_cache(maxsize=256)
def _compiled(word: str) -> re.Pattern[str]:
    """One word of a pattern; ``ControlError`` when it would be slow."""
    if word.count("*") > MAX_STARS or word.count("{") > MAX_STARS:
        raise ControlError(f"more than {MAX_STARS} stars or braces in one word of a pattern; send several messages")
    pieces = re.split(r"(\{[^{}]*\})", word)
    expression = ""
    for piece in pieces:
        if piece.startswith("{") and piece.endswith("}"):
            expression += "(?:" + "|".join(re.escape(name) for name in piece[1:-1].split(",") if name) + ")"
        elif piece:
            expression += fnmatch.translate(piece).removesuffix(r"\Z").removesuffix(r"\z")
    return re.compile(expression)
