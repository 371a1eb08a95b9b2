"""``serve``: a preset as an installation: it runs under a supervisor, with a log, health over HTTP, and resumes."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from riffengine.cli.arguments import PRESET_HELP, between, counted, port, show, whole
from riffengine.cli.models import check_model
from riffengine.cli.play_options import (
    add_control_arguments,
    add_sound_arguments,
    check_recording,
    play_options,
    session_with,
)
from riffengine.cli.render_node import renderer_count
from riffengine.cli.verb import Verb
from riffengine.errors import RiffError, ServiceError
from riffengine.pool.limits import DISK_MB

if TYPE_CHECKING:
    from collections.abc import Iterable

    from riffengine.session.pool import PoolSettings
    from riffengine.session.session import Session

_EXAMPLES = """\
examples:
  riffengine serve ambient-endless
  riffengine serve ambient-endless --log riffengine.log --record sets/gallery.flac
  riffengine serve room1.yaml room2.yaml --renderers 2      several sets on one pool of renderers
  riffengine serve my-set.yaml --check                  check the preset and play nothing
  curl http://127.0.0.1:9464/health        curl http://127.0.0.1:9464/metrics
  bash tools/install-service my-set.yaml                print a systemd unit; --install installs it

SIGTERM fades out, finishes the recording and ends with status 0; a second SIGTERM ends at once. The next start
continues where this one ended, unless the preset has changed since or --fresh is given.
"""
_OF_MANY = frozenset(
    {
        *("preset", "more", "check", "fresh", "output", "renderers", "http_host", "http_port", "no_http"),
        *("osc_port", "no_osc", "no_midi", "web"),
    }
)  # what can be given with several presets: every other option would be one file, device or address for all of them
_OF_NODE = frozenset({"pool_token", "pool_cache", "pool_cache_mb"})
_RECORDING_SECONDS = 15.0  # for the rest of a recording on a slow disk


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is not given (``None``) is left to the preset."""
    parser.add_argument("preset", metavar="PRESET", help=PRESET_HELP)
    parser.add_argument(
        "more", metavar="PRESET", nargs="*", default=[], help="more presets, which play on the same renderers"
    )
    parser.add_argument("--check", action="store_true", help="only check the preset")
    parser.add_argument(
        "--fresh", action="store_true", help="start with the preset's values and do not resume the last run"
    )
    add_sound_arguments(parser)
    watch = parser.add_argument_group("log and health")
    watch.add_argument("--log", type=Path, metavar="FILE", help="write JSON lines to this file (default: to stdout)")
    watch.add_argument(
        "--log-mb", type=_megabytes, default=10.0, metavar="MB", help="begin a new log file at this size (10)"
    )
    watch.add_argument("--log-keep", type=_log_count, default=5, metavar="N", help="old log files to keep (5)")
    watch.add_argument("--http-host", default="127.0.0.1", metavar="HOST", help="for /health and /metrics (127.0.0.1)")
    watch.add_argument("--http-port", type=port, default=9464, metavar="PORT", help="for /health and /metrics (9464)")
    watch.add_argument("--no-http", action="store_true", help="no /health and /metrics")
    pool = parser.add_argument_group("renderers")
    pool.add_argument(
        "--renderers", type=renderer_count, metavar="N", help="of several sets (default: one for each core)"
    )
    pool.add_argument("--pool-node", metavar="URL", help="render on this node of this machine alone")
    pool.add_argument("--pool-token", metavar="FILE", help="the file of its token")
    pool.add_argument("--pool-cache", default="", metavar="FOLDER", help="where it keeps its loops")
    pool.add_argument(
        "--pool-cache-mb", type=_cache_megabytes, default=DISK_MB, metavar="MB", help="of files in it (2000)"
    )
    pool.add_argument(
        "--end-with-stdin", action="store_true", help="end when stdin does: with the program that started this one"
    )
    add_control_arguments(parser)


def _serve(arguments: argparse.Namespace) -> int:
    """Play until SIGTERM; everything is written to the log, and nothing but the log to stdout."""
    from riffengine.clock import SystemClock
    from riffengine.engine import run_play
    from riffengine.processes.orphan import end_with_stdin
    from riffengine.recovery import Recovery
    from riffengine.service.json_log import JsonLog
    from riffengine.service.service import ServiceObserver
    from riffengine.service.systemd import SystemdNotifier
    from riffengine.session.named_files import find_preset
    from riffengine.session.pool import PoolSettings
    from riffengine.session.session import load_session
    from riffengine.telemetry.observers import Observers

    if arguments.more:
        return _serve_many(arguments)
    _refuse_options_of_a_node(arguments)
    if arguments.end_with_stdin:
        end_with_stdin()
    preset = find_preset(arguments.preset)
    session = load_session(preset)
    if arguments.pool_node:
        session = session.with_given(
            pool=PoolSettings(
                used=True,
                renderers=0,
                nodes=(arguments.pool_node,),
                token=arguments.pool_token or "",
                files=True,
                memory_mb=0.0,
                cache=arguments.pool_cache,
                cache_mb=arguments.pool_cache_mb,
            )
        )
    check_recording(preset, session)
    if arguments.check:
        _show_valid(preset, session)
        return 0
    check_model(session.model)
    clock = SystemClock()
    log = JsonLog(arguments.log, clock.unix_seconds, round(arguments.log_mb * 1e6), arguments.log_keep)
    monitor_at = None if arguments.no_http else (arguments.http_host, arguments.http_port)
    end_seconds = session.audio.fade_out_seconds + _RECORDING_SECONDS
    service = ServiceObserver(log, SystemdNotifier(os.environ), clock, end_seconds, monitor_at)
    recovery = Recovery.open(os.environ, clock.unix_seconds(), resume=not arguments.fresh)
    changed = recovery.forget_if_changed(preset)
    recovery.preset = str(preset.resolve())
    observers = Observers(None, [service])
    service.start_http()
    observers.say(f"serving {preset}" + (f": {changed}" if changed else ""))
    try:
        return run_play(session_with(arguments, session), play_options(arguments, recovery), observers)
    except RiffError as error:
        recovery.mark_ended()  # an explained error is no crash
        log.write("refused", str(error), "error")
        log.close()
        show(f"riffengine: {error}", file=sys.stderr)
        return 2


