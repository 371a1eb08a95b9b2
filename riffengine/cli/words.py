"""``words``: the vocabulary of the bundled model."""

from __future__ import annotations

import argparse

from riffengine.cli.verb import Verb
from riffengine.processes.render_request import DEFAULT_MODEL


def _words(arguments: argparse.Namespace) -> int:
    """List the vocabulary by role."""
    from riffengine.renderer.registry import family_of

    vocabulary = family_of(DEFAULT_MODEL).vocabulary(DEFAULT_MODEL)
    for role, known in vocabulary.by_role().items() if vocabulary else ():
        print(f"{role}: {', '.join(known)}\n")
    print("Many synonyms are understood too. (word) has more weight, [word] less, (word:1.3) exactly this much.")
    return 0


WORDS = Verb("list the words that the bundled model understands", _words)
