"""What every user of python-rtmidi here shares: loading it, its MIDI systems, finding a port by name."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
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
