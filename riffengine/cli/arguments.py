"""What can be typed: every verb with its options, their units and their help."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from riffengine import __version__
from riffengine.cli import learn, models, render_options, spectrograms
from riffengine.cli.serve import EXAMPLES as SERVE_EXAMPLES
from riffengine.cli.serve import add_serve_arguments
from riffengine.errors import ControlError

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
  riffengine learn deck/a/alpha                        then move the knob that shall do it
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

_RENDER_EXAMPLES = f"""\
examples:
  riffengine render --prompt "trap bells" --seed 7 -o bells.wav
  riffengine render --prompt "jazz piano" --to "deep house" --alpha 0.3 -o between.wav
  riffengine render --prompt "jazz piano" --to "deep house" --bars 16 --bpm 96 -o journey.flac
{render_options.EXAMPLES}\
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
    add(
        "serve",
        lambda parser: add_serve_arguments(parser, _audio_file, _port, _add_osc_arguments),
        "play a preset as a service: log, health, metrics, watchdog",
        SERVE_EXAMPLES,
    )
    add("render", add_render_arguments, "write a loop or a morph to a file", _RENDER_EXAMPLES)
    add(
        "to-image",
        spectrograms.add_to_image_arguments,
        "write the picture of a sound file",
        spectrograms.TO_IMAGE_EXAMPLES,
    )
    add("to-audio", spectrograms.add_to_audio_arguments, "write the sound of a picture", spectrograms.TO_AUDIO_EXAMPLES)
    add("learn", learn.add_learn_arguments, "teach a MIDI control by moving it", learn.LEARN_EXAMPLES)
    add("models", models.add_models_arguments, "list, fetch or check checkpoints", models.MODELS_EXAMPLES)
    add("convert", models.add_convert_arguments, "free a checkpoint of its pickles", models.CONVERT_EXAMPLES)
    add("devices", lambda _: None, "list sound outputs and MIDI ports")
    add("words", lambda _: None, "list the words the bundled model understands")
    add("doctor", add_json_argument, "what is installed, what is missing, what to do")
    add("bench", add_bench_arguments, "how fast this machine renders a loop, or how soon a gesture is heard")
    add("rehearse", add_rehearse_arguments, "play a preset for hours in seconds, on virtual time, without a model")
    return parser


