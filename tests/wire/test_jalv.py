"""The plugin in jalv under JACK, whose transport tells tempo and beat: started, located, stopped, and captured."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np

from riffengine.daw.build import build_lv2
from riffengine.daw.names import URI
from riffengine.daw.ramp_engine import beats_of
from riffengine.processes.realtime import realtime_allowed
from tests.daw import run_ramp_engine
from tests.needed import needs
from tests.wire.jack_server import Capture, JackServer
from tests.wire.jack_transport import JackTransport, child

RATE, PERIOD = 48000, 256
TEMPOS = (97.5, 90.0, 174.0)
PLACES = (0, 30)  # seconds
SPECIFICATIONS = Path("/usr/lib/lv2")


def test_every_frame_is_on_the_beat_of_jacks_transport(
    tmp_path: Path, jcap: Path, jack_server: Callable[..., JackServer]
) -> None:
    needs("jalv", "jalv")
    server = jack_server(RATE, PERIOD, synchronous=False, realtime=bool(realtime_allowed()))
    build_lv2(tmp_path / "lv2")
    environment = {
        **server.environment,
        "LV2_PATH": os.pathsep.join((str(tmp_path / "lv2"), str(SPECIFICATIONS))),
        "RIFFENGINE_DAW_SOCKET": str(tmp_path / "daw.sock"),
    }
    engine_command = [sys.executable, run_ramp_engine.__file__, str(tmp_path / "daw.sock"), "8192"]
    with child([*engine_command, str(tmp_path / "log")], dict(os.environ)) as engine:
        assert engine.stdout is not None
        assert engine.stdout.readline() == "ready\n"
        with child(["jalv", "-n", "riff", URI], environment), JackTransport.start(tmp_path, server) as transport:
            server.wait_for_port("riff:out_2", 60.0)
            capture = Capture(jcap, server, tmp_path / "heard.raw", 60.0, ("riff:out_1", "riff:out_2"))
            for bpm in TEMPOS:
                transport.tempo(bpm, 0.2)
                for seconds in PLACES:
                    transport.locate(seconds * RATE, 0.5)
                    transport.play(1.5)
                    transport.stop(0.5)
            heard, _ = capture.finish()
    beats = beats_of(heard[:, 0], heard[:, 1])
    music = np.flatnonzero(~np.isnan(beats))
    plays = np.split(music, np.flatnonzero(np.diff(music) > RATE // 2) + 1)
    assert len(plays) == len(TEMPOS) * len(PLACES)
    for play, (bpm, seconds) in zip(plays, product(TEMPOS, PLACES), strict=True):
        per_frame = bpm / 60.0 / RATE
        assert len(play) > RATE
        assert abs(beats[play[0]] - seconds * bpm / 60.0) < per_frame / 4, "the first frame is that of the place"
        assert torn(beats, play, per_frame) == []
        assert (heard[play[0] : play[0] + 64, 1] == 1.0).all(), "no fade where play begins"


def torn(beats: np.ndarray, play: np.ndarray, per_frame: float) -> list[tuple[float, float]]:
    """The beats at which the music of ``play`` does not go on as it should, and how many frames it jumped.

    JACK does not wait for late clients here. Ours was silent for a period and is in its place again with the next one;
    or the capture missed whole periods, in which the music went on.
    """
    found = []
    for at in np.flatnonzero(np.abs(np.diff(beats[play]) - per_frame) > per_frame / 2):
        before, after = play[at], play[at + 1]
        missed = (beats[after] - beats[before]) / per_frame - (after - before)
        if missed < -0.5 or missed > RATE or abs(missed - PERIOD * round(missed / PERIOD)) > 0.5:
            found.append((float(beats[after]), float(missed)))
    return found
