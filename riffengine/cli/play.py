"""``play``: an endless stream, live, until the time is up or Ctrl-C."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from riffengine.cli.arguments import PRESET_HELP, block_frames, integer, number, positive_float, tempo
from riffengine.cli.models import add_budget_argument, check_model, with_budget
from riffengine.cli.play_options import (
    add_control_arguments,
    add_sound_arguments,
    check_recording,
    play_options,
    session_with,
)
from riffengine.cli.verb import Verb
from riffengine.errors import RiffError
from riffengine.performance.command import Command, Value

if TYPE_CHECKING:
    from riffengine.recovery import Recovery
    from riffengine.session.session import Session

_EXAMPLES = """\
examples:
  riffengine play first-sound                          a preset as it is; `riffengine presets` lists them
  riffengine play my-set.yaml                          a preset of your own
  riffengine play first-sound --bpm 72 --record tonight.flac
  riffengine play dj-two-prompts --map generic-8       with eight knobs of any controller
  riffengine play --output paced --seconds 60 --record sketch.wav      without any sound device

While it plays, every parameter is an OSC address:
  oscsend localhost 9000 /riff/deck/a/prompt s "dub techno"
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is not given (``None``) is left to the preset."""
    parser.add_argument("preset", nargs="?", metavar="PRESET", help=f"{PRESET_HELP}; without it, defaults")
    parser.add_argument(
        "--resume", action="store_true", help="continue the last set; its loops sound before the model is loaded"
    )
    parser.add_argument("--tui", action="store_true", help="show a dashboard in the terminal, with keys to play it")
    parser.add_argument(
        "--model", metavar="MODEL", help="in place of the preset's model: bundled, a checkpoint, or a weights file"
    )
    add_budget_argument(parser)
    music = parser.add_argument_group("music (in place of the preset's values, on its first deck)")
    music.add_argument("--prompt", metavar="TEXT", help="what is heard at alpha 0")
    music.add_argument("--to", metavar="TEXT", help="what is heard at alpha 1")
    music.add_argument("--negative", metavar="TEXT", help="what to avoid")
    music.add_argument("--seed", type=integer, metavar="N", help="the noise that a loop starts from")
    music.add_argument(
        "--bpm",
        type=tempo,
        metavar="BPM",
        help="tempo, 60 to 180; others from 20 to 999 are doubled or halved; the pitch stays",
    )
    music.add_argument("--key", metavar="KEY", help='for example "A minor"; "" is C major or A minor')
    music.add_argument("--alpha", type=number, metavar="A", help="position between --prompt and --to, 0 to 1")
    music.add_argument(
        "--drift", type=number, metavar="D", help="how far alpha moves by itself in each loop; at 0 it does not move"
    )
    music.add_argument(
        "--memory", metavar="PART", help="what the drift keeps from loop to loop: groove, harmony, turns, or off"
    )
    music.add_argument(
        "--tension", type=number, metavar="X", help="how far energy rises before each change of a drift with memory"
    )
    music.add_argument(
        "--loop-beats", type=integer, choices=(4, 8, 16), help="beats of a loop, in place of the preset's"
    )
    sound = add_sound_arguments(parser)
    sound.add_argument(
        "--block",
        type=block_frames,
        metavar="FRAMES",
        help="frames per block; smaller blocks give less latency and a higher risk of dropouts",
    )
    sound.add_argument(
        "--seconds",
        type=positive_float,
        metavar="S",
        help="end when music has been heard for so long; without it, play until Ctrl-C",
    )
    sound.add_argument(
        "--latency-csv", type=Path, metavar="FILE", help="write the time from each gesture to its sound, in ms"
    )
    control = add_control_arguments(parser)
    control.add_argument(
        "--map",
        action="append",
        metavar="NAME",
        help="a controller map by name (see docs/controllers.md) or file; NAME=PORT uses it for a controller of "
        "another name; may be repeated",
    )
    control.add_argument(
        "--clock-out",
        nargs="?",
        const="",
        metavar="PORT",
        help="send MIDI clock to PORT; without PORT, to its own port",
    )
    control.add_argument(
        "--notes-out",
        nargs="?",
        const="",
        metavar="PORT",
        help="send the notes of the loops that sound to PORT, for other instruments; without PORT, to its own port",
    )


def _play(arguments: argparse.Namespace) -> int:
    """Play; the engine turns Ctrl-C into a fade-out and status 0."""
    from riffengine.clock import SystemClock
    from riffengine.engine import run_play
    from riffengine.recovery import Recovery

    recovery = Recovery.open(os.environ, SystemClock().unix_seconds(), arguments.resume)
    try:
        session = session_with(arguments, _chosen_session(arguments, recovery))
        commands = tuple(parameter_commands(arguments, session.decks[0]))
        observers = None
        if arguments.tui:
            from riffengine.dashboard.process import open_dashboard

            observers = open_dashboard()
        return run_play(session, play_options(arguments, recovery, commands), observers)
    except RiffError:
        recovery.mark_ended()  # an explained error is no crash
        raise


def _chosen_session(arguments: argparse.Namespace, recovery: Recovery) -> Session:
    """The session of the named preset, of the preset that is resumed, or the default one."""
    from riffengine.session.named_files import find_preset
    from riffengine.session.session import default_session, load_session

    saved = recovery.saved.preset if recovery.saved else ""
    preset = find_preset(arguments.preset) if arguments.preset else Path(saved) if saved else None
    session = load_session(preset, arguments.model) if preset else default_session()
    model = with_budget(arguments.model or session.model, arguments.vram)
    check_model(model)
    check_recording(preset, session)
    recovery.preset = str(preset.resolve()) if preset else ""
    return session.with_given(model=model)


def parameter_commands(arguments: argparse.Namespace, deck: str = "a") -> Iterator[Command]:
    """The music options that were given, as commands to the parameter tree (which checks their range)."""
    paths: dict[str, Value | None] = {
        "transport/tempo": arguments.bpm,
        "transport/clock_out": None if arguments.clock_out is None else True,
        "midi/notes_out": None if arguments.notes_out is None else True,
        "key": arguments.key,
        f"deck/{deck}/prompt": arguments.prompt,
        f"deck/{deck}/to": arguments.to,
        f"deck/{deck}/negative": arguments.negative,
        f"deck/{deck}/seed": arguments.seed,
        f"deck/{deck}/alpha": arguments.alpha,
        f"deck/{deck}/drift": arguments.drift,
        f"deck/{deck}/memory": arguments.memory,
        f"deck/{deck}/tension": arguments.tension,
    }
    for path, value in paths.items():
        if value is not None:
            yield Command(path, value, source="cli")


PLAY = Verb("play an endless stream, live", _play, _add_arguments, _EXAMPLES)
