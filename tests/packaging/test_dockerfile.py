"""The Dockerfile by reading, since Docker cannot run in the tests: what it names exists and can be typed."""

from __future__ import annotations

import json
import re
from pathlib import Path

from riffengine.cli.parser import build_parser
from riffengine.session.named_files import find_preset
from riffengine.session.osc import OscSettings
from riffengine.session.session import load_session

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
LINES = re.sub(r"\\\n\s*", " ", TEXT).splitlines()


def values(instruction: str) -> list[str]:
    return [line.removeprefix(instruction).strip() for line in LINES if line.startswith(f"{instruction} ")]


def test_what_is_copied_exists_and_is_sent_to_the_builder() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [name for line in values("COPY") if "--from" not in line for name in line.split()[:-1]]
    assert set(copied) == sent
    for name in copied:
        assert (ROOT / name).exists(), name


def test_the_command_can_be_typed_and_its_ports_are_exposed() -> None:
    program, *words = json.loads(values("ENTRYPOINT")[0]) + json.loads(values("CMD")[0])
    assert program == "riffengine"
    typed = build_parser().parse_args(words)
    assert typed.verb == "serve" and typed.osc_bind == typed.http_host == "0.0.0.0"
    session = load_session(find_preset(typed.preset))
    assert session.model == "bundled" and session.osc == OscSettings()
    osc, http = session.osc.port, typed.http_port
    assert values("EXPOSE") == [f"{osc}/udp {osc}/tcp {http}/tcp"]
    assert f"127.0.0.1:{http}/health" in TEXT


def test_it_does_not_run_as_root() -> None:
    assert values("USER") == ["riffengine"]
    assert LINES.index("USER riffengine") < next(n for n, line in enumerate(LINES) if line.startswith("ENTRYPOINT"))
