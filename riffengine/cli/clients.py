"""``clients``: the OSC clients that come with Riffengine, for Max, Live, Pure Data, TouchOSC and SuperCollider."""

from __future__ import annotations

import argparse
from pathlib import Path

from riffengine.cli.arguments import show
from riffengine.cli.verb import Verb

_EXAMPLES = """\
examples:
  riffengine clients                                   list them
  riffengine clients --copy riffengine.pd .            copy the patch for Pure Data into this folder
  riffengine play max-osc                              a preset that answers them quickly
"""
_PURPOSES = {
    "riffengine-live.amxd": "Max for Live: a device for a MIDI track",
    "riffengine-live.maxpat": "Max for Live: the patch of that device",
    "riffengine.maxpat": "Max",
    "riffengine.pd": "Pure Data",
    "riffengine.scd": "SuperCollider",
    "riffengine.tosc": "TouchOSC: a layout for a tablet or phone",
}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--copy", nargs=2, metavar=("NAME", "PLACE"), help="copy a client to a file or into a folder")


def _clients(arguments: argparse.Namespace) -> int:
    """List or copy OSC clients."""
    from riffengine.session.named_files import CLIENTS as FOLDER
    from riffengine.session.named_files import client_names, copy_to, find_client

    if arguments.copy:
        name, target = arguments.copy
        show(f"{copy_to(find_client(name), Path(target))}: a copy of {name}")
        return 0
    names = client_names()
    width = max(map(len, names), default=0)
    for name in names:
        show(f"{name:{width}}  {_PURPOSES.get(name, '')}".rstrip())
    show(f"in {FOLDER}")
    return 0


CLIENTS = Verb("list the OSC clients (Max, Pd, TouchOSC …), or copy one", _clients, _add_arguments, _EXAMPLES)
