"""The parser of the whole command line, built from the table of verbs."""

from __future__ import annotations

import argparse
from typing import NoReturn

from riffengine import __version__
from riffengine.cli.verbs import VERBS
from riffengine.errors import plain

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
    def error(self, message: str) -> NoReturn:
        """As argparse does it, with everything escaped that a terminal would obey: file names are arguments too."""
        super().error(plain(message))


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command; the chosen verb is ``arguments.verb``, ``None`` when there is none."""
    parser = _Parser(
        prog="riffengine", description=_DESCRIPTION, epilog=_EXAMPLES, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"riffengine {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for name, verb in VERBS.items():
        one = verbs.add_parser(
            name,
            help=verb.help,
            description=verb.help,
            epilog=verb.examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.add_arguments(one)
    return parser
