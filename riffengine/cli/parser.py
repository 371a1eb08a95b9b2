"""The parser of the whole command line, built from the table of verbs."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from typing import NoReturn

from riffengine import __version__
from riffengine.cli.verbs import VERBS
from riffengine.errors import plain
from riffengine.performance.error_text import quoted
from riffengine.session.named_files import preset_names

_DESCRIPTION = """\
Riffengine: latent diffusion that can be played. Type what you want to hear. It generates loops that stay on the beat,
and lets you morph between them while they play, with a MIDI controller or by OSC.
"""

_EXAMPLES = """\
start here:
  riffengine doctor                                    check what is installed
  riffengine play first-sound                          play an endless stream; Ctrl-C fades out
  riffengine presets                                   list the presets
  riffengine play --prompt "dub techno" --to "bossa nova" --bpm 110
  riffengine render --prompt "jazz piano" --to "house" --bars 16 -o morph.flac
  riffengine learn deck/a/alpha                        then move the knob that is to control it
  riffengine words                                     list the words that the bundled model understands

`riffengine VERB --help` explains one verb.
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are two lines: what was wrong, and where the options are listed.

    Options are written in full: an abbreviation can mean another option than was meant (``--stem`` is not ``--stems``).
    """

    def error(self, message: str) -> NoReturn:
        """End with status 2; everything is escaped that a terminal would obey, for file names are arguments too."""
        text = plain(message.removeprefix("argument "))
        self.exit(2, f"{self.prog}: {text}\n`{self.prog} --help` lists the {self._contents}\n")

    @property
    def _contents(self) -> str:
        return "verbs" if self._subparsers is not None else "options"

    @property
    def options(self) -> list[str]:
        """Every option in full, such as ``--bpm``."""
        return [text for text in self._option_string_actions if text.startswith("--")]


class CommandLine(_Parser):
    """The parser of the whole command. It suggests verbs and options that are like those that it does not know."""

    def __init__(self) -> None:
        super().__init__(
            prog="riffengine",
            description=_DESCRIPTION,
            epilog=_EXAMPLES,
            formatter_class=argparse.RawTextHelpFormatter,
            allow_abbrev=False,
        )
        self.add_argument("--version", action="version", version=f"riffengine {__version__}")
        verbs = self.add_subparsers(dest="verb", metavar="VERB", title="verbs", parser_class=_Parser)
        self.verbs: dict[str, _Parser] = {}
        for name, verb in VERBS.items():
            self.verbs[name] = one = verbs.add_parser(
                name,
                help=verb.help,
                description=verb.help,
                epilog=verb.examples,
                formatter_class=argparse.RawDescriptionHelpFormatter,
                allow_abbrev=False,
            )
            verb.add_arguments(one)

    def parse(self, argv: Sequence[str] | None = None) -> argparse.Namespace:
        """The arguments of the process, or ``argv``; ends the process with status 2 where they are not understood."""
        typed = list(sys.argv[1:] if argv is None else argv)
        if typed and not typed[0].startswith("-") and typed[0] not in self.verbs:
            self.error(self._no_verb(typed[0]))
        arguments, left = self.parse_known_args(typed)
        if left:
            parser = self.verbs.get(arguments.verb, self)
            parser.error(self._not_understood(parser, left))
        return arguments

    def _no_verb(self, word: str) -> str:
        if word.endswith((".yaml", ".yml")) or word in preset_names():
            return f"{quoted(word)} is a preset; did you mean: riffengine play {word}"
        near = difflib.get_close_matches(word, self.verbs, n=2)
        return f"no verb is called {quoted(word)}" + (f"; did you mean {' or '.join(near)}?" if near else "")

    def _not_understood(self, parser: _Parser, words: Sequence[str]) -> str:
        """What is wrong with the first of ``words``, which ``parser`` has left over."""
        option = next((word.split("=")[0] for word in words if word.startswith("-")), "")
        if not option:
            return f"{quoted(words[0])} is one argument too many; a text with spaces needs quotes around it"
        longer = [known for known in parser.options if option.startswith("--") and known.startswith(option)]
        of_others = [name for name, other in self.verbs.items() if option in other.options]
        if longer or not of_others:
            name = option.lstrip("-")
            near = longer or [
                f"--{known}" for known in difflib.get_close_matches(name, [known[2:] for known in parser.options], n=2)
            ]
            # Letters in the wrong order are the most common typing error.
            near.sort(key=lambda known: sorted(known[2:]) != sorted(name))
            hint = f"; did you mean {' or '.join(near[:3])}?" if near else ""
        else:
            hint = f"; {' and '.join(of_others[:3])} {'have' if len(of_others) > 1 else 'has'} it"
        return f"there is no option {quoted(option)[1:-1]}{hint}"


def build_parser() -> CommandLine:
    """The parser of the whole command; the chosen verb is ``arguments.verb``, ``None`` when there is none."""
    return CommandLine()
