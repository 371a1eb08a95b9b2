"""``render``: a loop, a morph over some bars, or a journal of a set, written to a file."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from riffengine.cli import render_options
from riffengine.cli.arguments import (
    add_json_argument,
    counted,
    integer,
    number,
    positive_int,
    print_json,
    rendered_file,
    show,
    tempo,
)
from riffengine.cli.models import add_budget_argument, with_budget
from riffengine.cli.replay import replay
from riffengine.cli.verb import Verb
from riffengine.errors import AudioFileError, OutOfRange
from riffengine.processes.audio_files import AUDIO_ENDINGS_TEXT, RENDERED_ENDINGS_TEXT, is_audio_file
from riffengine.processes.render_request import DEFAULT_MODEL, RENDER_CONTROLS

if TYPE_CHECKING:
    from riffengine.offline.render import RenderJob

_DEFAULT_STEPS = 8
_OF_A_JOURNAL = frozenset({"journal", "prompt", "steps", "out", "json"})
_OF_A_SONG = frozenset(  # --bpm and --bars would be those of the song, and its stems are not kept apart
    {
        *("prompt", "to", "negative", "seed", "to_seed", "alpha", "loop_beats", "key", "steps", "guidance", "init"),
        *("strength", "whole", "rate", "model", "vram", "out", "json", "takes", "chords"),
        *(control.name for control in RENDER_CONTROLS),
    }
)
_EXAMPLES = f"""\
examples:
  riffengine render --prompt "trap bells" --seed 7 -o bells.wav
  riffengine render --prompt "jazz piano" --to "deep house" --alpha 0.3 -o between.wav
  riffengine render --prompt "jazz piano" --to "deep house" --bars 16 --bpm 96 -o journey.flac
{render_options.EXAMPLES}\
  riffengine render --journal set.jsonl -o set.wav             a set played with --journal, to the same samples
  riffengine render --journal set.jsonl --steps 24 -o finer.wav         the same set with finer loops

