"""``repair``: makes a FLAC recording readable whose recorder was killed."""

from __future__ import annotations

import argparse
from pathlib import Path

from riffengine.cli.arguments import show
from riffengine.cli.verb import Verb

_EXAMPLES = """\
examples:
  riffengine repair set.flac                           after a power failure, or after kill -9
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recordings that end in .flac")


def _repair(arguments: argparse.Namespace) -> int:
    """Write the missing length into the header of every file."""
    from riffengine.output.flac_repair import repair_flac

    for path in arguments.files:
        found = repair_flac(path)
        length = f"{found.frames / found.sample_rate:.1f} s"
        if not found.changed:
            show(f"{path}: nothing to repair, {length}")
        else:
            cut = f"; {found.removed_bytes} bytes of an unfinished frame were removed" if found.removed_bytes else ""
            show(f"{path}: readable again, {length}{cut}")
    return 0


REPAIR = Verb("make a FLAC recording readable whose recorder was killed", _repair, _add_arguments, _EXAMPLES)
