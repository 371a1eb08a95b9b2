"""The command line: each verb is a module with its options and the function that runs it."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence

from riffengine.cli.arguments import show
from riffengine.cli.parser import build_parser
from riffengine.cli.verbs import VERBS
from riffengine.errors import RiffError

__all__ = ["main"]

FAILED = 2  # as argparse does for arguments that it does not understand
INTERRUPTED = 130  # 128 + SIGINT, as shells expect


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``riffengine`` with ``argv`` (the process's own arguments when ``None``) and return the exit status.

    0 is success, 2 an error that was explained on stderr, 130 an interrupt that the verb did not handle.
    """
    try:
        status = _run(argv)
        sys.stdout.flush()
    except RiffError as error:
        show(f"riffengine: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `riffengine words | head`
        _leave_out_the_rest()
        return 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _leave_out_the_rest()
        show(f"riffengine: {error.strerror}: not everything was written; make room there", file=sys.stderr)
        return FAILED
    return status


def _run(argv: Sequence[str] | None) -> int:
    _open_missing_outputs()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without Unicode shows ? for an arrow
            stream.reconfigure(errors="replace")
    parser = build_parser()
    arguments = parser.parse(argv)
    if arguments.verb is None:
        parser.print_help()
        return 0
    return VERBS[arguments.verb].run(arguments)


def _leave_out_the_rest() -> None:
    from riffengine.telemetry.text_writer import leave_out_the_rest

    leave_out_the_rest(sys.stdout)


def _open_missing_outputs() -> None:
    """Open nowhere in place of a standard stream that was closed: else a socket or a file would get its number."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 (for the whole process)
