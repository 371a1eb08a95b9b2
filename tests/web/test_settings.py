"""The section ``web`` of a preset, and the options of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from riffengine.cli.parser import build_parser
from riffengine.cli.play_options import session_with
from riffengine.errors import PresetError
from riffengine.session.session import load_session
from riffengine.session.web import WebSettings

PRESET = """
deck: {a: {prompt: "techno"}}
web:
  host: 0.0.0.0
  port: 8080
  tokens: tokens.txt
  names: [stage.local]
  origins: ["http://localhost:3000"]
  guest: [deck/a/alpha]
"""


def test_a_preset_switches_the_page_on_and_the_command_line_replaces_its_settings(tmp_path: Path) -> None:
    path = tmp_path / "set.yaml"
    path.write_text(PRESET)
    session = load_session(path)
    expected = WebSettings(
        True, "0.0.0.0", 8080, "tokens.txt", ("stage.local",), ("http://localhost:3000",), ("deck/a/alpha",)
    )
    assert session.web == expected
    arguments = build_parser().parse_args(["play", str(path), "--web", "9999", "--web-bind", "127.0.0.1"])
    web = session_with(arguments, session).web
    assert (web.port, web.host, web.tokens) == (9999, "127.0.0.1", "tokens.txt")
    arguments = build_parser().parse_args(["play", str(path), "--web"])
    assert session_with(arguments, session).web == expected


def test_without_the_section_there_is_no_page_and_a_wrong_port_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.yaml"
    path.write_text('deck: {a: {prompt: "techno"}}\n')
    assert not load_session(path).web.enabled
    arguments = build_parser().parse_args(["play", str(path), "--web"])
    assert session_with(arguments, load_session(path)).web == WebSettings(enabled=True)
    path.write_text('deck: {a: {prompt: "techno"}}\nweb: {port: 70000, colour: red}\n')
    with pytest.raises(PresetError, match=r"web.port") as refused:
        load_session(path)
    assert "web.colour" in str(refused.value)
