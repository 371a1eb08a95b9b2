"""The whole engine as a performer starts it: real processes, real OSC, a renderer that is killed, a recording."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.wire.osc_session import PATIENCE_SECONDS, OscSurface, playing_set, silences

PRESET = """
tempo: 120
quantum: beat
deck: {a: {prompt: "techno, driving", to: "ambient, pad", seed: 3, to_seed: 4, drift: 0.5}}
output: {to: paced, fade_in: 0.02, fade_out: 0.3}
midi: {enabled: false}
"""


@pytest.fixture
def playing(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], OscSurface, Path]]:
    with playing_set(PRESET, tmp_path) as (process, surface):
        yield process, surface, tmp_path


@pytest.mark.wire
@pytest.mark.slow
def test_a_set_with_osc_garbage_and_a_renderer_killed_three_times(
    playing: tuple[subprocess.Popen[str], OscSurface, Path],
) -> None:
    process, surface, folder = playing
    surface.wait_until(lambda s: int(s["jobs_heard"]) >= 1)
    killed: set[int] = set()
    for number in range(3):
        pid = int(surface.wait_until(lambda s: int(s["renderer_pid"]) not in {0, *killed})["renderer_pid"])
        os.kill(pid, signal.SIGKILL)
        killed.add(pid)
        surface.send("/riff/deck/a/seed", 50 + number)  # requested while there is no renderer
        surface.wait_for("/riff/ok", lambda v, n=number: v == ("deck/a/seed", 50 + n))
    heard = int(surface.status()["jobs_heard"])
    surface.send("/riff/deck/a/prompt", "bossa nova, acoustic guitar")
    surface.wait_for("/riff/landing", lambda v: v[0] == "deck/a/prompt")
    surface.wait_until(lambda s: int(s["jobs_heard"]) > heard)

    surface.send("/riff/deck/a/to", "techno, xylofoon")
    assert "xylo" in str(surface.wait_for("/riff/note", lambda v: v[0] == "deck/a/to")[1])

    before = surface.status()["revision"]
    surface.send("/riff/deck/a/drift", 0.0)
    surface.send("/riff/deck/a/alpha", 0.25)
    surface.wait_for("/riff/ok", lambda v: v == ("deck/a/alpha", 0.25))
    steady = surface.wait_until(lambda s: s["revision"] != before)["revision"]
    surface.send_raw(b"\xff\x00 this is not OSC")
    surface.wait_for("/riff/error", lambda v: v[0] == "")
    for address, value in (("alpha", "loud"), ("seed", "many"), ("prompt", True), ("volume", 1.0)):
        surface.send(f"/riff/deck/a/{address}", value)
        surface.received = [item for item in surface.received if item[0] != "/riff/error"]
        surface.wait_for("/riff/error", lambda v, a=address: v[0] == f"/riff/deck/a/{a}")
    assert surface.status()["revision"] == steady

    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, output
    assert "Traceback" not in output

    samples, rate = soundfile.read(folder / "set.wav", dtype="float32", always_2d=True)
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 1.0
    assert silences(samples, rate // 200) == []
    lines = [json.loads(line) for line in (folder / "set.jsonl").read_text().splitlines()]
    assert any(line.get("path") == "deck/a/prompt" and line["kind"] == "command" for line in lines)
    assert any("landed on beat" in line.get("note", "") for line in lines)
    assert list(Path("/dev/shm").glob(f"riffengine-{process.pid}-*")) == []
