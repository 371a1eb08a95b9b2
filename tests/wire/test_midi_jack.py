"""MIDI through a real server: python-rtmidi in another process plays into our virtual port over JACK."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from riffengine.clock import SystemClock
from riffengine.control.binding import Binding
from riffengine.control.midi import MidiInput
from tests.control.engine import Stage

pytestmark = pytest.mark.wire

PLAYER = """
import sys, time, rtmidi
out = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="hands")
found = [n for n, name in enumerate(out.get_ports()) if "riffengine" in name]
out.open_port(found[0])
time.sleep(0.3)
for number in range(300):
    out.send_message([0xB0, number // 128, number % 128])
    time.sleep(0.002)
out.send_message([0x90, 36, 100])
time.sleep(0.5)
"""


@pytest.fixture
def jack(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not shutil.which("jackd"):
        message = "jackd missing: install jackd2"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    name = f"riff{secrets.token_hex(3)}"
    monkeypatch.setenv("JACK_DEFAULT_SERVER", name)
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    words = ["jackd", "-n", name, "-r", "-S", "-d", "dummy", "-r", "48000", "-p", "256"]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        subprocess.run(["jack_wait", "-s", name, "-w", "-t", "20"], check=True, timeout=30, stdout=subprocess.DEVNULL)
        yield
    finally:
        server.terminate()
        server.wait(20)


def listening(stage: Stage, *bindings: Binding) -> MidiInput:
    return MidiInput(bindings, stage.tree, stage.submit, lambda: stage.state, SystemClock())


def test_300_controller_moves_arrive_complete_and_in_order(jack: None) -> None:
    stage = Stage()
    midi = listening(
        stage,
        Binding("deck/a/alpha", "cc", 0),
        Binding("deck/b/alpha", "cc", 1),
        Binding("crossfader", "cc", 2),
        Binding("deck/a/prompt", "note", 36, values=("techno",)),
    )

    async def play() -> None:
        midi.start(asyncio.get_running_loop(), apis=("ALSA", "JACK"))
        assert any("JACK" in note and "riffengine" in note for note in midi.notes), midi.notes
        player = await asyncio.create_subprocess_exec(sys.executable, "-c", PLAYER)
        assert await asyncio.wait_for(player.wait(), 60) == 0
        deadline = time.perf_counter() + 20
        while len(stage.commands) < 301 and time.perf_counter() < deadline:
            await asyncio.sleep(0.05)
        midi.close()

    asyncio.run(play())
    assert midi.counters.received == 301 and midi.counters.rejected == midi.counters.garbage == 0
    moves = [(c.path, c.value) for c in stage.commands]
    paths = ["deck/a/alpha", "deck/b/alpha", "crossfader"]
    assert moves[:300] == [(paths[n // 128], n % 128 / 127) for n in range(300)]
    assert moves[300] == ("deck/a/prompt", "techno")
    stamps = [c.stamp_ns for c in stage.commands]
    assert stamps == sorted(stamps) and stamps[0] > 0


def test_no_midi_system_is_a_note_and_not_an_error(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "nobody-runs-this")
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    midi = listening(Stage())

    async def play() -> None:
        midi.start(asyncio.get_running_loop(), apis=("JACK",))
        midi.close()

    asyncio.run(play())
    (note,) = midi.notes
    assert "JACK" in note and midi.opened == []
    assert capfd.readouterr().err == ""


def test_a_missing_library_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rtmidi", None)
    midi = listening(Stage())

    async def play() -> None:
        midi.start(asyncio.get_running_loop())

    asyncio.run(play())
    assert "python-rtmidi" in midi.notes[0]
