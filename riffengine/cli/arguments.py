"""What can be typed: every verb with its options, their units and their help."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from riffengine import __version__

_DESCRIPTION = """\
Riffengine: latent diffusion that can be played. Type what you want to hear; it dreams loops that never leave the beat
and lets you morph between them while they play, with a MIDI controller or by OSC.
"""

_EXAMPLES = """\
start here:
  riffengine doctor                                    is everything in place?
  riffengine play presets/first-sound.yaml             an endless stream; Ctrl-C fades out
  riffengine play --prompt "dub techno" --to "bossa nova" --bpm 110
  riffengine render --prompt "jazz piano" --to "house" --bars 16 -o morph.flac
  riffengine words                                     what the bundled model understands

`riffengine VERB --help` explains one verb.
"""

_PLAY_EXAMPLES = """\
examples:
  riffengine play presets/first-sound.yaml             a preset as it is
  riffengine play presets/first-sound.yaml --bpm 72 --record tonight.flac
  riffengine play --output paced --seconds 60 --record sketch.wav      without any sound device

While it plays, every parameter is an OSC address:
  oscsend localhost 9000 /riff/deck/a/prompt s "dub techno"
"""

_RENDER_EXAMPLES = """\
examples:
  riffengine render --prompt "trap bells" --seed 7 -o bells.wav
  riffengine render --prompt "jazz piano" --to "deep house" --alpha 0.3 -o between.wav
  riffengine render --prompt "jazz piano" --to "deep house" --bars 16 --bpm 96 -o journey.flac
  riffengine render --journal set.jsonl -o set.wav             a set played with --journal, to the same samples
  riffengine render --journal set.jsonl --steps 24 -o finer.wav         the same set, every loop rendered finer

The same arguments give the same samples.
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command; the chosen verb is ``arguments.verb``, ``None`` when there is none."""
    parser = argparse.ArgumentParser(
        prog="riffengine", description=_DESCRIPTION, epilog=_EXAMPLES, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"riffengine {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")

    def add(verb: str, add_arguments: Callable[[argparse.ArgumentParser], None], text: str, examples: str = "") -> None:
        one = verbs.add_parser(
            verb, help=text, description=text, epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        add_arguments(one)

    add("play", add_play_arguments, "play an endless stream, live", _PLAY_EXAMPLES)
    add("render", add_render_arguments, "write a loop or a morph to a file", _RENDER_EXAMPLES)
    add("devices", lambda _: None, "list sound outputs and MIDI ports")
    add("words", lambda _: None, "list the words the bundled model understands")
    add("doctor", add_json_argument, "what is installed, what is missing, what to do")
    add("bench", add_bench_arguments, "how fast this machine renders a loop, part by part")
    add("rehearse", add_rehearse_arguments, "play a preset for hours in seconds, on virtual time, without a model")
    return parser


def add_play_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``play``. What is not given (``None``) is left to the preset."""
    parser.add_argument("preset", nargs="?", type=Path, metavar="PRESET", help="a YAML preset; without it, defaults")
    parser.add_argument(
        "--resume", action="store_true", help="go on where the last set was, its loops sounding before the model loads"
    )
    music = parser.add_argument_group("music (in place of what the preset says, on its first deck)")
    music.add_argument("--prompt", metavar="TEXT", help="what is dreamt at alpha 0")
    music.add_argument("--to", metavar="TEXT", help="what is dreamt at alpha 1")
    music.add_argument("--negative", metavar="TEXT", help="what to stay away from")
    music.add_argument("--seed", type=int, metavar="N", help="the noise that the dream starts from")
    music.add_argument("--bpm", type=float, metavar="BPM", help="tempo, 60 to 180; pitch stays")
    music.add_argument("--key", metavar="KEY", help='for example "A minor"; "" is C major or A minor')
    music.add_argument("--alpha", type=float, metavar="A", help="where between prompt and --to, 0 to 1")
    music.add_argument("--drift", type=float, metavar="D", help="alpha walked by itself in a loop, 0 stands still")
    sound = parser.add_argument_group("sound")
    sound.add_argument(
        "--output", choices=("auto", "device", "paced"), help="auto: the device, or paced (silent) where there is none"
    )
    sound.add_argument("--device", metavar="NAME", help="number or part of the name, see `riffengine devices`")
    sound.add_argument(
        "--block", type=_positive_int, metavar="FRAMES", help="frames per block: less is faster, riskier"
    )
    sound.add_argument("--record", type=_audio_file, metavar="FILE", help="keep what is heard: .flac or .wav")
    sound.add_argument("--seconds", type=_positive_float, metavar="S", help="end after this long; else Ctrl-C ends")
    control = parser.add_argument_group("control")
    osc = control.add_mutually_exclusive_group()
    osc.add_argument("--osc-port", type=_port, metavar="PORT", help="UDP port to listen for OSC on")
    osc.add_argument("--no-osc", action="store_true", help="do not listen for OSC")
    control.add_argument("--no-midi", action="store_true", help="do not open MIDI ports")
    control.add_argument("--journal", type=Path, metavar="FILE", help="write every command with its beat to this file")


