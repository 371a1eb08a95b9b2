"""What each verb does: arguments in, calls into the engine, exit status out.

Every import of a room stands inside its verb, so that ``riffengine --help`` is instant and ``words`` needs no torch.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from riffengine.cli import learn, models, render_options, spectrograms
from riffengine.cli.bench_osc import bench_osc
from riffengine.cli.serve import check_recording
from riffengine.errors import AudioFileError, RiffError
from riffengine.performance.command import Command, Value

if TYPE_CHECKING:
    from riffengine.offline.render import RenderJob

DEFAULT_STEPS = 8


def run(arguments: argparse.Namespace) -> int:
    """Run the verb that was typed and return its exit status."""
    return VERBS[arguments.verb](arguments)


def play(arguments: argparse.Namespace) -> int:
    """Play until the time is up or Ctrl-C; the engine turns Ctrl-C into a fade-out and status 0."""
    from riffengine.clock import SystemClock
    from riffengine.engine import PlayOptions, run_play
    from riffengine.recovery import Recovery
    from riffengine.renderer.bundled.model_info import model_stems
    from riffengine.session.session import default_session, load_session

    recovery = Recovery.open(os.environ, SystemClock().unix_seconds(), arguments.resume)
    try:
        kept = recovery.keepsake.preset if recovery.keepsake else ""
        preset = arguments.preset or (Path(kept) if kept else None)
        stems = model_stems(arguments.model) if arguments.model else None
        session = load_session(preset, stems) if preset else default_session()
        model = models.budgeted(arguments.model or session.model, arguments.vram)
        session = replace(session, model=models.present(model))
        check_recording(preset, session)
        recovery.preset = str(preset.resolve()) if preset else ""
        maps = learn.chosen_maps(arguments.map)
        company = None
        if arguments.tui:
            from riffengine.dashboard.process import open_dashboard

            company = open_dashboard()
        return run_play(
            session,
            PlayOptions(
                output=arguments.output,
                device=arguments.device,
                block_frames=arguments.block,
                loop_beats=arguments.loop_beats,
                record=arguments.record,
                seconds=arguments.seconds,
                osc_port=arguments.osc_port,
                osc_host=arguments.osc_bind,
                osc_allow=tuple(arguments.osc_allow) if arguments.osc_allow else None,
                clock_out_port=arguments.clock_out or None,
                notes_out_port=arguments.notes_out or None,
                osc=not arguments.no_osc,
                midi=not arguments.no_midi,
                midi_maps=maps or None,
                journal=arguments.journal,
                latency_csv=arguments.latency_csv,
                commands=tuple(parameter_commands(arguments, session.decks[0])),
                recovery=recovery,
            ),
            company,
        )
    except RiffError:
        recovery.goodbye()  # what was explained is no crash
        raise


def serve(arguments: argparse.Namespace) -> int:
    """Play a preset as a service until SIGTERM."""
    from riffengine.cli.serve import serve as run_service

    return run_service(arguments)


def parameter_commands(arguments: argparse.Namespace, deck: str = "a") -> Iterator[Command]:
    """The music options of ``play`` that were given, as commands to the parameter tree (which checks their range)."""
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
    }
    for path, value in paths.items():
        if value is not None:
            yield Command(path, value, source="cli")


def render(arguments: argparse.Namespace) -> int:
    """Render a loop, a journey or a set's journal to a file; progress on stderr, the report on stdout."""
    if arguments.journal:
        from riffengine.cli.replay import replay

        return replay(arguments)
    job = render_job(arguments)
    from rich.console import Console
    from rich.progress import Progress

    from riffengine.offline.render import check_output, load_alone, render_file
    from riffengine.offline.restyle import render_song

    check_output(job.output)
    if arguments.whole and not arguments.init:
        raise AudioFileError("--whole renders all of a sound file: name it with --init")
    to_file = render_song if arguments.whole else render_file
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("loading the model", total=None)
        family = load_alone(job.model)
        report = to_file(
            job, family, lambda done, of: bar.update(task, description="rendering", completed=done, total=of)
        )
    if report.unknown_words:
        print(f"not understood: {', '.join(report.unknown_words)} (see `riffengine words`)", file=sys.stderr)
    if arguments.json:
        print_json(asdict(report))
    else:
        spent = sum(report.render_seconds)
        print(f"{report.output}: {report.seconds:.2f} s, {report.frames} frames at {report.sample_rate} Hz")
        print(f"{report.renditions} loops in {spent:.2f} s, {report.loudness_lufs:.1f} LUFS, peak {report.peak:.2f}")
        for stem in report.stems:
            print(stem)
        if report.midi:
            print(f"{report.midi}: {report.notes} notes")
    return 0


