"""No text from outside reaches a terminal or a log as it is: one function, at every way out."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.text import Text

from riffengine.cli import main
from riffengine.cli.arguments import show
from riffengine.dashboard.panels import fitted
from riffengine.errors import plain
from riffengine.service.json_log import JsonLog
from riffengine.telemetry.status_line import StatusLine

HOSTILE = "a\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202egpj\x7f\u2028\ud800b"


def is_harmless(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text)


def test_words_of_every_language_stay_as_they_are() -> None:
    for text in ("Ä 音楽\u3000 موسيقى", "family \N{MAN}\u200d\N{WOMAN}", "two\nlines\tand a tab", "non\u00a0breaking"):
        assert plain(text) == text
    assert is_harmless(plain(HOSTILE)) and plain(HOSTILE).startswith("a\\x1b]0;owned\\x07")


def test_the_status_line_shows_no_foreign_escape() -> None:
    stream = io.StringIO()
    line = StatusLine(stream, every=1)
    line.say(HOSTILE)
    line.update({"deck a": HOSTILE})
    line.update({"deck a": HOSTILE})
    line.close(60.0)
    assert stream.getvalue()
    assert is_harmless(stream.getvalue())


def test_a_line_of_the_log_is_harmless_and_reads_back_the_same(tmp_path: Path) -> None:
    log = JsonLog(tmp_path / "log", lambda: 1.8e9)
    hostile = HOSTILE.replace("\ud800", "")
    log.write("said", hostile, facts={hostile: [hostile]})
    log.close()
    text = (tmp_path / "log").read_text("utf-8")
    assert is_harmless(text)
    line = json.loads(text)
    assert line["text"] == hostile and line[hostile] == [hostile]


def test_errors_and_lists_of_the_command_line_are_harmless(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preset = tmp_path / "a\x1b[2Jb.yaml"
    preset.write_text(f"{HOSTILE.replace(chr(0xD800), '')}: 1\nmidi: {{map: [{{cc: 1, set: 'x\\u009b1m'}}]}}\n")
    for arguments in (["rehearse", str(preset)], ["rehearse", str(tmp_path / "no\x1b[2J")]):
        assert main(arguments) == 2
    with pytest.raises(SystemExit):
        main(["rehearse", "techno-walk", "surplus\x1b[2J"])
    show(HOSTILE)
    said = capsys.readouterr()
    assert said.err and is_harmless(said.out) and is_harmless(said.err)


def test_the_dashboard_draws_no_foreign_escape() -> None:
    assert is_harmless(fitted(Text(HOSTILE, "red"), 200).plain)
    assert fitted(Text("dub techno", "red"), 200).spans == Text("dub techno", "red").spans