def add_render_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``render``. ``--alpha`` gives one loop, ``--bars`` a journey from alpha 0 to 1."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--prompt", metavar="TEXT", help="what is dreamt at alpha 0")
    what.add_argument("--journal", type=Path, metavar="FILE", help="play this set again; only --steps goes with it")
    parser.add_argument("--to", default="", metavar="TEXT", help="what is dreamt at alpha 1; without it, the prompt")
    parser.add_argument("--negative", default="", metavar="TEXT", help="what to stay away from")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the noise at alpha 0 (default 0)")
    parser.add_argument("--to-seed", type=int, metavar="N", help="the noise at alpha 1 (default: --seed)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--alpha", type=float, metavar="A", help="one loop, this far from prompt to --to (default 0)")
    where.add_argument("--bars", type=_positive_int, metavar="N", help="N bars in which alpha travels from 0 to 1")
    parser.add_argument("--bpm", type=float, default=120.0, metavar="BPM", help="tempo, 60 to 180 (default 120)")
    parser.add_argument("--key", default="", metavar="KEY", help='for example "A minor" (default: C major or A minor)')
    parser.add_argument("--steps", type=_positive_int, metavar="N", help="denoising steps (8; the set's own)")
    parser.add_argument("--guidance", type=float, default=2.0, metavar="G", help="how strictly the prompt is followed")
    parser.add_argument("--init", type=Path, metavar="FILE", help="audio to start from instead of noise alone")
    parser.add_argument(
        "--strength",
        type=float,
        default=0.6,
        metavar="S",
        help="how much of --init is dreamt anew, 0 to 1 (default 0.6)",
    )
    parser.add_argument("--rate", type=int, choices=(44100, 48000), default=44100, help="samples per second")
    parser.add_argument("-o", "--out", type=_audio_file, required=True, metavar="FILE", help=".wav or .flac")
    add_json_argument(parser)


def add_bench_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``bench``."""
    parser.add_argument("--loops", type=_positive_int, default=20, metavar="N", help="loops to render (default 20)")
    parser.add_argument("--steps", type=_positive_int, default=8, metavar="N", help="denoising steps (default 8)")
    parser.add_argument("--threads", type=_positive_int, default=1, metavar="N", help="torch threads (default 1)")
    add_json_argument(parser)


def add_rehearse_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``rehearse``."""
    parser.add_argument("preset", type=Path, metavar="PRESET", help="a YAML preset")
    parser.add_argument("--hours", type=_positive_float, default=1.0, metavar="H", help="hours to play (default 1)")
    parser.add_argument(
        "--block", type=_positive_int, default=512, metavar="FRAMES", help="frames per block (default 512)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the scripted renderer (default 0)")
    parser.add_argument(
        "--render-seconds", type=_pair, default=(0.5, 0.8), metavar="P50,P95", help="as bench prints them (0.5,0.8)"
    )
    parser.add_argument(
        "--failures", type=float, default=0.01, metavar="SHARE", help="renders that fail (default 0.01)"
    )
    parser.add_argument(
        "--crash-every",
        type=float,
        default=1800.0,
        metavar="S",
        help="mean seconds between deaths of the renderer, 0: none",
    )
    parser.add_argument(
        "--rate", type=_positive_int, default=1000, metavar="HZ", help="sample rate: no decision depends on it (1000)"
    )
    add_json_argument(parser)


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """``--json``: the result for programs, on stdout, and nothing else there."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _positive_int(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not allowed; give a whole number from 1 up")
    return number


def _positive_float(text: str) -> float:
    number = float(text)
    if not 0.0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not allowed; give a number above 0")
    return number


def _pair(text: str) -> tuple[float, float]:
    first, _, second = text.partition(",")
    return float(first), float(second or first)


def _port(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port; give a number from 1 to 65535")
    return number


def _audio_file(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in (".wav", ".flac"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither .wav nor .flac; the ending chooses the format")
    return path
