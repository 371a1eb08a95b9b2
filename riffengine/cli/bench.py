"""``bench``: how fast this machine renders a loop, and how soon a gesture is heard or an OSC message is answered."""

from __future__ import annotations

import argparse
import sys

from riffengine.cli.arguments import add_json_argument, positive_float, positive_int, print_json
from riffengine.cli.verb import Verb

_OSC_CHANGES = 1000
_LATENCY_CHANGES = 30


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of ``bench latency`` and ``bench osc`` first, then those of the renderer's speed."""
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
        type=positive_int,
        default=_LATENCY_CHANGES,
        metavar="N",
        help=f"latency: gestures of each class (default {_LATENCY_CHANGES}). osc: messages without other traffic, "
        f"where N is above {_LATENCY_CHANGES} (default {_OSC_CHANGES})",
    )
    parser.add_argument(
        "--block", type=positive_int, default=128, metavar="FRAMES", help="latency: frames per block (default 128)"
    )
    parser.add_argument(
        "--idle-seconds",
        type=positive_float,
        default=60.0,
        metavar="S",
        help="latency: how long xruns are counted on the idle machine (default 60)",
    )
    parser.add_argument(
        "--classes",
        default="gain,mute,crossfader,alpha,stem,prompt,landing",
        metavar="NAMES",
        help="latency: which of gain, mute, crossfader, alpha, stem (the mute of one), prompt, landing (how soon it is "
        "answered), seed (default: all but seed)",
    )
    parser.add_argument(
        "--loops", type=positive_int, default=20, metavar="N", help="render: loops to render (default 20)"
    )
    parser.add_argument(
        "--steps", type=positive_int, default=8, metavar="N", help="render: denoising steps (default 8)"
    )
    parser.add_argument(
        "--threads", type=positive_int, default=1, metavar="N", help="render: torch threads (default 1)"
    )
    add_json_argument(parser)


def _bench(arguments: argparse.Namespace) -> int:
    """Run the measurement that was named."""
    return {"render": _bench_render, "latency": _bench_latency, "osc": _bench_osc}[arguments.what](arguments)


def _bench_render(arguments: argparse.Namespace) -> int:
    """Measure how long a loop takes."""
    from riffengine.bench.render import run_bench

    result = run_bench(arguments.loops, arguments.steps, arguments.threads)
    if arguments.json:
        print_json(result)
        return 0
    print(
        f"{result['loops']} loops of {result['loop_seconds']} s, {result['steps']} steps, {result['threads']} threads"
    )
    print(f"{'seconds':12}{'median':>10}{'p95':>10}{'least':>10}{'most':>10}")
    for part, spread in result["parts"].items():
        print(f"{part:12}" + "".join(f"{spread[column]:10.4f}" for column in ("median_s", "p95_s", "min_s", "max_s")))
    for name, value in result["machine"].items():
        print(f"{name:12}{value}")
    return 0


def _bench_latency(arguments: argparse.Namespace) -> int:
    """Measure knob-to-ear from outside; status 1 when a limit is not met or a change was missed."""
    from riffengine.bench.latency import LatencyPlan, run_latency_bench
    from riffengine.bench.limits import failed

    plan = LatencyPlan(
        arguments.changes,
        arguments.block,
        idle_seconds=arguments.idle_seconds,
        classes=tuple(arguments.classes.split(",")),
    )
    result = run_latency_bench(plan, lambda text: print(text, file=sys.stderr))
    status = 1 if failed(result["demands"]) else 0
    if arguments.json:
        print_json(result)
        return status
    columns = ("p50_ms", "p95_ms", "p99_ms", "max_ms", "missed", "changes")
    print(f"{'':12}" + "".join(f"{column:>10}" for column in columns))
    for kind, figures in result["classes"].items():
        print(f"{kind:12}" + "".join(f"{figures[column]:10}" for column in columns))
    for row in result["demands"]:
        figure, limit = row.get("measured_ms", row.get("measured")), row.get("demand_ms", row.get("demand"))
        print(f"{row['verdict']:14}{row['what']}: {figure}, at most {limit:g}")
    print(
        f"xruns {result['xruns']} in {result['watched_s']} s; xruns_idle {result['xruns_idle']} in {result['idle_s']} s"
    )
    print(f"the engine's own p95: {', '.join(f'{k} {v} ms' for k, v in result['engine_p95_ms'].items())}")
    print(f"{result['block_frames']} frames at {result['sample_rate']} Hz; {result['machine']}")
    return status


def _bench_osc(arguments: argparse.Namespace) -> int:
    """Measure from an OSC message to its answer, alone and in a flood; status 1 when an answer was lost."""
    from riffengine.bench.osc import OscBenchPlan, run_osc_bench

    changes = arguments.changes if arguments.changes > _LATENCY_CHANGES else _OSC_CHANGES
    result = run_osc_bench(OscBenchPlan(changes=changes), lambda text: print(text, file=sys.stderr))
    lost = result["alone"]["lost"] + result["flooded"]["lost"]
    status = int(bool(lost) or not result["flood"]["latest_value_won"])
    if arguments.json:
        print_json(result)
        return status
    columns = ("p50_ms", "p99_ms", "max_ms", "lost", "changes")
    print(f"{'':10}" + "".join(f"{column:>10}" for column in columns))
    for kind in ("alone", "flooded"):
        print(f"{kind:10}" + "".join(f"{result[kind][column]:10}" for column in columns))
    print("flood: " + ", ".join(f"{key} {value}" for key, value in result["flood"].items()))
    print(result["machine"])
    return status


BENCH = Verb("measure how fast this machine renders a loop, or how soon a gesture is heard", _bench, _add_arguments)
