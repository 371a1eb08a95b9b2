"""The real engine in jalv under JACK: what is heard from a bar on is the same at every start, and is recorded."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from riffengine.daw.build import build_lv2
from riffengine.daw.names import URI
from riffengine.processes.audio import Block
from riffengine.processes.realtime import realtime_allowed
from tests.needed import needs
from tests.wire.daw_session import Engine
from tests.wire.jack_server import Capture, JackServer
from tests.wire.jack_transport import JackTransport, child
from tests.wire.test_jalv import SPECIFICATIONS

RATE, PERIOD = 48000, 512
FADE = 64
PIECE = 256
MISSED = 40  # periods in succession that the capture may miss
PRESET = """
name: jalv test
tempo: 120
steps: 4
draft_steps: 4
deck: {a: {prompt: "techno, driving", seed: 3}}
output: {to: daw, sample_rate: 48000, fade_in: 0.02, fade_out: 0.3}
"""


@pytest.mark.slow
def test_play_from_bar_one_and_bar_nine_is_the_same_music_twice_and_is_recorded(
    tmp_path: Path, jcap: Path, jack_server: Callable[..., JackServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("jalv", "jalv")
    monkeypatch.setenv("RIFFENGINE_DAW_SOCKET", str(tmp_path / "daw.sock"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    build_lv2(tmp_path / "lv2")
    engine = Engine(tmp_path, PRESET, "--record", "set.wav")
    try:
        engine.wait_for_music()
        server = jack_server(RATE, PERIOD, synchronous=False, realtime=bool(realtime_allowed()))
        path = os.pathsep.join((str(tmp_path / "lv2"), str(SPECIFICATIONS)))
        environment = {**server.environment, "LV2_PATH": path, "RIFFENGINE_DAW_SOCKET": str(tmp_path / "daw.sock")}
        with child(["jalv", "-n", "riff", URI], environment), JackTransport.start(tmp_path, server) as transport:
            server.wait_for_port("riff:out_2", 60.0)
            capture = Capture(jcap, server, tmp_path / "heard.raw", 60.0, ("riff:out_1", "riff:out_2"))
            transport.tempo(120.0, 1.0)
            for place in (0, 0, 16 * RATE):  # bar one twice, bar nine
                transport.locate(place, 1.0)
                transport.play(2.0)
                transport.stop(1.0)
            heard, _ = capture.finish()
    finally:
        engine.stop()
    plays = _plays(heard)
    assert len(plays) == 3, [len(play) for play in plays]
    frames = min(map(len, plays)) - 2 * FADE
    assert frames > RATE
    for play in plays[1:]:  # the loop has 8 beats, so bar nine is bar one
        assert _share_as_in(plays[0], play[:frames]) > 0.9
    recorded = soundfile.read(tmp_path / "set.wav", dtype="float32")[0]
    pieces = [plays[-1][at : at + 1024] for at in range(FADE, frames, 1024)]
    found = [_holds(recorded, piece) for piece in pieces if (np.abs(piece).max(axis=1) > 0.0).all()]
    assert np.mean(found) > 0.9, f"{sum(found)} of {len(found)} pieces of what was heard are recorded"


def _holds(recorded: Block, piece: Block) -> bool:
    starts = np.flatnonzero((recorded[: len(recorded) - len(piece)] == piece[0]).all(axis=1))
    return any((recorded[start : start + len(piece)] == piece).all() for start in starts)


def _share_as_in(first: Block, play: Block) -> float:
    """The share of the pieces of ``play`` that are heard at their place in ``first``.

    JACK does not wait for late clients: ours was silent for a period, or the capture missed whole periods, in which
    the music went on. So a place may be off by as many periods as were missed until then.
    """
    found, off = [], 0
    for at in range(FADE, len(play) - PIECE, PIECE):
        piece = play[at : at + PIECE]
        if not (np.abs(piece).max(axis=1) > 0.0).all():
            continue
        places = [at + off + periods * PERIOD for periods in sorted(range(-MISSED, MISSED + 1), key=abs)]
        held = [place for place in places if place >= 0 and _same(first[place : place + PIECE], piece)]
        off = held[0] - at if held else off
        found.append(bool(held))
    return float(np.mean(found))


def _same(one: Block, other: Block) -> bool:
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=0.0, atol=1e-6))


def _plays(heard: Block) -> list[Block]:
    """What was captured between the pauses of half a second and more."""
    sounding = np.flatnonzero(np.abs(heard).max(axis=1) > 0.0)
    ends = np.flatnonzero(np.diff(sounding) > RATE // 2)
    bounds = zip(np.concatenate(([0], ends + 1)), np.concatenate((ends, [len(sounding) - 1])), strict=True)
    return [heard[sounding[a] : sounding[b] + 1] for a, b in bounds]