def _show_valid(preset: Path, session: Session) -> None:
    decks, scenes = counted(len(session.decks), "deck"), counted(len(session.scenes), "scene")
    show(f"{preset}: {session.name}, {decks}, {scenes}: valid")


def _serve_many(arguments: argparse.Namespace) -> int:
    """Play several presets on one pool of renderers until SIGTERM."""
    import asyncio
    import tempfile

    from riffengine.pool.limits import MOST_CLIENTS
    from riffengine.pool.node import NodeOptions
    from riffengine.pool.node_access import read_token
    from riffengine.service.many_sets import ManySets, plan_sets
    from riffengine.session.named_files import find_preset
    from riffengine.session.session import load_session

    _refuse_options_of_one(arguments)
    if 1 + len(arguments.more) > MOST_CLIENTS:
        raise ServiceError(
            f"{1 + len(arguments.more)} presets are more than one pool plays; name at most {MOST_CLIENTS}, "
            "and serve the others by another call"
        )
    presets = [find_preset(name) for name in (arguments.preset, *arguments.more)]
    sessions = {preset: session_with(arguments, load_session(preset)) for preset in presets}
    models = {session.model for session in sessions.values()}
    if len(models) > 1:
        raise ServiceError(
            f"one pool renders one model, and these presets play {', '.join(sorted(models))}; serve them one by one"
        )
    cache, cache_mb, remark = shared_cache(session.pool for session in sessions.values())
    if arguments.check:
        for preset, session in sessions.items():
            _show_valid(preset, session)
        if remark:
            show(remark)
        return 0
    check_model(model := models.pop())
    ports = {
        preset: {
            **({"--osc-port": session.osc.port} if session.osc.enabled else {}),
            **({"--web": session.web.port} if session.web.enabled else {}),
        }
        for preset, session in sessions.items()
    }
    plans = plan_sets(presets, ports, arguments.http_port)
    given = [option for option in ("--no-osc", "--no-midi", "--fresh") if vars(arguments)[option[2:].replace("-", "_")]]
    given += ["--output", arguments.output] if arguments.output else []
    given += [f"--pool-cache={cache}", f"--pool-cache-mb={cache_mb}"] if cache else []
    plans = [replace(plan, options=(*plan.options, *given)) for plan in plans]
    renderers = arguments.renderers or os.cpu_count() or 1
    monitor_at = None if arguments.no_http else (arguments.http_host, arguments.http_port)
    with tempfile.TemporaryDirectory(prefix="riffengine-") as folder:
        token_file = Path(folder) / "token"
        token = read_token(token_file, make=True)
        node = NodeOptions(
            "127.0.0.1", 0, token, model=model, renderers=renderers, cache=cache, cache_mb=cache_mb, files=True
        )

        async def play() -> int:
            return await ManySets(plans, node, token_file, show, remark=remark).run(monitor_at)

        return asyncio.run(play())


def shared_cache(pools: Iterable[PoolSettings]) -> tuple[str, float, str]:
    """The folder in which the pool of several sets keeps loops, its MB, and what is to be said of it ("": nothing).

    It is the first that one of them names, as small as the least of those who name it want it; "": none does.
    """
    named = [(pool.cache, pool.cache_mb) for pool in pools if pool.cache]
    if not named:
        return "", DISK_MB, ""
    first = named[0][0]
    others = list(dict.fromkeys(folder for folder, _ in named if Path(folder).resolve() != Path(first).resolve()))
    least_mb = min(megabytes for folder, megabytes in named if folder not in others)
    remark = f"several sets keep their loops in one folder: {first}; not in {', '.join(others)}" if others else ""
    return first, least_mb, remark


def _given(arguments: argparse.Namespace) -> list[str]:
    """The names of the arguments that differ from what they are if they are not given."""
    parser = argparse.ArgumentParser()
    _add_arguments(parser)
    unset = vars(parser.parse_args([arguments.preset]))
    return [name for name, value in unset.items() if getattr(arguments, name) != value]


def _refuse_options_of_a_node(arguments: argparse.Namespace) -> None:
    """``ServiceError`` for options of ``--pool-node`` without it: they would change nothing."""
    given = [_option(name) for name in _given(arguments) if name in _OF_NODE]
    if given and not arguments.pool_node:
        raise ServiceError(
            f"{', '.join(given)} can only be given with --pool-node; write pool: {{cache: FOLDER}} into the preset"
        )


def _refuse_options_of_one(arguments: argparse.Namespace) -> None:
    """``ServiceError`` for options that several sets are not given."""
    given = [_option(name) for name in _given(arguments) if name not in _OF_MANY]
    if given:
        allowed = ", ".join(sorted(_option(name) for name in _OF_MANY - {"preset", "more"}))
        raise ServiceError(
            f"{', '.join(given)} cannot be given with several presets, only {allowed}; "
            "write the setting into each preset, or serve the presets one by one"
        )


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _megabytes(text: str) -> float:
    return between(text, 0.001, 100_000)


def _cache_megabytes(text: str) -> float:
    return between(text, 0.0, 1_000_000)


def _log_count(text: str) -> int:
    return whole(text, 1, 1000)


SERVE = Verb("play a preset as a service: log, health, metrics, watchdog", _serve, _add_arguments, _EXAMPLES)
