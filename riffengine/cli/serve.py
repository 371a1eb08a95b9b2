"""``serve``: a preset as an installation: a supervisor, a log, health over HTTP, and a start that resumes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from riffengine.errors import AudioFileError, RiffError

if TYPE_CHECKING:
    from riffengine.session.session import Session

EXAMPLES = """\
examples:
  riffengine serve presets/ambient-endless.yaml
  riffengine serve presets/ambient-endless.yaml --log riffengine.log --record sets/gallery.flac
  riffengine serve presets/ambient-endless.yaml --check        is the preset good? (plays nothing)
  curl http://127.0.0.1:9464/health        curl http://127.0.0.1:9464/metrics
  bash tools/install-service presets/ambient-endless.yaml      prints a systemd unit; --install installs it

SIGTERM fades out, finishes the recording and ends with 0; a second one ends at once. The next start goes on where this
one was, unless the preset has changed since or --fresh is given.
"""


def add_serve_arguments(
    parser: argparse.ArgumentParser,
    audio_file: Callable[[str], Path],
    port: Callable[[str], int],
    add_osc_arguments: Callable[[argparse._ArgumentGroup], None],
) -> None:
    """Options of ``serve``. What is not given (``None``) is left to the preset."""
    parser.add_argument("preset", type=Path, metavar="PRESET", help="a YAML preset")
    parser.add_argument("--check", action="store_true", help="only say whether the preset is good")
    parser.add_argument(
        "--fresh", action="store_true", help="begin with the preset's values, not where the last run was"
    )
    sound = parser.add_argument_group("sound")
    sound.add_argument("--output", choices=("auto", "device", "paced"), help="as of `play`")
    sound.add_argument("--device", metavar="NAME", help="number or part of the name, see `riffengine devices`")
    sound.add_argument("--record", type=audio_file, metavar="FILE", help="keep what is heard: .flac or .wav")
    sound.add_argument("--journal", type=Path, metavar="FILE", help="write every command with its beat to this file")
    watch = parser.add_argument_group("log and health")
    watch.add_argument("--log", type=Path, metavar="FILE", help="JSON lines to this file (default: to stdout)")
    watch.add_argument(
        "--log-mb", type=_size_mb, default=10.0, metavar="MB", help="turn the log over at this size (10)"
    )
    watch.add_argument("--log-keep", type=_count, default=5, metavar="N", help="old logs to keep (5)")
    watch.add_argument("--http-host", default="127.0.0.1", metavar="HOST", help="for /health and /metrics (127.0.0.1)")
    watch.add_argument("--http-port", type=port, default=9464, metavar="PORT", help="(9464)")
    watch.add_argument("--no-http", action="store_true", help="no /health and /metrics")
    control = parser.add_argument_group("control")
    add_osc_arguments(control)
    control.add_argument("--no-midi", action="store_true", help="do not open MIDI ports")


def serve(arguments: argparse.Namespace) -> int:
    """Play until SIGTERM; the log says everything, stdout nothing but the log."""
    from riffengine.cli.models import present
    from riffengine.clock import SystemClock
    from riffengine.engine import PlayOptions, run_play
    from riffengine.recovery import Recovery
    from riffengine.service.json_log import JsonLog
    from riffengine.service.service import ServiceObserver
    from riffengine.service.systemd import SystemdNotifier
    from riffengine.session.session import load_session
    from riffengine.telemetry.observers import Observers

    session = load_session(arguments.preset)
    check_recording(arguments.preset, session)
    if arguments.check:
        print(f"{arguments.preset}: {session.name}, {len(session.decks)} decks, {len(session.scenes)} scenes: good")
        return 0
    present(session.model)
    clock = SystemClock()
    log = JsonLog(arguments.log, clock.unix_seconds, round(arguments.log_mb * 1e6), arguments.log_keep)
    monitor_at = None if arguments.no_http else (arguments.http_host, arguments.http_port)
    end_seconds = session.fade_out_seconds + 15.0  # the rest of a recording on a slow disk
    caretaker = ServiceObserver(log, SystemdNotifier(os.environ), clock, end_seconds, monitor_at)
    recovery = Recovery.open(os.environ, clock.unix_seconds(), resume=not arguments.fresh)
    changed = recovery.forget_if_changed(arguments.preset)
    recovery.preset = str(arguments.preset.resolve())
    company = Observers(None, [caretaker])
    caretaker.begin()
    company.say(f"serving {arguments.preset}" + (f": {changed}" if changed else ""))
    options = PlayOptions(
        output=arguments.output,
        device=arguments.device,
        record=arguments.record,
        osc_port=arguments.osc_port,
        osc_host=arguments.osc_bind,
        osc_allow=tuple(arguments.osc_allow) if arguments.osc_allow else None,
        osc=not arguments.no_osc,
        midi=not arguments.no_midi,
        journal=arguments.journal,
        recovery=recovery,
    )
    try:
        return run_play(session, options, company)
    except RiffError as error:
        recovery.goodbye()  # what was explained is no crash
        log.write("refused", str(error), "error")
        log.close()
        print(f"riffengine: {error}", file=sys.stderr)
        return 2


def check_recording(preset: Path | None, session: Session) -> None:
    """``AudioFileError`` where the preset names a recording of a format that there is not."""
    if session.record is not None and session.record.suffix.lower() not in (".wav", ".flac"):
        raise AudioFileError(
            f"{preset}: the recording {session.record.name!r} must end in .wav or .flac; change its name"
        )


def _size_mb(text: str) -> float:
    try:
        size = float(text)
    except ValueError:
        size = float("nan")
    if not 0.001 <= size <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; give megabytes from 0.001 to 100000")
    return size


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; give a whole number from 1 to 1000")
    return int(text)
