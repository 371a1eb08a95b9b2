"""What libraries log reaches the terminal, holds up nobody, and obeys no one's escapes."""

from __future__ import annotations

import io
import logging

import pytest

from riffengine.telemetry.library_logs import library_logs
from tests.standing_stream import PATIENCE_SECONDS, StandingStream


def test_a_warning_waits_for_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # those of pytest
    monkeypatch.setattr("riffengine.telemetry.library_logs._CLOSE_SECONDS", PATIENCE_SECONDS)
    stream = StandingStream()
    with library_logs(stream):
        logging.getLogger("a.library").warning("error at %s", "\x1b[2Jhome")
        logging.getLogger("a.library").info("all is well")
        assert stream.getvalue() == ""
        stream.released.set()
    assert stream.getvalue() == "error at \\x1b[2Jhome\n"
    assert logging.getLogger().handlers == []


def test_the_handlers_of_a_program_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    own = [logging.NullHandler()]
    monkeypatch.setattr(logging.getLogger(), "handlers", own)
    with library_logs(io.StringIO()):
        assert logging.getLogger().handlers == own
