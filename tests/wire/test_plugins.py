"""A set whose deck goes through an LV2 that crashes, hangs and worse: the music is the one without plugins."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from riffengine.performance.journal import Recording, read_journal
from riffengine.replay import Replay, load_replay_family
from tests.needed import lacks
from tests.wire.osc_session import PATIENCE_SECONDS, OscSurface, playing_set, silences

pytestmark = [pytest.mark.wire, pytest.mark.slow]

SOURCE = Path(__file__).parent / "misbehaving"
BLOCK_FRAMES = 128
FADE_FRAMES = 221  # 5 ms, in which the sound before a gap is played backwards
PRESET = """\
name: misbehaving
tempo: 120
quantum: beat
output: {to: paced, block_frames: 256, fade_out: 0.5}
midi: {enabled: false}
deck: {a: {prompt: "house, driving", seed: 3, fx: ["lv2:urn:riffengine:misbehaving"]}}
"""
AT = "/riff/deck/a/fx/1"
CRASH, HANG, NAN, DENORMAL, WRONG_LATENCY, WRITE_BEYOND, RUNAWAY = range(1, 8)


@pytest.fixture(scope="module")
def lv2_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the compiled plugin."""
    header = Path("/usr/include/lv2/core/lv2.h")
    if shutil.which("cc") is None or not header.exists():
        lacks("not installed: a C compiler or lv2-dev")
    folder = tmp_path_factory.mktemp("lv2")
    bundle = folder / "misbehaving.lv2"
    bundle.mkdir()
    shutil.copy(SOURCE / "manifest.ttl", bundle)
    words = [
        "cc",
        "-O2",
        "-shared",
        "-fPIC",
        "-o",
        str(bundle / "misbehaving.so"),
        str(SOURCE / "misbehaving.c"),
        "-lm",
    ]
    subprocess.run(words, check=True)
    return folder


@pytest.fixture(autouse=True)
def environment(lv2_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LV2_PATH", f"{lv2_path}{os.pathsep}/usr/lib/lv2")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))  # the blacklist
    yield


def without_plugins(recording: Recording) -> np.ndarray:
    """The same set as it would have sounded without plugins: its journal, less what concerns them."""

    def concerns(path: str, name: str) -> bool:
        return "Insert" in path or "/fx/" in name

    left = tuple(
        entry
        for entry in recording.entries
        if not (entry.kind == "player" and concerns(entry.path, str(entry.facts.get("name", ""))))
    )
    return np.concatenate(list(Replay(replace(recording, entries=left), load_replay_family).blocks()))


def wait_for_note(surface: OscSurface, text: str) -> None:
    surface.wait_for("/riff/note", lambda values: text in str(values[1]))
    surface.received.clear()
    time.sleep(1.0)  # what has been restored obeys after 60 blocks (see misbehaving.c)


@pytest.mark.parametrize("faults", [(CRASH, HANG), (NAN, WRITE_BEYOND), (RUNAWAY,)])
def test_a_fault_is_dry_within_a_block_and_moves_no_frame(tmp_path: Path, faults: tuple[int, ...]) -> None:
    with playing_set(PRESET, tmp_path) as (process, surface):
        surface.send("/riff/notify", 1)
        surface.wait_until(lambda status: status["jobs_heard"] >= 1 and status["plugins"] == 1)  # type: ignore[operator]
        surface.received.clear()
        for fault in faults:
            surface.send(f"{AT}/fault", fault)
            wait_for_note(surface, "the sound is dry until it has been started again")
            wait_for_note(surface, "are back")
        status = surface.status()
        surface.send(f"{AT}/gain", 0.5)
        surface.wait_for("/riff/ok", lambda values: values[0] == "deck/a/fx/1/gain")
        surface.wait_until(lambda later: float(str(later["beat"])) > float(str(status["beat"])) + 4)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=PATIENCE_SECONDS)[0]
    assert process.returncode == 0, output
    assert "Traceback" not in output
    assert status["plugin_deaths"] == len(faults)
    heard, rate = soundfile.read(tmp_path / "set.wav", dtype="float32", always_2d=True)
    assert not silences(heard, rate // 100)
    recording = read_journal(tmp_path / "set.jsonl")
    dry = without_plugins(recording)
    halved = next(e.frame for e in recording.entries if e.kind == "command" and e.path.endswith("/gain"))
    apart = np.abs(heard[:halved] - dry[:halved]).max(axis=1) > 1e-5
    gaps = int(str(status["plugin_gaps"]))
    assert gaps >= len(faults)
    assert apart.sum() <= gaps * (FADE_FRAMES + BLOCK_FRAMES)  # a fault may last for a block before it is seen
    end = halved + 2 * rate  # the fade-out follows; what is measured is the music before it
    last = slice(halved + rate, end)
    ratio = np.sqrt(np.mean(heard[last] ** 2) / np.mean(dry[last] ** 2))
    assert 0.45 < ratio < 0.95  # half, but for gaps on a busy machine


def test_denormals_and_absurd_latency_stop_nothing(tmp_path: Path) -> None:
    with playing_set(PRESET, tmp_path) as (process, surface):
        surface.wait_until(lambda status: status["jobs_heard"] >= 1 and status["plugins"] == 1)  # type: ignore[operator]
        for fault in (DENORMAL, WRONG_LATENCY, 0):
            surface.send(f"{AT}/fault", fault)
            beat = float(str(surface.status()["beat"]))
            surface.wait_until(lambda status, since=beat: float(str(status["beat"])) > since + 6)
        status = surface.status()
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=PATIENCE_SECONDS)[0]
    assert process.returncode == 0, output
    assert status["plugin_deaths"] == 0
    heard, _ = soundfile.read(tmp_path / "set.wav", dtype="float32", always_2d=True)
    assert np.isfinite(heard).all()


def test_after_three_deaths_it_is_bypassed_until_it_is_switched_on(tmp_path: Path) -> None:
    with playing_set(PRESET, tmp_path) as (process, surface):
        surface.send("/riff/notify", 1)
        surface.wait_until(lambda status: status["jobs_heard"] >= 1 and status["plugins"] == 1)  # type: ignore[operator]
        for fault in (CRASH, NAN):
            surface.send(f"{AT}/fault", fault)
            wait_for_note(surface, "are back")
        surface.send(f"{AT}/fault", CRASH)
        wait_for_note(surface, "for the third time within a minute")
        status = surface.status()
        assert "ended" in str(status["plugins_bypassed"])
        assert status["plugins"] == 0
        surface.send(f"{AT}/on", True)
        surface.wait_until(lambda status: status["plugins"] == 1)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=PATIENCE_SECONDS)[0]
    assert process.returncode == 0, output
    blamed = (tmp_path / "state" / "riffengine" / "plugin-blacklist.json").read_text()
    assert "urn:riffengine:misbehaving" in blamed