The same arguments give the same samples.
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    """``--alpha`` gives one loop, ``--bars`` a morph from alpha 0 to 1."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--prompt", metavar="TEXT", help="what is heard at alpha 0")
    what.add_argument(
        "--journal", type=Path, metavar="FILE", help="journal of a set to render again; only --steps can be added"
    )
    parser.add_argument("--to", default="", metavar="TEXT", help="what is heard at alpha 1; without it, the prompt")
    parser.add_argument("--negative", default="", metavar="TEXT", help="what to avoid")
    parser.add_argument("--seed", type=integer, default=0, metavar="N", help="the noise at alpha 0 (default 0)")
    parser.add_argument("--to-seed", type=integer, metavar="N", help="the noise at alpha 1 (default: --seed)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--alpha",
        type=number,
        metavar="A",
        help="render one loop, at this position between --prompt and --to (default 0)",
    )
    where.add_argument("--bars", type=positive_int, metavar="N", help="render N bars in which alpha goes from 0 to 1")
    parser.add_argument(
        "--bpm",
        type=tempo,
        default=120.0,
        metavar="BPM",
        help="tempo, 60 to 180; others from 20 to 999 are doubled or halved (default 120)",
    )
    parser.add_argument("--loop-beats", type=integer, choices=(4, 8, 16), default=8, help="beats of a loop (default 8)")
    parser.add_argument("--key", default="", metavar="KEY", help='for example "A minor" (default: C major or A minor)')
    parser.add_argument(
        "--steps", type=positive_int, metavar="N", help="denoising steps (default 8; of a journal: those of the set)"
    )
    parser.add_argument("--guidance", type=number, default=3.0, metavar="G", help="how closely the prompt is followed")
    parser.add_argument("--init", type=Path, metavar="FILE", help="audio to start from instead of noise alone")
    parser.add_argument(
        "--strength",
        type=number,
        default=0.6,
        metavar="S",
        help="how much of --init is generated anew, 0 to 1 (default 0.6)",
    )
    parser.add_argument(
        "--whole", action="store_true", help="render all of --init at its own tempo; needs a checkpoint as --model"
    )
    parser.add_argument("--rate", type=integer, choices=(44100, 48000), default=44100, help="samples per second")
    parser.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="MODEL",
        help="bundled, a checkpoint's folder or hub name, or a weights file (default %(default)s)",
    )
    add_budget_argument(parser)
    parser.add_argument("-o", "--out", type=rendered_file, required=True, metavar="FILE", help=RENDERED_ENDINGS_TEXT)
    render_options.add_performer_arguments(parser)
    add_json_argument(parser)


def _render(arguments: argparse.Namespace) -> int:
    """Render to a file; progress on stderr, the report on stdout."""
    if arguments.journal:
        _refuse_others(arguments, "--journal", _OF_A_JOURNAL)
        if not is_audio_file(arguments.out):
            raise AudioFileError(f"{arguments.out.name}: a set is written as {AUDIO_ENDINGS_TEXT}; change the ending")
        return replay(arguments)
    job = render_job(arguments)
    from rich.console import Console
    from rich.progress import Progress

    from riffengine.offline.render import check_output, load_alone, render_file
    from riffengine.offline.restyle import render_song

    check_output(job.output)
    if arguments.whole and not arguments.init:
        raise AudioFileError("--whole renders all of a sound file: name it with --init")
    if arguments.whole:
        _refuse_others(arguments, "--whole", _OF_A_SONG)
    to_file = render_song if arguments.whole else render_file
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("loading the model", total=None)
        family = load_alone(job.request.model)
        report = to_file(
            job, family, lambda done, of: bar.update(task, description="rendering", completed=done, total=of)
        )
    if report.unknown_words:
        show(f"unknown words: {', '.join(report.unknown_words)} (see `riffengine words`)", file=sys.stderr)
    if arguments.json:
        print_json(asdict(report))
        return 0
    spent = sum(report.render_seconds)
    show(f"{report.output}: {report.seconds:.2f} s, {report.frames} frames at {report.sample_rate} Hz")
    loops = counted(report.renditions, "loop")
    show(f"{loops} in {spent:.2f} s, {report.loudness_lufs:.1f} LUFS, peak {report.peak:.2f}")
    for stem in report.stems:
        show(stem)
    if report.midi:
        show(f"{report.midi}: {counted(report.notes, 'note')}")
    return 0


def _refuse_others(arguments: argparse.Namespace, option: str, allowed: frozenset[str]) -> None:
    """``OutOfRange`` for options that ``option`` would leave unheeded."""
    parser = argparse.ArgumentParser()
    _add_arguments(parser)
    unset = vars(parser.parse_args(["--prompt", "", "-o", "unset.wav"]))
    given = [name for name, value in unset.items() if name not in allowed and getattr(arguments, name) != value]
    if given:
        named = ", ".join("--" + name.replace("_", "-") for name in given)
        raise OutOfRange(f"{named} cannot be given with {option}; leave it out")


def render_job(arguments: argparse.Namespace) -> RenderJob:
    """What the options ask for; ``ParameterError`` for a value that no performance could have either."""
    from riffengine.offline.loop_request import loop_request
    from riffengine.offline.render import RenderJob
    from riffengine.renderer.registry import model_shape

    stems = model_shape(arguments.model).stems
    values = {
        "prompt": arguments.prompt,
        "to": arguments.to,
        "negative": arguments.negative,
        "seed": arguments.seed,
        "to_seed": arguments.seed if arguments.to_seed is None else arguments.to_seed,
        "alpha": arguments.alpha or 0.0,
        "bpm": arguments.bpm,
        "key": arguments.key,
        "steps": arguments.steps or _DEFAULT_STEPS,
        "guidance": arguments.guidance,
        "init": str(arguments.init or ""),
        "strength": arguments.strength,
        **render_options.loop_values(arguments),
    }
    model = with_budget(arguments.model, arguments.vram)
    return RenderJob(
        output=arguments.out,
        request=loop_request(values, stems, model, arguments.loop_beats, arguments.rate),
        bars=arguments.bars or 0,
        levels=render_options.levels(arguments, stems),
        stems=arguments.stems,
        midi=arguments.midi,
    )


RENDER = Verb("write a loop or a morph to a file", _render, _add_arguments, _EXAMPLES)
