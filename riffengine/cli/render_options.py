"""The performer's controls as options of ``render``: character, chords, takes, stems, and files for stems and notes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from riffengine.cli.arguments import integer, number
from riffengine.errors import OutOfRange
from riffengine.performance.gain import LOUDEST_DB, SILENT_DB, linear_gain
from riffengine.processes.render_request import RENDER_CONTROLS

if TYPE_CHECKING:
    from riffengine.performance.command import Value

EXAMPLES = """\
  riffengine render --prompt "house, piano" --chords "Am F C G" --stems parts/ --midi house.mid -o house.wav
  riffengine render --prompt "house, piano" --takes "drums:1-8:1" --mute bass --density 0.5 -o other-drums.wav
"""


def add_performer_arguments(parser: argparse.ArgumentParser) -> None:
    """Every control of a deck that ``play`` has too, and files for stems and notes."""
    music = parser.add_argument_group("how the loop is played")
    for control in RENDER_CONTROLS:
        kind, read, metavar = (int, integer, "N") if control.kind == "int" else (float, number, "X")
        unit = f" {control.unit}" if control.unit else ""
        text = f"{control.meaning}, {control.low:g} to {control.high:g}{unit} (default {control.default:g})"
        music.add_argument(f"--{control.name}", type=read, default=kind(control.default), metavar=metavar, help=text)
    music.add_argument("--chords", default="", metavar="TEXT", help='chords to follow, such as "Am7 F C/E G"')
    music.add_argument(
        "--takes",
        default="",
        metavar="TEXT",
        help="what is generated again, as stems:beats:take, such as drums:1-8:1 or bass+harmony:5-8:2, in this order",
    )
    stems = parser.add_argument_group("stems")
    stems.add_argument(
        "--mute", action="append", default=[], metavar="STEM", help="leave this stem out; may be repeated"
    )
    stems.add_argument(
        "--solo", action="append", default=[], metavar="STEM", help="render only this stem; may be repeated"
    )
    stems.add_argument(
        "--level",
        action="append",
        default=[],
        metavar="STEM=DB",
        help=f"level of a stem, {SILENT_DB} to {LOUDEST_DB} dB, such as drums=-6",
    )
    stems.add_argument("--stems", type=Path, metavar="DIR", help="write each stem that is heard as a file of its own")
    parser.add_argument("--midi", type=Path, metavar="FILE", help="also write the notes, as a MIDI file (.mid)")


def loop_values(arguments: argparse.Namespace) -> dict[str, Value]:
    """The values of these options that determine a loop, by their names in ``offline.loop_request``."""
    controls: dict[str, Value] = {control.name: getattr(arguments, control.name) for control in RENDER_CONTROLS}
    return {**controls, "chords": arguments.chords, "takes": arguments.takes}


def levels(arguments: argparse.Namespace, stems: Sequence[str]) -> dict[str, float]:
    """The linear gain of every stem, as mute, solo and level have it; at least one must be heard."""
    from riffengine.performance.parameters import standard_tree

    tree = standard_tree(("a",), stems)
    gains = dict.fromkeys(stems, 1.0)
    for text in arguments.level:
        stem, _, db = text.partition("=")
        _check_stem("--level", stem, stems)
        try:
            gain_db = float(db)
        except ValueError:
            raise OutOfRange(f"--level {text}: write a stem and its level in dB, such as drums=-6") from None
        tree.check(f"deck/a/stem/{stem}/gain", gain_db)
        gains[stem] = linear_gain(gain_db)
    for option, named in (("--mute", arguments.mute), ("--solo", arguments.solo)):
        for stem in named:
            _check_stem(option, stem, stems)
    gains.update((stem, 0.0) for stem in arguments.mute)
    if arguments.solo:
        gains.update((stem, 0.0) for stem in stems if stem not in arguments.solo)
    if not any(gains.values()):
        raise OutOfRange("no stem is left; remove a --mute, a --solo or a --level")
    return gains


def _check_stem(option: str, stem: str, stems: Sequence[str]) -> None:
    if stem not in stems:
        raise OutOfRange(f"{option}: {stem!r} is not a stem of this model; its stems are {', '.join(stems)}")
