"""``riffengine bench osc``: the table of what it measured."""

from __future__ import annotations

import argparse
import json
import sys


def bench_osc(arguments: argparse.Namespace) -> int:
    """Measure from an OSC message to its answer, alone and in a flood; status 1 when an answer was lost."""
    from riffengine.bench.osc import OscBenchPlan, run_osc_bench

    plan = OscBenchPlan(changes=arguments.changes if arguments.changes > 30 else 1000)
    result = run_osc_bench(plan, lambda text: print(text, file=sys.stderr))
    lost = result["alone"]["lost"] + result["flooded"]["lost"]
    won = result["flood"]["latest_value_won"]
    if arguments.json:
        print(json.dumps(result, indent=2))
        return int(bool(lost) or not won)
    columns = ("p50_ms", "p99_ms", "max_ms", "lost", "changes")
    print(f"{'':10}" + "".join(f"{column:>10}" for column in columns))
    for kind in ("alone", "flooded"):
        print(f"{kind:10}" + "".join(f"{result[kind][column]:10}" for column in columns))
    print("flood: " + ", ".join(f"{key} {value}" for key, value in result["flood"].items()))
    print(result["machine"])
    return int(bool(lost) or not won)
