"""The signals that end a set: Ctrl-C, the system's request to end, and the loss of the terminal."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable


def on_stop_signals(ask_to_stop: Callable[[], None], hung_up: Callable[[], None]) -> None:
    """Have the running loop call ``ask_to_stop`` for SIGINT and SIGTERM, and ``hung_up`` for SIGHUP.

    Nothing is done in another thread than the main one, which all signals belong to.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask_to_stop)
    hang_up = getattr(signal, "SIGHUP", None)
    if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:  # nohup: the set outlives it
        loop.add_signal_handler(hang_up, hung_up)