def render_job(arguments: argparse.Namespace) -> RenderJob:
    """What the options of ``render`` ask for; ``ParameterError`` for a value that no performance could have either."""
    from riffengine.offline.render import RenderJob
    from riffengine.performance.parameters import standard_tree
    from riffengine.processes.render_messages import Point
    from riffengine.renderer.bundled.model_info import model_stems

    tree = standard_tree(("a",), model_stems(arguments.model), loop_beats=arguments.loop_beats)
    to_seed = arguments.seed if arguments.to_seed is None else arguments.to_seed
    strength = arguments.strength if arguments.init else 1.0
    steps = arguments.steps or DEFAULT_STEPS
    for path, value in {
        "steps": steps,
        "deck/a/prompt": arguments.prompt,
        "deck/a/to": arguments.to,
        "deck/a/negative": arguments.negative,
        "deck/a/seed": arguments.seed,
        "deck/a/to_seed": to_seed,
        "deck/a/alpha": arguments.alpha or 0.0,
        "deck/a/guidance": arguments.guidance,
        "deck/a/strength": strength,
    }.items():
        tree.check(path, value)
    key, _ = tree.check("key", arguments.key)
    bpm, _ = tree.check("transport/tempo", arguments.bpm)
    start = Point(arguments.prompt, arguments.seed, arguments.negative, arguments.guidance, strength)
    return RenderJob(
        output=arguments.out,
        start=start,
        end=replace(start, prompt=arguments.to or arguments.prompt, seed=to_seed),
        alpha=arguments.alpha or 0.0,
        bars=arguments.bars or 0,
        bpm=float(bpm),
        beats=arguments.loop_beats,
        key=str(key),
        steps=steps,
        init=str(arguments.init or ""),
        sample_rate=arguments.rate,
        model=models.budgeted(arguments.model, arguments.vram),
        **render_options.performed(arguments, tree),
    )


def bench(arguments: argparse.Namespace) -> int:
    """Measure the renderer on this machine, or the way from a gesture to the ear."""
    if arguments.what == "latency":
        return bench_latency(arguments)
    if arguments.what == "osc":
        return bench_osc(arguments)
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


def bench_latency(arguments: argparse.Namespace) -> int:
    """Measure knob-to-ear from outside; status 1 when a demand is not met or a change was missed."""
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
        figure, demand = row.get("measured_ms", row.get("measured")), row.get("demand_ms", row.get("demand"))
        print(f"{row['verdict']:14}{row['what']}: {figure}, at most {demand:g}")
    print(
        f"xruns {result['xruns']} in {result['watched_s']} s; xruns_idle {result['xruns_idle']} in {result['idle_s']} s"
    )
    print(f"the engine's own p95: {', '.join(f'{k} {v} ms' for k, v in result['engine_p95_ms'].items())}")
    print(f"{result['block_frames']} frames at {result['sample_rate']} Hz; {result['machine']}")
    return status


def rehearse(arguments: argparse.Namespace) -> int:
    """Play a preset on virtual time with a scripted renderer; status 1 when anything went wrong."""
    from riffengine.performance.journal import read_journal
    from riffengine.rehearsal import RehearsalPlan, rehearse_seeds, rehearse_session, went_wrong
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
    session = load_session(arguments.preset)
    if arguments.seeds:
        said = lambda text: print(text, file=sys.stderr, flush=True)  # noqa: E731
        result = rehearse_seeds(session, plan, arguments.seeds, arguments.processes, said)
    else:
        result = rehearse_session(session, plan)
    if arguments.json:
        print_json(result)
    else:
        for name, value in result.items():
            print(f"{name:24} {value}")
    return 1 if went_wrong(result) else 0


def devices(arguments: argparse.Namespace) -> int:
    """List sound outputs and MIDI ports, and what to do where there are none."""
    from riffengine.doctor import observe_midi, observe_outputs
    from riffengine.engine.surfaces.midi import named_map

    outputs = observe_outputs()
    print("Sound outputs")
    for line in outputs.names:
        print(f"  {line}")
    if not outputs.names:
        print(f"  none: {outputs.problem or 'this machine has no sound device'}")
        print(
            "  The engine still plays: `riffengine play --output paced --record FILE.flac` keeps what would be heard."
        )
    midi = observe_midi()
    print(f"MIDI ({', '.join(midi.apis) or 'no driver'})")
    for line in midi.ports:
        known = named_map(line)
        print(f"  {line}{f' (map {known})' if known else ''}")
    if not midi.ports:
        print(f"  none: {midi.problem or 'no controller is connected'}")
        print("  Connect one and look again, or steer by OSC: the engine listens while it plays.")
    return 0


def words(arguments: argparse.Namespace) -> int:
    """List the vocabulary of the bundled model by role."""
    from riffengine.renderer.bundled.vocabulary import ROLES, Vocabulary

    vocabulary = Vocabulary.load()
    for role in ROLES:
        print(f"{role}: {', '.join(vocabulary.with_role(role))}\n")
    print("Many other ways to say them are understood. (word) weighs more, [word] less, (word:1.3) as much as you say.")
    return 0


def doctor(arguments: argparse.Namespace) -> int:
    """Check the installation; status 1 when not even the paced output could play."""
    from riffengine.doctor import examine, observe, playable

    findings = examine(observe())
    if arguments.json:
        print_json({"playable": playable(findings), "findings": [asdict(finding) for finding in findings]})
        return 0 if playable(findings) else 1
    for finding in findings:
        print(f"{finding.state:8}{finding.topic:20}{finding.found}")
        if finding.state != "ok":
            print(f"{'':8}{'':20}{finding.meaning}")
            if finding.remedy:
                print(f"{'':8}{'':20}→ {finding.remedy}")
    print()
    print("Ready to play." if playable(findings) else "Not ready: see what is missing above.")
    return 0 if playable(findings) else 1


def print_json(result: object) -> None:
    """``result`` on stdout, one indented JSON document; paths become text."""
    json.dump(result, sys.stdout, indent=2, default=str, ensure_ascii=False)
    sys.stdout.write("\n")


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    "play": play,
    "serve": serve,
    "render": render,
    "to-image": spectrograms.to_image,
    "to-audio": spectrograms.to_audio,
    "learn": learn.learn,
    "models": models.models,
    "convert": models.convert,
    "devices": devices,
    "words": words,
    "doctor": doctor,
    "bench": bench,
    "rehearse": rehearse,
}
