"""A DAW as the leader: the engine knows the grid that the player reports, and renders loops at the host's tempo."""

from __future__ import annotations

import pytest

from riffengine.engine.sync.daw_leader import daw_leader
from riffengine.performance.command import Accepted, Rejected
from riffengine.processes.player_messages import FollowHost, HostTimeline, LaunchBank, SetGrid, ToHost
from riffengine.transport.beat_grid import BeatGrid
from tests.engine.sync.simulation import RATE, SyncSimulation


class Daw:
    """A host, and a player that reports where it is 50 times a second."""

    def __init__(self, output: str = "daw", **values: object) -> None:
        self.sent: list[ToHost] = []
        self.simulation = SyncSimulation({"daw": daw_leader(output, self.sent.append)}, transport__sync="daw", **values)
        self.bpm, self.beat, self.jumps, self.rolling, self.known = 120.0, 0.0, 0, False, True
        self._from = 0

    def locate(self, beat: float) -> None:
        self.beat, self.jumps, self._from = beat, self.jumps + 1, self.simulation.frame

    def start(self, beat: float, bpm: float = 120.0) -> None:
        self.rolling, self.bpm = True, bpm
        self.locate(beat)

    def stop(self) -> None:
        self.beat, self.rolling, self._from = self.grid.beat_at(self.simulation.frame), False, self.simulation.frame

    @property
    def grid(self) -> BeatGrid:
        return BeatGrid(RATE, self.bpm, self._from, self.beat)

    def run(self, seconds: float) -> None:
        def report(frame: int) -> None:
            if not self.rolling:
                self._from = frame
            self.simulation.sync.player_host(HostTimeline(self.grid, self.jumps, self.rolling, self.known, self.bpm))

        report(self.simulation.frame)
        self.simulation.run(seconds, report)

    def beat_now(self) -> float:
        return self.simulation.conductor.moment(self.simulation.frame).beat


def test_the_engines_beat_is_the_hosts_and_no_grid_is_sent_back() -> None:
    daw = Daw()
    daw.start(16.0, 126.0)
    daw.run(3.0)
    assert daw.beat_now() == pytest.approx(daw.grid.beat_at(daw.simulation.frame), abs=1e-9)
    daw.locate(4.0)  # back: a host's beat may be any
    daw.run(2.0)
    assert daw.beat_now() == pytest.approx(daw.grid.beat_at(daw.simulation.frame), abs=1e-9)
    assert [m for m in daw.simulation.grids if m.at_frame > 0] == []
    assert daw.sent == [FollowHost(True, 120.0)]


def test_loops_are_rendered_at_the_hosts_tempo() -> None:
    daw = Daw()
    daw.start(0.0, 97.0)
    daw.run(12.0)
    assert daw.simulation.conductor.state.number("transport/tempo") == 97.0
    assert daw.simulation.renders[-1][1] == 97.0
    daw.bpm, daw.beat, daw._from = 174.0, daw.grid.beat_at(daw.simulation.frame), daw.simulation.frame
    daw.run(12.0)
    assert daw.simulation.renders[-1][1] == 174.0


def test_landings_are_told_in_the_hosts_beats_and_are_kept() -> None:
    daw = Daw()
    daw.start(100.0)
    daw.run(10.0)
    reply = daw.simulation.send("deck/a/prompt", "dub")
    assert isinstance(reply, Accepted)
    assert reply.landing is not None
    assert reply.landing.beat > 120.0
    assert reply.landing.beat % 4.0 == 0.0
    daw.run(8.0)
    launched = [m for m in daw.simulation.sent if isinstance(m, LaunchBank)][-1]
    assert daw.grid.beat_at(launched.at_frame or 0) == pytest.approx(reply.landing.beat, abs=1e-4)


def test_after_a_locate_a_landing_is_told_again_in_the_new_place() -> None:
    daw = Daw()
    daw.start(100.0)
    daw.run(10.0)
    daw.simulation.send("deck/a/prompt", "dub")
    daw.locate(41.0)
    daw.run(8.0)
    launched = [m for m in daw.simulation.sent if isinstance(m, LaunchBank)][-1]
    beat = daw.grid.beat_at(launched.at_frame or 0)
    assert 41.0 < beat < 52.0
    told = daw.simulation.announced[-1]
    assert (told.path, told.beat) == ("deck/a/prompt", pytest.approx(beat, abs=1e-3))
    assert beat % 4.0 == pytest.approx(0.0, abs=1e-3) or beat % 4.0 == pytest.approx(4.0, abs=1e-3)


def test_while_the_host_stands_a_change_lands_as_soon_as_it_is_rendered() -> None:
    daw = Daw()
    daw.beat = 8.5
    daw.run(5.0)
    begun = daw.simulation.frame
    reply = daw.simulation.send("deck/a/prompt", "dub")
    assert isinstance(reply, Accepted)
    assert reply.landing is not None
    assert reply.landing.seconds < 2.0
    daw.run(3.0)
    launched = [m for m in daw.simulation.sent if isinstance(m, LaunchBank)][-1]
    assert (launched.at_frame or 0) - begun < 1.5 * RATE  # half a second to render, and no bar to wait for
    assert daw.beat_now() == pytest.approx(8.5, abs=0.3)
    assert daw.simulation.sync.paused
    daw.start(8.5)
    daw.run(0.1)
    assert not daw.simulation.sync.paused


def test_a_host_that_tells_its_tempo_sets_it_and_one_that_does_not_takes_ours() -> None:
    daw = Daw()
    daw.start(0.0)
    daw.run(5.0)
    refused = daw.simulation.send("transport/tempo", 100.0)
    assert isinstance(refused, Rejected)
    assert "DAW sets the tempo" in refused.reason
    daw.known = False
    daw.run(1.0)
    assert isinstance(daw.simulation.send("transport/tempo", 100.0), Accepted)
    assert daw.sent[-1] == FollowHost(True, 100.0)


def test_when_the_last_track_is_gone_the_beat_runs_on_by_itself() -> None:
    daw = Daw()
    daw.start(20.0, 126.0)
    daw.run(12.0)
    daw.simulation.sync.player_host(None)
    before = daw.beat_now()
    daw.simulation.run(2.0)
    assert daw.beat_now() == pytest.approx(before + 2.0 * 126.0 / 60.0, abs=0.1)
    assert [m for m in daw.simulation.sent if isinstance(m, SetGrid)][-1].grid.bpm == 126.0
    assert isinstance(daw.simulation.send("transport/tempo", 100.0), Accepted)


def test_without_the_output_for_it_a_daw_is_refused_in_words() -> None:
    daw = Daw(output="device")
    daw.simulation.run(0.1)
    (said,) = daw.simulation.said
    assert "needs --output daw, and the output is device" in said
    assert daw.simulation.conductor.state.text("transport/sync") == "internal"
    assert daw.sent == []