def add_play_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``play``. What is not given (``None``) is left to the preset."""
    parser.add_argument("preset", nargs="?", type=Path, metavar="PRESET", help="a YAML preset; without it, defaults")
    parser.add_argument(
        "--resume", action="store_true", help="go on where the last set was, its loops sounding before the model loads"
    )
    parser.add_argument("--tui", action="store_true", help="a dashboard on the terminal, with keys to play it")
    parser.add_argument("--model", metavar="MODEL", help="in place of the preset's: bundled, a checkpoint, or weights")
    models.add_budget_argument(parser)
    music = parser.add_argument_group("music (in place of what the preset says, on its first deck)")
    music.add_argument("--prompt", metavar="TEXT", help="what is dreamt at alpha 0")
    music.add_argument("--to", metavar="TEXT", help="what is dreamt at alpha 1")
    music.add_argument("--negative", metavar="TEXT", help="what to stay away from")
    music.add_argument("--seed", type=int, metavar="N", help="the noise that the dream starts from")
    music.add_argument(
        "--bpm", type=float, metavar="BPM", help="tempo, 60 to 180 (20 to 999 by its octaves); pitch stays"
    )
    music.add_argument("--key", metavar="KEY", help='for example "A minor"; "" is C major or A minor')
    music.add_argument("--alpha", type=float, metavar="A", help="where between prompt and --to, 0 to 1")
    music.add_argument("--drift", type=float, metavar="D", help="alpha walked by itself in a loop, 0 stands still")
    music.add_argument("--loop-beats", type=int, choices=(4, 8, 16), help="beats of a loop, in place of the preset's")
    sound = parser.add_argument_group("sound")
    sound.add_argument(
        "--output", choices=("auto", "device", "paced"), help="auto: the device, or paced (silent) where there is none"
    )
    sound.add_argument("--device", metavar="NAME", help="number or part of the name, see `riffengine devices`")
    sound.add_argument("--block", type=_block, metavar="FRAMES", help="frames per block: less is faster, riskier")
    sound.add_argument("--record", type=_audio_file, metavar="FILE", help="keep what is heard: .flac or .wav")
    sound.add_argument("--seconds", type=_positive_float, metavar="S", help="end after this long; else Ctrl-C ends")
    control = parser.add_argument_group("control")
    _add_osc_arguments(control)
    control.add_argument(
        "--map",
        action="append",
        metavar="NAME",
        help="a map of docs/controllers.md or a file; NAME=PORT for a controller of another name; again for another",
    )
    control.add_argument("--no-midi", action="store_true", help="do not open MIDI ports")
    control.add_argument(
        "--clock-out",
        nargs="?",
        const="",
        metavar="PORT",
        help="send MIDI clock to PORT (without it: to a port of ours)",
    )
    control.add_argument(
        "--notes-out",
        nargs="?",
        const="",
        metavar="PORT",
        help="send the notes of the loops that sound to PORT, for other instruments (without it: to a port of ours)",
    )
    control.add_argument("--journal", type=Path, metavar="FILE", help="write every command with its beat to this file")
    control.add_argument(
        "--latency-csv", type=Path, metavar="FILE", help="write how many ms every gesture took to the ear"
    )


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
    parser.add_argument(
        "--bpm",
        type=float,
        default=120.0,
        metavar="BPM",
        help="tempo, 60 to 180, or 20 to 999 by its octaves (default 120)",
    )
    parser.add_argument("--loop-beats", type=int, choices=(4, 8, 16), default=8, help="beats of a loop (default 8)")
    parser.add_argument("--key", default="", metavar="KEY", help='for example "A minor" (default: C major or A minor)')
    parser.add_argument("--steps", type=_positive_int, metavar="N", help="denoising steps (8; the set's own)")
    parser.add_argument("--guidance", type=float, default=3.0, metavar="G", help="how strictly the prompt is followed")
    parser.add_argument("--init", type=Path, metavar="FILE", help="audio to start from instead of noise alone")
    parser.add_argument(
        "--strength",
        type=float,
        default=0.6,
        metavar="S",
        help="how much of --init is dreamt anew, 0 to 1 (default 0.6)",
    )
    parser.add_argument("--whole", action="store_true", help="all of --init at its own tempo, with a checkpoint")
    parser.add_argument("--rate", type=int, choices=(44100, 48000), default=44100, help="samples per second")
    parser.add_argument(
        "--model", default="bundled", metavar="MODEL", help="a checkpoint's folder or hub name, or weights (bundled)"
    )
    models.add_budget_argument(parser)
    parser.add_argument("-o", "--out", type=_audio_file, required=True, metavar="FILE", help=".wav or .flac")
    render_options.add_performer_arguments(parser)
    add_json_argument(parser)


def add_bench_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``bench``: of the renderer's speed first, then those of ``bench latency``."""
    parser.add_argument(
        "what",
        nargs="?",
        choices=("render", "latency", "osc"),
        default="render",
        help="render: how long a loop takes (default). latency: from an OSC message to the changed sample, on a JACK "
        "server with the dummy driver (needs jackd2 and gcc). osc: from an OSC message to its answer, alone and while "
        "another client sends 10,000 messages a second",
    )
    parser.add_argument(
        "--changes",
        type=_positive_int,
        default=30,
        metavar="N",
        help="latency: gestures of each class (default 30). osc: above 30, gestures alone (else 1000)",
    )
    parser.add_argument(
        "--block", type=_positive_int, default=128, metavar="FRAMES", help="latency: frames a block (default 128)"
    )
    parser.add_argument(
        "--idle-seconds",
        type=_positive_float,
        default=60.0,
        metavar="S",
        help="latency: how long the idle machine is watched for xruns (default 60)",
    )
    parser.add_argument(
        "--classes",
        default="gain,mute,crossfader,alpha,stem,prompt,landing",
        metavar="NAMES",
        help="latency: which of gain, mute, crossfader, alpha, stem (the mute of one), prompt, landing (how soon it is "
        "answered), seed (default: all but seed)",
    )
    parser.add_argument("--loops", type=_positive_int, default=20, metavar="N", help="loops to render (default 20)")
    parser.add_argument("--steps", type=_positive_int, default=8, metavar="N", help="denoising steps (default 8)")
    parser.add_argument("--threads", type=_positive_int, default=1, metavar="N", help="torch threads (default 1)")
    add_json_argument(parser)


