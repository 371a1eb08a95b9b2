"""``words``: the vocabulary of the bundled model."""

from __future__ import annotations

import argparse

from riffengine.cli.verb import Verb


def _words(arguments: argparse.Namespace) -> int:
    """List the vocabulary by role."""
    from riffengine.renderer.bundled.vocabulary import ROLES, Vocabulary

    vocabulary = Vocabulary.load()
    for role in ROLES:
        print(f"{role}: {', '.join(vocabulary.with_role(role))}\n")
    print("Many synonyms are understood too. (word) has more weight, [word] less, (word:1.3) exactly this much.")
    return 0


WORDS = Verb("list the words that the bundled model understands", _words)
