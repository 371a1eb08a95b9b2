"""``plugin``: Riffengine as a plugin in a DAW: build and install it, check what is installed."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from riffengine.cli.arguments import add_json_argument
from riffengine.cli.verb import Verb
from riffengine.files.regular import home_path

_EXAMPLES = """\
examples:
  riffengine plugin install                           build all there can be, into ~/.lv2, ~/.clap, ~/.vst3
  riffengine plugin install --format lv2              only one of them
  riffengine plugin install --engine techno-walk      let the plugin start this preset, if it is asked to
  riffengine plugin check                             load what is installed, and compare every frame with its beat

A C compiler is needed (Debian: apt-get install gcc libc6-dev), for VST3 also DPF (dpf-source g++).
docs/daw.md says how the plugin is used.
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("install", "check"), help="build and install the plugin, or check it")
    parser.add_argument("--format", default="", metavar="FORMATS", help="lv2, clap, vst3, or several with commas")
    parser.add_argument("--dir", metavar="FOLDER", help="install or look there, not in ~/.lv2, ~/.clap and ~/.vst3")
    parser.add_argument("--compiler", default="cc", metavar="CC", help="the C compiler (default %(default)s)")
    parser.add_argument("--engine", metavar="PRESET", help="install: what the plugin starts where no engine answers")
    add_json_argument(parser)


def _plugin(arguments: argparse.Namespace) -> int:
    """Install or check."""
    from riffengine.daw.install import FORMATS, usual_formats
    from riffengine.errors import DawError

    formats = [word.strip() for word in arguments.format.split(",") if word.strip()] or usual_formats()
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown:
        raise DawError(f"there is no plugin format {', '.join(unknown)}; use {', '.join(FORMATS)}")
    directory = home_path(arguments.dir) if arguments.dir else None
    return (
        _install(arguments, formats, directory)
        if arguments.what == "install"
        else _check(arguments, formats, directory)
    )


def _install(arguments: argparse.Namespace, formats: list[str], directory: Path | None) -> int:
    from riffengine.daw.install import FORMATS, install, write_engine_command

    places = {kind: install(kind, directory, arguments.compiler) for kind in formats}
    command = write_engine_command(arguments.engine) if arguments.engine else None
    if arguments.json:
        print(json.dumps({"installed": {kind: str(place) for kind, place in places.items()}}))
        return 0
    for kind, place in places.items():
        print(f"{FORMATS[kind].name:5} {place}")
    if command is not None:
        print(f"{command} says how the plugin starts the engine; its parameter Start the Engine lets it")
    print("Let your DAW scan its plugins again, and start the engine: riffengine play PRESET --output daw")
    return 0


def _check(arguments: argparse.Namespace, formats: list[str], directory: Path | None) -> int:
    from riffengine.daw.check import check
    from riffengine.daw.install import installed

    places = [(kind, place) for kind, place in installed(directory) if kind in formats]
    if not places:
        print("the plugin is not installed; run riffengine plugin install", file=sys.stderr)
        return 1
    seen = [row for kind, place in places if kind != "vst3" for row in check(kind, place)]
    if any(kind == "vst3" for kind, _ in places):
        print("VST3 is not checked: our host for it tells plugins no time", file=sys.stderr)
    if arguments.json:
        print(json.dumps([asdict(row) for row in seen]))
    else:
        for row in seen:
            verdict = row.problem or (
                f"{row.frames} frames from bar 9, all on their beat; {row.parameters} parameters; "
                f"{row.microseconds:.0f} us for a block of 256"
            )
            print(f"{row.format:5} {row.name:34} {verdict}")
    return 1 if any(row.problem for row in seen) else 0


PLUGIN = Verb("build, install and check Riffengine as a plugin for DAWs", _plugin, _add_arguments, _EXAMPLES)
