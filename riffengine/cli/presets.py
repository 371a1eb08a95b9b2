"""``presets``: the presets that come with Riffengine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from riffengine.cli.arguments import add_json_argument, print_json, show
from riffengine.cli.verb import Verb
from riffengine.errors import plain

_EXAMPLES = """\
examples:
  riffengine presets                                     list them
  riffengine presets --show first-sound                  print one
  riffengine presets --copy first-sound my-set.yaml      copy one to a file, for editing
  riffengine play my-set.yaml
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--show", metavar="NAME", help="print the YAML of a preset")
    what.add_argument("--copy", nargs=2, metavar=("NAME", "FILE"), help="copy a preset to a file, for editing")
    add_json_argument(parser)


def _presets(arguments: argparse.Namespace) -> int:
    """List, print or copy presets."""
    from riffengine.session.named_files import PRESETS as FOLDER
    from riffengine.session.named_files import copy_to, find_preset, preset_names, preset_text
    from riffengine.session.session import preset_description

    if arguments.show:
        text = preset_text(find_preset(arguments.show))
        sys.stdout.write(plain(text) if sys.stdout.isatty() else text)
        return 0
    if arguments.copy:
        name, target = arguments.copy
        copy = copy_to(find_preset(name), Path(target))
        show(f"{copy}: a copy of {name}; edit it, then: riffengine play {copy}")
        return 0
    described = {name: preset_description(FOLDER / f"{name}.yaml") for name in preset_names()}
    if arguments.json:
        print_json(
            [{"name": name, "description": text, "file": FOLDER / f"{name}.yaml"} for name, text in described.items()]
        )
        return 0
    width = max(map(len, described), default=0)
    for name, text in described.items():
        show(f"{name:{width}}  {text}")
    return 0


PRESETS = Verb("list the presets, print one, or copy one for editing", _presets, _add_arguments, _EXAMPLES)
