"""The clients that ship, run as a performer runs them: Pure Data and SuperCollider, without a screen."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from riffengine.control.surface import LandingMoved
from riffengine.performance.command import Landing
from riffengine.transport.beat_grid import Moment
from tests.needed import needs
from tests.wire.jack_session import ServerThread

pytestmark = pytest.mark.wire

CLIENTS = Path(__file__).resolve().parents[2] / "presets" / "clients"
PATIENCE_SECONDS = 120  # of a loaded machine; nothing here measures time


@pytest.fixture
def osc() -> Iterator[ServerThread]:
    osc = ServerThread()
    yield osc
    osc.close()


def test_the_pure_data_patch_plays_and_shows_what_it_is_told(osc: ServerThread) -> None:
    needs("puredata-core", "pd")
    reports = [
        f"riff-port {osc.server.port}",
        "riff-out /riff/deck/a/alpha 0.25",
        "riff-out /riff/deck/a/prompt dub techno warm",
        "riff-out /riff/next",
        "riff-out /riff/deck/b/gain 50",
        "riff-out /riff/deck/z/gain 1",
        "riff-slider-0 0.75",  # the first slider's own outlet
    ]
    words = [word for message in reports for word in ("-send", message)]
    patch = str(CLIENTS / "riffengine.pd")
    program = subprocess.Popen(
        ["pd", "-nogui", "-noaudio", "-nomidi", "-stderr", "-open", patch, *words],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stderr is not None
    try:
        heard = ""
        # The last of its answers to what it was told to send.
        for line in program.stderr:
            heard += line
            if "riff-ok: deck/a/alpha 0.75" in line:
                break
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while not set(osc.server.replies.subscribers):  # 0.2 s after it was told the port
            assert time.perf_counter() < deadline, heard
            time.sleep(0.01)
        osc.loop.call_soon_threadsafe(osc.server.changed, "deck/a/mute", True)
        moved = LandingMoved(Moment(0, 0.0, 0.0, 120.0), Landing("deck/a/prompt", 24.0, 4.5), "elsewhere")
        osc.loop.call_soon_threadsafe(osc.server.landing_moved, moved)
        for line in program.stderr:  # what is told after the change has come, so Pd has read the change
            heard += line
            if "riff-landing: deck/a/prompt 24 4.5" in line:
                break
        assert "riff-ok: deck/a/alpha 0.25" in heard and "riff-ok: next 1" in heard
        assert "riff-landing: deck/a/prompt 16 1.25" in heard
        assert "riff-note: deck/b/gain clipped" in heard and "riff-error: /riff/deck/z/gain" in heard
    finally:
        program.terminate()
        rest = program.communicate(timeout=PATIENCE_SECONDS)[1]
    assert "oscparse" not in heard + rest, "every answer is of a type that Pd reads"
    commands = [(command.path, command.value) for command in osc.engine.commands]
    assert commands.count(("next", True)) == 1
    assert osc.engine.state["deck/a/prompt"] == "dub techno warm"
    assert osc.engine.state["deck/b/gain"] == 6.0 and osc.engine.state["deck/a/alpha"] == 0.75


def test_the_supercollider_script_plays_bundles_ahead_and_knows_every_value(osc: ServerThread, tmp_path: Path) -> None:
    needs("supercollider-language", "sclang")
    script = tmp_path / "test.scd"
    client = str(CLIENTS / "riffengine.scd")
    script.write_text(
        f"""
        ~riffQuiet = true;
        "{client}".load;
        fork {{
            ~riffTo.({osc.server.port});
            ~riffAt.(0.3, "deck/b/alpha", 0.5);
            ~riffBundle.(0.3, ["deck/a/mute", 1], ["deck/b/mute", true]);
            ~riff.("deck/a/prompt", "dub techno, warm");
            ~riff.("deck/a/seed", 77);
            ~riff.("deck/a/gain", 99);
            ~riff.("deck/z", 1);
            ~riff.("next");
            ~riff.("sync", 7);
            while {{ ~riffValues["deck/b/mute"] != 1 }} {{ 0.05.wait }};
            "HEARD % % % % %".format(~riffSynced, ~riffValues["deck/a/gain"], ~riffValues["deck/b/alpha"],
                ~riffValues["transport/tempo"], ~riffValues["deck/a/prompt"]).postln;
            0.exit;
        }};
        """
    )
    # Qt without a screen; its browser part refuses to start for root with its sandbox.
    quiet = {"QT_QPA_PLATFORM": "offscreen", "QTWEBENGINE_DISABLE_SANDBOX": "1", "HOME": str(tmp_path)}
    done = subprocess.run(
        ["sclang", str(script)],
        env={**os.environ, **quiet},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert "HEARD 7 6.0 0.5 120.0 dub techno, warm" in done.stdout, done.stdout[-2000:] + done.stderr[-2000:]
    assert "riffengine refuses /riff/deck/z" in done.stdout and "deck/a/gain: clipped" in done.stdout
    assert osc.server.counters.scheduled == 3 and osc.server.counters.garbage == 0
    assert osc.engine.state["deck/a/seed"] == 77
    assert [c.path for c in osc.engine.commands[-3:]] == ["deck/b/alpha", "deck/a/mute", "deck/b/mute"]
