"""Observers and StatusLine: what a terminal and a log file show, and an observer that fails."""

from __future__ import annotations

import io
import os

import pytest

from riffengine.telemetry.observation import Observer
from riffengine.telemetry.observers import Observers
from riffengine.telemetry.status_line import StatusLine

PATIENCE_SECONDS = 60.0  # for a thread on a busy machine


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that writes gets its turn on a busy machine, too."""
    monkeypatch.setattr("riffengine.telemetry.observers._CLOSE_SECONDS", PATIENCE_SECONDS)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Failing(Observer):
    def notified(self, text: str) -> None:
        raise ValueError("broken")


class Listening(Observer):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def notified(self, text: str) -> None:
        self.heard.append(text)


def test_a_terminal_keeps_the_status_below_the_messages() -> None:
    stream = Terminal()
    observers = Observers(StatusLine(stream))
    observers.update({"bpm": "120", "": "playing"})
    observers.closed(0)
    observers.say("a message")
    observers.closed(0)
    observers.ending()
    observers.say("the end")
    observers.closed(0)
    over, status, fading = "\r\x1b[2K", "bpm 120  playing", "fading out; Ctrl-C again ends at once"
    shown = f"{over}{status}{over}a message\n{over}{status}{over}{status}\n{fading}\n{over}the end\n"
    assert stream.getvalue() == shown


def test_a_status_with_wide_characters_does_not_wrap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them takes two cells; of a line that wraps, only the last row would be written over."""
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    line = StatusLine(stream)
    line.update({"♪": "夜の街を歩くテクノ"})
    line.close(PATIENCE_SECONDS)
    assert stream.getvalue() == "\r\x1b[2K♪ 夜の街を歩くテク "  # 19 cells


def test_a_terminal_that_only_prints_gets_no_escape_sequences() -> None:
    stream = Terminal()
    line = StatusLine(stream, environment={"TERM": "dumb"})
    line.update({"bpm": "120"})
    line.update({"bpm": "121"})
    line.say("a message")
    line.end()
    line.close(PATIENCE_SECONDS)
    assert stream.getvalue() == "bpm 120\na message\n"


def test_a_log_file_gets_every_message_and_few_updates() -> None:
    stream = io.StringIO()
    observers = Observers(StatusLine(stream, every=3))
    for beat in range(1, 7):
        observers.update({"beat": str(beat)})
    observers.say("a message")
    observers.ending()
    observers.closed(0)
    assert stream.getvalue() == "beat 1\nbeat 4\na message\n"


def test_an_observer_that_fails_is_removed_and_the_others_learn_why() -> None:
    listening = Listening()
    observers = Observers(None, (Failing(), listening))
    assert observers.watching
    observers.say("first")
    observers.say("second")
    assert [text for text in listening.heard if not text.startswith("the Failing")] == ["first", "second"]
    reported = [text for text in listening.heard if text.startswith("the Failing failed: ValueError: broken")]
    assert len(reported) == 1 and "switched off" in reported[0]


def test_a_set_goes_on_when_nobody_reads_its_status_any_more() -> None:
    reader, writer = os.pipe()
    os.close(reader)  # as `riffengine play | head` or a terminal that was closed
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        listening = Listening()
        observers = Observers(StatusLine(stream), [listening])
        for text in ("first", "second"):
            observers.say(text)
            observers.update({"bpm": "120"})
        observers.ending()
        observers.closed(0)
    assert listening.heard == ["first", "second"]
