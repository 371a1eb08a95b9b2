"""The listener process: it hears captured bars, so that decks can follow their key, chords and energy.

It has the bundled model's encoder, whatever model the set plays, and nothing in common with the sound: neither the
engine nor the player waits for it. One thread of torch, at a lower priority than the renderer.
"""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from riffengine.errors import RiffError
from riffengine.processes.child_process import ChildProcess
from riffengine.processes.listen_messages import FromListener, HeardBars, Listen, NotHeard, StopListening, ToListener

if TYPE_CHECKING:  # it imports torch
    from riffengine.renderer.bundled.listening import Listener


@dataclass(frozen=True)
class ListenerOptions:
    """The options with which the listener process is started."""

    niceness: int = 10


def listener_main(options: ListenerOptions, connection: Connection) -> None:
    """Body of the listener process. Ends on ``StopListening``, or when the engine's end of the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the engine handles Ctrl-C
    with contextlib.suppress(OSError):
        os.nice(options.niceness)
    import torch

    torch.set_num_threads(1)
    from riffengine.renderer.bundled.listening import Listener as Loaded

    try:
        listener = Loaded.load()
    except RiffError as error:
        connection.send(NotHeard(-1, str(error)))
        return
    while True:
        try:
            message: ToListener = connection.recv()
        except (EOFError, OSError):  # the engine has ended
            return
        if isinstance(message, StopListening):
            return
        connection.send(_hear(listener, message))


def _hear(listener: Listener, message: Listen) -> FromListener:
    try:
        heard = listener.hear_file(message.path, message.beats, message.chord_beats, message.bpm)
    except RiffError as error:
        return NotHeard(message.number, str(error))
    except Exception as error:  # noqa: BLE001 (process boundary: bars that fail must not end the process)
        return NotHeard(message.number, f"{type(error).__name__}: {error}")
    chords = " ".join(heard.chords)
    return HeardBars(message.number, heard.key, heard.key_certainty, chords, heard.chord_certainty, heard.drive)


class ListenerProcess(ChildProcess[ListenerOptions, ToListener, FromListener]):
    """The engine's handle on a listener process."""

    def __init__(self, options: ListenerOptions) -> None:
        super().__init__("riffengine-listener", listener_main, options, finishes=False)

    def stop(self, timeout: float = 0.1) -> None:
        """Ask it to end, then make it."""
        self.finish(StopListening(), timeout)
