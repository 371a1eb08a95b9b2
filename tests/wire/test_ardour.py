"""The plugin in headless Ardour: every frame that the tracks heard, against the time Ardour told for that very block.

One session of six tracks: the effect, the instrument, and four instances for four stems. It is played, saved, opened
again, looped, and exported offline.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from riffengine.daw.build import dpf_folder
from riffengine.daw.ramp_engine import beats_of
from tests.daw.probe import Heard
from tests.needed import lacks
from tests.wire.ardour.session import RATE, ArdourSession, missing_programs

SCRIPTS = Path(__file__).parent / "ardour"
TICK = 1 / 1920  # of Ardour's beats
# On a machine that others use too the engine may be given the processor late.
JUMP_BLOCKS = 1 if os.environ.get("CI") == "true" else 8


@pytest.fixture(scope="module")
def ardour(tmp_path_factory: pytest.TempPathFactory) -> ArdourSession:
    """A session in which the script has played, and in which the engine was killed in the middle."""
    missing = missing_programs()
    if missing:
        lacks(f"not installed: {', '.join(missing)}")
    session = ArdourSession(tmp_path_factory.mktemp("ardour"))
    session.start_engine("live.log")
    running = session.run("ardour7-lua", str(SCRIPTS / "live.lua"), probes="live")
    assert running.stdout is not None
    output = []
    try:
        for line in running.stdout:
            output.append(line)
            if line == "kill\n":
                session.kill_engine()
                session.start_engine("again.log")
                session.answer("kill")
        assert running.wait() == 0, "".join(output)
        assert "saved\n" in output, "".join(output)
    finally:
        running.kill()
        running.communicate()
        session.kill_engine()
    return session


def rolls(heard: list[Heard]) -> list[list[Heard]]:
    """The parts between two stops, and between two jumps; parts of a stopped transport left out."""
    found: list[list[Heard]] = []
    before: Heard | None = None
    for part in heard:
        if part.speed == 0.0:
            before = None
            continue
        expected = before.beat + len(before.beats) * before.bpm / 60.0 / RATE if before is not None else np.inf
        if before is None or abs(part.beat - expected) > 0.05:
            found.append([])
        found[-1].append(part)
        before = part
    return found


def wrong(parts: list[Heard], tolerance: float) -> list[tuple[float, float]]:
    """Where music begins off the beat that Ardour told, and by how much."""
    off = [(part.beat, float(part.beats[0]) - part.beat) for part in parts if not np.isnan(part.beats[0])]
    return [(beat, error) for beat, error in off if abs(error) > tolerance]


def test_every_track_is_on_ardours_beat_at_every_place_and_tempo(ardour: ArdourSession) -> None:
    tracks = ardour.heard("live")
    assert len(tracks) == 6
    for heard in tracks:
        assert len(heard) > 200
        runs = rolls(heard)
        places = {(round(run[0].bpm), round(run[0].beat)) for run in runs}
        assert places >= {(bpm, beat) for bpm in (90, 120, 174) for beat in (0, 32, 48)}
        for run in runs:
            frame = run[0].bpm / 60.0 / RATE
            assert wrong(run, TICK + 2 * frame) == []
            if run[0].beat < 70.0:  # the engine was killed after that
                silent = [part for part in run if np.isnan(part.beats).any()]
                assert len(silent) <= JUMP_BLOCKS
            if run[0].beat in (0.0, 32.0) and not run[0].silent:
                assert abs(run[0].beats[0] - run[0].beat) <= frame / 4  # the first frame, to the sample


def test_a_killed_engine_is_silence_and_the_next_one_is_in_place(ardour: ArdourSession) -> None:
    for heard in ardour.heard("live"):
        last = next(run for run in rolls(heard) if run[0].beat >= 79.9)
        silent = [part.silent for part in last]
        assert not silent[0]
        assert True in silent
        assert not silent[-1]


def test_automation_reaches_the_engine_and_each_track_has_its_source(ardour: ArdourSession) -> None:
    said = ardour.said("live.log")
    assert {"3": 0.25} in [row["parameters"] for row in said if row["wants"] == ["master"]]
    assert {tuple(row["wants"]) for row in said} >= {(f"deck/a/stem/{stem}",) for stem in (1, 2, 3, 4)}


def test_the_saved_session_asks_for_its_instances_and_plays_its_loop_range_and_a_ramp(ardour: ArdourSession) -> None:
    ardour.add_ranges(loop_seconds=(1, 2), end_seconds=6)
    ardour.start_engine("reopened.log")
    ardour.answer("settle-reopened")
    running = ardour.run("ardour7-lua", str(SCRIPTS / "again.lua"), probes="reopened")
    output = running.communicate()[0]
    ardour.kill_engine()
    assert running.returncode == 0, output
    assert "loop true" in output, output
    before = {row["instance"]: row["wants"] for row in ardour.said("again.log")}
    said = ardour.said("reopened.log")
    assert {row["asked"] for row in said} == set(before)
    assert all(row["state"] == "cHJlc2V0OiB0ZWNobm8=" for row in said)
    assert all(row["wants"] == before[row["instance"]] for row in said)
    for heard in ardour.heard("reopened"):
        runs = rolls(heard)
        turns = [run for run in runs if run[0].beat == pytest.approx(2.0, abs=1e-3)]
        assert len(turns) >= 2, "the loop range was played round"
        for run in turns:
            assert wrong(run, TICK + 1e-4) == []
            assert len([part for part in run if np.isnan(part.beats).any()]) <= JUMP_BLOCKS
        ramp = runs[-1]
        assert ramp[-1].beat > 1.0
        assert wrong(ramp, 0.02) == []


def test_an_export_is_whole_and_exact_however_fast_it_is(ardour: ArdourSession) -> None:
    ardour.start_engine("export.log")
    out = ardour.folder / "export.wav"
    ardour.export(out, "export")
    ardour.kill_engine()
    sound, rate = soundfile.read(out, dtype="float32")
    assert (rate, len(sound)) == (RATE, 6 * RATE)
    beats = beats_of(sound[:, 0], sound[:, 1])
    expected = np.arange(len(sound)) * 120.0 / 60.0 / RATE
    assert np.abs(beats - expected).max() < 120.0 / 60.0 / RATE / 4  # NaN, silence, is no number below it
    assert np.allclose(sound[:, 1], 6.0), "six tracks, all of them whole"


def test_the_vst3_is_on_ardours_beat_too(tmp_path: Path) -> None:
    missing = missing_programs() if dpf_folder() is not None else ["dpf-source"]
    if missing:
        lacks(f"not installed: {', '.join(missing)}")
    session = ArdourSession(tmp_path)
    session.install_vst3()
    session.start_engine("vst3.log")
    running = session.run("ardour7-lua", str(SCRIPTS / "vst3.lua"), probes="vst3")
    output = running.communicate()[0]
    session.kill_engine()
    assert running.returncode == 0, output
    assert "played\n" in output, output
    (heard,) = session.heard("vst3")
    runs = rolls(heard)
    assert {(round(run[0].bpm), round(run[0].beat)) for run in runs} >= {
        (bpm, beat) for bpm in (90, 174) for beat in (0, 32, 48)
    }
    for run in runs:  # how much of it a busy machine lets through is the business of the other tests
        assert wrong(run, TICK + 2 * run[0].bpm / 60.0 / RATE) == []
        assert np.mean([part.silent for part in run]) < 0.5
