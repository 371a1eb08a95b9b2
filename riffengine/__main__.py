"""``python -m riffengine`` and the ``riffengine`` command."""

import signal
import sys


def run() -> int:
    """Run the command line with the process's own arguments; returns the exit status.

    Ctrl-C while the command line is imported, or while Python ends, ends the process by the signal itself: it would
    print a traceback.
    """
    handler = signal.getsignal(signal.SIGINT)
    interruptible = handler is signal.default_int_handler  # else it is ignored, as in a script's background
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from riffengine.cli import main  # here, since every spawned process imports this module

    if interruptible:
        signal.signal(signal.SIGINT, handler)
    status = main()
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    return status


if __name__ == "__main__":
    sys.exit(run())
