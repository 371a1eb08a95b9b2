"""``words``: the vocabulary of a model."""

from __future__ import annotations

import argparse

from riffengine.cli.arguments import show
from riffengine.cli.verb import Verb
from riffengine.processes.render_request import DEFAULT_MODEL

_EXAMPLES = """\
examples:
  riffengine words                                       the words of the bundled model
  riffengine words --model runs/weights.safetensors      the words of another model
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, metavar="MODEL", help="the model whose words are listed (default %(default)s)"
    )


def _words(arguments: argparse.Namespace) -> int:
    """List the vocabulary by role."""
    from riffengine.renderer.registry import family_of

    family = family_of(arguments.model)
    vocabulary = family.vocabulary(arguments.model)
    if vocabulary is None:
        show(f"{arguments.model} has no list of words: its prompts may hold any text")
        return 0
    family.check(arguments.model)  # of a file that is not there, all words would be listed
    for role, known in vocabulary.by_role().items():
        show(f"{role}: {', '.join(known)}\n")
    show("Many synonyms are understood too. (word) has more weight, [word] less, (word:1.3) exactly this much.")
    return 0


WORDS = Verb("list the words that a model understands", _words, _add_arguments, _EXAMPLES)
