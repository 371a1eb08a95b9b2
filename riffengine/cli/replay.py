"""``render --journal``: a set rendered again from its journal."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from riffengine.cli.arguments import counted, print_json, show


def replay(arguments: argparse.Namespace) -> int:
    """Render ``arguments.journal`` to ``arguments.out``; progress on stderr, the report on stdout."""
    from rich.console import Console
    from rich.progress import Progress

    from riffengine.performance.journal import read_journal
    from riffengine.performance.parameters import standard_tree
    from riffengine.replay import load_replay_family, replay_file

    if arguments.steps is not None:
        standard_tree().check("steps", arguments.steps)
    recording = read_journal(arguments.journal)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("rendering the set", total=None)
        report = replay_file(
            recording,
            arguments.out,
            load_replay_family,
            arguments.steps,
            lambda done, of: bar.update(task, completed=done, total=of),
            lambda text: console.print(text, style="yellow", markup=False, soft_wrap=True),
        )
    if arguments.steps is None and not report.same_weights:
        show("the set was played with other weights: this file sounds similar, not the same", file=sys.stderr)
    if report.damaged_lines:
        show(
            f"left out of the journal, since it could not be read: {counted(report.damaged_lines, 'line')}",
            file=sys.stderr,
        )
    if arguments.json:
        print_json(asdict(report))
    else:
        show(f"{report.output}: {report.seconds:.2f} s, {report.frames} frames at {report.sample_rate} Hz")
        show(
            f"{counted(report.messages, 'message')}, {counted(report.renders, 'loop')} rendered, peak {report.peak:.2f}"
        )
    return 0
