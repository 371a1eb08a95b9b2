"""What every user of python-rtmidi here shares: loading it, its MIDI systems, finding a port by name."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from riffengine.control.midi.port_names import normalised
from riffengine.errors import ControlError

APIS = {
    "ALSA": "API_LINUX_ALSA",
    "JACK": "API_UNIX_JACK",
    "CoreMIDI": "API_MACOSX_CORE",
    "Windows": "API_WINDOWS_MM",
}
"""MIDI systems by their names for a person, in the order in which they are tried; the values are rtmidi's names."""

OPEN_SECONDS = 10.0  # for a port to open: a moment, on a busy machine a second
JACK_SECONDS = 5.0  # for a server to answer, which takes some milliseconds
_CALLBACK_SECONDS = 0.002  # for a callback that has begun to end
_NO_START_SERVER = 1  # of JackOptions: there may be no server, and none is started then


def load_rtmidi() -> Any:
    """The library; ``ControlError`` when it cannot be loaded."""
    try:
        import rtmidi
    except ImportError as error:
        raise ControlError(f"python-rtmidi cannot be loaded ({error}); install it to use MIDI") from error
    return rtmidi


def compiled_apis(rtmidi: Any) -> list[int]:
    """The MIDI systems that the library was built for, in the order in which they are tried."""
    compiled = rtmidi.get_compiled_api()
    return [api for api in (getattr(rtmidi, name) for name in APIS.values()) if api in compiled]


def end_in(seconds: float) -> None:
    """Have the system end this process in ``seconds``, whatever the driver does; 0: not any more.

    For processes of ours that open a port: a JACK server that stands still would be waited for without end, and the
    performer would be told nothing.
    """
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)


def jack_answers(most_seconds: float = JACK_SECONDS, open_and_close: Callable[[], object] | None = None) -> bool:
    """Whether the JACK server, if there is one, can be expected to answer rtmidi: waits ``most_seconds`` at most.

    rtmidi keeps the interpreter's lock while it opens a client. Where the server stands still, that holds up every
    thread of the process for good. So a client is opened and closed by JACK's own library first, which does not take
    the lock. ``open_and_close`` does that.
    """
    thread = threading.Thread(target=open_and_close or _open_and_close, name="jack answers", daemon=True)
    with stderr_silenced():
        thread.start()
        thread.join(most_seconds)
    return not thread.is_alive()


def _open_and_close() -> None:
    try:
        jack = ctypes.CDLL("libjack.so.0")
        jack.jack_client_open.restype = ctypes.c_void_p
        jack.jack_client_close.argtypes = (ctypes.c_void_p,)
        client = jack.jack_client_open(b"riffengine looks", _NO_START_SERVER, None)
    except (OSError, AttributeError):  # not here, or another system: rtmidi says what it finds
        return
    if client:
        jack.jack_client_close(client)


def open_first(make: Callable[[Any, int], Any], wanted: str, own: str, cannot: str) -> Any:
    """The port whose name contains ``wanted``, opened in the first MIDI system that has it; for "" our own, ``own``.

    ``make`` is given the library and a MIDI system, and makes a client. ``ControlError``, which begins with ``cannot``,
    says what each system answered.
    """
    rtmidi = load_rtmidi()
    tried = []
    for api in compiled_apis(rtmidi):
        try:
            with stderr_silenced():
                port = make(rtmidi, api)
                number = find_port(port, wanted)
                if number is None:
                    port.open_virtual_port(own)
                else:
                    port.open_port(number)
        except (rtmidi.RtMidiError, NotImplementedError) as error:
            tried.append(str(error))
            continue
        return port
    raise ControlError(f"{cannot} here ({'; '.join(tried)}); connect a MIDI port or start JACK")


def close_port(port: Any) -> None:
    """Close ``port``, an input or an output, and end its client; of an input nothing is called back any more."""
    if hasattr(port, "cancel_callback"):
        port.cancel_callback()
        # One that runs already may wait for the interpreter's lock, and closing wait for it with that lock held.
        threading.Event().wait(_CALLBACK_SECONDS)
    port.close_port()
    port.delete()


def find_port(port: Any, wanted: str) -> int | None:
    """The number of the port whose name contains ``wanted``; ``None`` for "", which means a port of our own.

    ``ControlError`` names the ports that there are; ``port`` is deleted then.
    """
    if not wanted:
        return None
    names = [normalised(name) for name in port.get_ports()]
    for number, name in enumerate(names):
        if normalised(wanted) in name:
            return number
    port.delete()
    raise ControlError(f"no MIDI port is called {wanted!r}; there are: {', '.join(names) or 'none'}")


@contextlib.contextmanager
def stderr_silenced() -> Iterator[None]:
    """Discard what C libraries print to stderr: libasound and libjack print six lines when there is no server."""
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, ValueError, AttributeError):  # there is no stderr
        yield
        return
    discard = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(discard, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(discard)
