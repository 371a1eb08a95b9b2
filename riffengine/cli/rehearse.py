"""``rehearse``: a preset played for hours in seconds, on virtual time, with a scripted renderer."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from riffengine.cli.arguments import (
    PRESET_HELP,
    add_json_argument,
    block_frames,
    integer,
    not_negative,
    pair,
    positive_float,
    positive_int,
    print_json,
    share,
    show,
)
from riffengine.cli.verb import Verb

_EXAMPLES = """\
examples:
  riffengine rehearse techno-walk --hours 8
  riffengine rehearse dj-two-prompts --hours 1 --seeds 10      ten sets that a random performer plays
"""
_GOOD = "nothing went wrong: no gap, every landing on its frame, no message late or refused"
_BAD = "something went wrong: gaps, landing errors, late and refused messages must be 0, and peak above 0"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("preset", metavar="PRESET", help=PRESET_HELP)
    parser.add_argument("--hours", type=positive_float, default=1.0, metavar="H", help="hours to play (default 1)")
    parser.add_argument(
        "--block", type=block_frames, default=1024, metavar="FRAMES", help="frames per block (default 1024)"
    )
    parser.add_argument(
        "--seed", type=integer, default=0, metavar="N", help="seed of the scripted renderer, and the first of --seeds"
    )
    parser.add_argument(
        "--seeds",
        type=positive_int,
        metavar="N",
        help="play N sets, each with another random performer and other faults of the renderer "
        "(default: one set without a performer)",
    )
    parser.add_argument(
        "--processes", type=positive_int, default=2, metavar="N", help="processes that play --seeds (default 2)"
    )
    parser.add_argument(
        "--journal",
        type=Path,
        metavar="FILE",
        help="apply the commands of a set that was played (play --journal) to this preset",
    )
    parser.add_argument(
        "--render-seconds",
        type=pair,
        default=(0.5, 0.8),
        metavar="P50,P95",
        help="seconds per render as `riffengine bench` prints them (default 0.5,0.8)",
    )
    parser.add_argument(
        "--failures", type=share, default=0.01, metavar="SHARE", help="share of renders that fail (default 0.01)"
    )
    parser.add_argument(
        "--crash-every",
        type=not_negative,
        default=1800.0,
        metavar="S",
        help="mean seconds between crashes of the renderer; 0 is none (default 1800)",
    )
    parser.add_argument(
        "--rate",
        type=positive_int,
        default=0,
        metavar="HZ",
        help="sample rate; no decision depends on it (default: near 1000, so that a loop has whole frames)",
    )
    add_json_argument(parser)


def _rehearse(arguments: argparse.Namespace) -> int:
    """Play a preset on virtual time; status 1 when anything went wrong."""
    from riffengine.performance.journal import read_journal
    from riffengine.rehearsal import RehearsalPlan, rehearse_seeds, rehearse_session, went_wrong
    from riffengine.session.named_files import find_preset
    from riffengine.session.session import load_session

    median, slow = arguments.render_seconds
    plan = RehearsalPlan(
        hours=arguments.hours,
        block_frames=arguments.block,
        sample_rate=arguments.rate,
        render_p50=median,
        render_p95=slow,
        failure_share=arguments.failures,
        crash_every_seconds=arguments.crash_every,
        seed=arguments.seed,
        journal=None if arguments.journal is None else read_journal(arguments.journal),
    )
    session = load_session(find_preset(arguments.preset))
    if arguments.seeds:
        result = rehearse_seeds(session, plan, arguments.seeds, arguments.processes, _print_progress)
    else:
        result = rehearse_session(session, plan)
    if arguments.json:
        print_json(result)
    else:
        for name, value in result.items():
            for line in value if isinstance(value, list) else [value]:
                show(f"{name:24} {line}")
        show(_BAD if went_wrong(result) else _GOOD)
    return 1 if went_wrong(result) else 0


def _print_progress(text: str) -> None:
    show(text, file=sys.stderr, flush=True)


REHEARSE = Verb(
    "play a preset for hours in seconds, on virtual time, without a model", _rehearse, _add_arguments, _EXAMPLES
)