def add_rehearse_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``rehearse``."""
    parser.add_argument("preset", type=Path, metavar="PRESET", help="a YAML preset")
    parser.add_argument("--hours", type=_positive_float, default=1.0, metavar="H", help="hours to play (default 1)")
    parser.add_argument("--block", type=_block, default=1024, metavar="FRAMES", help="frames per block (default 1024)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the scripted renderer, and the first seed")
    parser.add_argument(
        "--seeds",
        type=_positive_int,
        metavar="N",
        help="play N sets, each with another performer's hands and other troubles of the renderer "
        "(default: one set that nobody touches)",
    )
    parser.add_argument("--processes", type=_positive_int, default=2, metavar="N", help="with --seeds (default 2)")
    parser.add_argument(
        "--journal",
        type=Path,
        metavar="FILE",
        help="the hands of a set that was played (play --journal), on this preset",
    )
    parser.add_argument(
        "--render-seconds", type=_pair, default=(0.5, 0.8), metavar="P50,P95", help="as bench prints them (0.5,0.8)"
    )
    parser.add_argument(
        "--failures", type=_share, default=0.01, metavar="SHARE", help="renders that fail (default 0.01)"
    )
    parser.add_argument(
        "--crash-every",
        type=_not_negative,
        default=1800.0,
        metavar="S",
        help="mean seconds between deaths of the renderer, 0: none",
    )
    parser.add_argument(
        "--rate",
        type=_positive_int,
        default=0,
        metavar="HZ",
        help="sample rate: no decision depends on it (default: near 1000, a loop being whole frames)",
    )
    add_json_argument(parser)


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """``--json``: the result for programs, on stdout, and nothing else there."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _positive_int(text: str) -> int:
    return _whole(text, 1, None)


def _block(text: str) -> int:
    return _whole(text, 16, 8192)


def _port(text: str) -> int:
    return _whole(text, 1, 65535)


def _whole(text: str, least: int, most: int | None) -> int:
    allowed = f"from {least} up" if most is None else f"from {least} to {most}"
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least or (most is not None and number > most):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; give a whole number {allowed}")
    return number


def _positive_float(text: str) -> float:
    return _number(text, lambda number: 0.0 < number < float("inf"), "above 0")


def _not_negative(text: str) -> float:
    return _number(text, lambda number: 0.0 <= number < float("inf"), "from 0 up")


def _share(text: str) -> float:
    return _number(text, lambda number: 0.0 <= number <= 1.0, "from 0 to 1")


def _number(text: str, allowed: Callable[[float], bool], range_: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not allowed(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; give a number {range_}")
    return number


def _add_osc_arguments(control: argparse._ArgumentGroup) -> None:
    osc = control.add_mutually_exclusive_group()
    osc.add_argument("--osc-port", type=_port, metavar="PORT", help="UDP port to listen for OSC on")
    osc.add_argument("--no-osc", action="store_true", help="do not listen for OSC")
    control.add_argument(
        "--osc-bind", metavar="HOST", help="hear OSC on this address; 0.0.0.0 is all: anybody in the network can play"
    )
    control.add_argument(
        "--osc-allow",
        action="append",
        type=_network,
        metavar="NET",
        help="who else may play, such as 192.168.1.20 or 192.168.1.0/24; again for another",
    )


def _network(text: str) -> str:
    from riffengine.control.osc.options import parse_network

    try:
        parse_network(text)
    except ControlError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _pair(text: str) -> tuple[float, float]:
    first, _, second = text.partition(",")
    return _positive_float(first), _positive_float(second or first)


def _audio_file(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in (".wav", ".flac"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither .wav nor .flac; the ending chooses the format")
    return path
