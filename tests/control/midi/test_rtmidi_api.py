"""A JACK server that stands still is found out before rtmidi is asked, which would keep the interpreter's lock."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace

import pytest

from riffengine.clock import VirtualClock
from riffengine.control.midi import ports
from riffengine.control.midi.ports import MidiPorts, PortCallbacks
from riffengine.control.midi.rtmidi_api import jack_answers


def test_a_server_that_does_not_answer_is_waited_for_no_longer_than_allowed() -> None:
    ended = threading.Event()
    assert not jack_answers(0.0, ended.wait)
    ended.set()
    assert jack_answers(60.0, lambda: None)


def test_rtmidi_is_not_asked_where_the_server_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    def stands_still(*_: object, **__: object) -> None:
        raise AssertionError("this call would not return")

    rtmidi = SimpleNamespace(
        API_UNIX_JACK=1, get_compiled_api=lambda: [1], MidiIn=stands_still, MidiOut=stands_still, RtMidiError=OSError
    )
    monkeypatch.setitem(sys.modules, "rtmidi", rtmidi)
    monkeypatch.setattr(ports, "jack_answers", lambda: False)

    def nothing(*_: object) -> bool:
        return True

    callbacks = PortCallbacks(nothing, nothing, nothing, nothing, nothing, nothing)
    problem = MidiPorts(callbacks, VirtualClock()).start(("JACK",))
    assert problem == "no MIDI here (JACK: the server does not answer; start it again, and then the set)"
