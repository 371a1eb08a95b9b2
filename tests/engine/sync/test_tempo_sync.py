"""Conductor and TempoSync together: what is heard stays on the leader's beat."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from riffengine.errors import ControlError
from riffengine.performance.command import Accepted, Rejected
from riffengine.processes.player_messages import FADE, LaunchBank, SetControl
from riffengine.scheduler.actions import Log
from riffengine.session.session import load_session
from riffengine.transport.sync.midi_clock import CLOCK, CONTINUE, START, STOP
from tests.engine.sync.fake_leaders import FakeLinkSession, FakeMidiClock
from tests.engine.sync.simulation import RATE, SECOND, TICK_FRAMES, SyncSimulation
from tests.transport.sync.clock_sender import Sender


def wrapped(beats: float, every: float) -> float:
    return (beats + every / 2) % every - every / 2


def on_midi(sender: Sender, jitter: float = 0.001, lose=(), more=(), **options) -> SyncSimulation:  # type: ignore[no-untyped-def]
    ticks = [(ns, (CLOCK,)) for tick, ns in sender.arrivals(jitter) if tick not in lose]
    messages = sorted([(0, (START,)), *ticks, *more])
    simulation: SyncSimulation
    simulation = SyncSimulation(
        {"midi": lambda bpm: FakeMidiClock(simulation.clock, messages)}, transport__sync="midi", **options
    )
    return simulation


def errors_ms(simulation: SyncSimulation, sender: Sender, seconds: float, fold: float = 1.0):  # type: ignore[no-untyped-def]
    """(seconds, error of what is heard in ms, tempo of the grid) at every tick."""
    found = []

    def watch(frame: int) -> None:
        heard = simulation.heard_ns(frame) - SECOND  # the sender begins one second after zero
        apart = wrapped(simulation.ruling.beat_at(frame) - sender.beat_at(heard) * fold, 8.0)
        found.append((frame / RATE, apart * 60e3 / simulation.ruling.bpm, simulation.ruling.bpm))

    simulation.run(seconds, watch)
    return np.array(found)


def test_30_minutes_on_a_midi_clock_with_jitter_stay_within_a_millisecond() -> None:
    sender = Sender.steady(123.4, 1810.0)
    simulation = on_midi(sender, tick_frames=4 * TICK_FRAMES, transport__tempo=123.4)
    found = errors_ms(simulation, sender, 1800.0)
    settled = np.abs(found[found[:, 0] > 15.0, 1])
    print(f"largest {settled.max():.3f} ms, last minute {settled[-700:].mean():.3f} ms")
    assert settled.max() < 1.0
    assert sum(abs(grid.grid.bpm / 123.4 - 1) > 0.01 for grid in simulation.grids) == 0


@pytest.mark.parametrize("bpm", [20.0, 61.0, 300.0])
def test_a_multiple_of_a_slow_or_fast_clock_is_followed(bpm: float) -> None:
    sender = Sender.steady(bpm, 100.0)
    simulation = on_midi(sender)
    found = errors_ms(simulation, sender, 90.0, {20.0: 4.0, 61.0: 1.0, 300.0: 0.5}[bpm])
    assert np.abs(found[found[:, 0] > 45.0, 1]).max() < 1.5
    assert simulation.conductor.state.number("transport/tempo") == pytest.approx(
        {20.0: 80.0, 61.0: 61.0, 300.0: 150.0}[bpm], abs=0.11
    )


def test_lost_ticks_are_not_heard() -> None:
    sender = Sender.steady(120.0, 61.0)
    simulation = on_midi(sender, lose=set(range(300, 2000, 37)))
    found = errors_ms(simulation, sender, 60.0)
    assert np.abs(found[found[:, 0] > 12.0, 1]).max() < 1.0


def test_a_ramp_is_followed_and_loops_are_rendered_again_on_the_way() -> None:
    sender = Sender(lambda t: 120 + 8 * min(max(t - 20, 0) / 16, 1), 90.0)
    simulation = on_midi(sender)
    found = errors_ms(simulation, sender, 80.0)
    assert np.abs(found[found[:, 0] > 12.0, 1]).max() < 8.0
    assert np.abs(found[found[:, 0] > 50.0, 1]).max() < 1.0
    assert simulation.conductor.state.number("transport/tempo") == pytest.approx(128.0, abs=0.26)  # 0.2 % is in tune
    assert 128.0 in {round(bpm) for _, bpm in simulation.renders}


def test_a_tempo_jump_is_on_the_beat_in_a_second_and_rendered_again_in_a_bar() -> None:
    sender = Sender(lambda t: 120.0 if t < 30 else 90.0, 70.0)
    simulation = on_midi(sender)
    found = errors_ms(simulation, sender, 60.0)
    assert np.abs(found[(found[:, 0] > 12.0) & (found[:, 0] < 29.9), 1]).max() < 1.0
    assert np.abs(found[found[:, 0] > 31.0, 1]).max() < 5.0
    assert np.abs(found[found[:, 0] > 40.0, 1]).max() < 1.0
    bar = 30.0 + 4 * 60 / 90
    bank = simulation.conductor._scheduler.decks["a"].sounding
    assert bank is not None
    assert bank.key.bpm == pytest.approx(90.0, abs=0.2)
    # From the old loops, at the new tempo, and sounding before the bar is over in which the leader moved.
    assert bank.key.source_tempo == pytest.approx(120.0, abs=0.2)
    swapped = min(m.at_frame for m in simulation.sent if isinstance(m, LaunchBank) and m.at_frame > 30 * RATE)
    print(f"in tune again {swapped / RATE - 30:.2f} s after the jump")
    assert swapped / RATE < bar


def test_song_position_and_continue_move_the_grid_there() -> None:
    ticks = [SECOND + n * 20_000_000 for n in range(3000)]
    messages = [(0, (START,)), *((ns, (CLOCK,)) for ns in ticks)]
    at = ticks[1000] + 1
    messages += [(at, (STOP,)), (at + 1, (0xF2, 13, 0)), (ticks[1100] + 1, (CONTINUE,))]
    messages.sort()
    simulation = SyncSimulation(
        {"midi": lambda bpm: FakeMidiClock(simulation.clock, messages)}, transport__sync="midi", transport__tempo=125.0
    )
    simulation.run(40.0)
    truth = 13 / 4 + (simulation.heard_ns(simulation.frame) - ticks[1101]) / 20_000_000 / 24
    assert wrapped(simulation.ruling.beat_at(simulation.frame) - truth, 8.0) == pytest.approx(0.0, abs=0.002)


def test_start_and_stop_are_heard_only_if_asked_for() -> None:
    ticks = [SECOND + n * 20_000_000 for n in range(1500)]
    messages = sorted(
        [(0, (START,)), *((ns, (CLOCK,)) for ns in ticks), (ticks[500] + 1, (STOP,)), (ticks[900] + 1, (START,))]
    )
    for asked in (False, True):
        simulation = SyncSimulation(
            {"midi": lambda bpm: FakeMidiClock(simulation.clock, messages)},  # noqa: B023
            start_stop=asked,
            transport__sync="midi",
            transport__tempo=125.0,
        )
        simulation.run(15.0)
        before = len(simulation.sent)
        simulation.run(15.0)
        fades = [m.value for m in simulation.sent if isinstance(m, SetControl) and m.target == FADE]
        assert fades[:2] == [0.0, 1.0]
        assert fades[2:] == ([0.0, 1.0] if asked else [])
        assert len(simulation.sent) > before


def test_when_a_clock_ends_the_beat_runs_on_and_the_tempo_can_be_set() -> None:
    sender = Sender.steady(121.0, 20.0)
    simulation = on_midi(sender)
    simulation.run(15.0)
    refused = simulation.send("transport/tempo", 100.0)
    assert isinstance(refused, Rejected)
    assert "MIDI clock sets the tempo" in refused.reason
    simulation.run(10.0)
    assert isinstance(simulation.send("transport/tempo", 100.0), Accepted)
    simulation.run(10.0)
    assert simulation.ruling.bpm == 100.0


def test_a_leader_that_cannot_be_opened_is_reported_and_not_followed() -> None:
    def missing(bpm: float):  # type: ignore[no-untyped-def]
        raise ControlError("no cable")

    simulation = SyncSimulation({"midi": missing})
    simulation.run(1.0)
    assert isinstance(simulation.send("transport/sync", "midi"), Accepted)
    simulation.run(1.0)
    assert simulation.said == ["no sync: no cable"]
    assert simulation.conductor.state.text("transport/sync") == "internal"


@pytest.mark.parametrize("seconds", [0.0, 15.0])  # while it is being opened, and while it is followed
def test_a_leader_that_fails_after_it_was_asked_for_is_reported_and_closed(seconds: float) -> None:
    sender = Sender.steady(121.0, 60.0)
    simulation = on_midi(sender)
    simulation.run(seconds)
    simulation.sync.tick(simulation.frame)
    leader = simulation.sync._leader
    assert isinstance(leader, FakeMidiClock)
    assert seconds == 0.0 or simulation.sync._following
    leader.problem = "the MIDI system does not answer"
    told = [action.text for action in simulation.sync.tick(simulation.frame) if isinstance(action, Log)]
    assert told == ["no sync: the MIDI system does not answer"]
    assert leader.closed
    assert simulation.conductor.state.text("transport/sync") == "internal"
    assert isinstance(simulation.send("transport/tempo", 100.0), Accepted)
    simulation.run(10.0)
    assert simulation.ruling.bpm == 100.0


# --- Link, with a simulated session ---------------------------------------------------------------------------------


def test_link_leads_tempo_and_bar_and_accepts_a_tempo_from_us() -> None:
    simulation = SyncSimulation(
        {"link": lambda bpm: FakeLinkSession(simulation.clock, 127.0, 2.7)}, transport__sync="link"
    )
    simulation.run(15.0)
    peers = simulation.sync._leader
    assert isinstance(peers, FakeLinkSession)
    assert peers.bpm == 127.0  # joining changes nothing for the others
    heard = peers.beat_at(simulation.heard_ns(simulation.frame))
    assert wrapped(simulation.ruling.beat_at(simulation.frame) - heard, 4.0) * 60e3 / 127 == pytest.approx(0.0, abs=1.0)
    assert simulation.conductor.state.number("transport/tempo") == 127.0
    simulation.send("transport/tempo", 100.0)
    simulation.run(10.0)
    assert peers.bpm == 100.0
    heard = peers.beat_at(simulation.heard_ns(simulation.frame))
    assert wrapped(simulation.ruling.beat_at(simulation.frame) - heard, 4.0) * 60e3 / 100 == pytest.approx(0.0, abs=1.0)
    simulation.send("transport/offset", 15.0)
    simulation.run(10.0)
    heard = peers.beat_at(simulation.heard_ns(simulation.frame))
    assert wrapped(simulation.ruling.beat_at(simulation.frame) - heard, 4.0) * 60e3 / 100 == pytest.approx(
        15.0, abs=1.0
    )
    simulation.send("transport/sync", "internal")
    simulation.run(1.0)
    assert peers.left
    assert simulation.ruling.bpm == 100.0


def jumps_ms(simulation: SyncSimulation) -> float:
    """The largest jump of the beat from one grid to the next."""
    pairs = zip(simulation.grids, simulation.grids[1:], strict=False)
    apart = [abs(b.grid.beat_at(b.at_frame) - a.grid.beat_at(b.at_frame)) * 60e3 / b.grid.bpm for a, b in pairs]
    return max(apart, default=0.0)


def test_joining_and_leaving_link_without_peers_changes_neither_tempo_nor_beat() -> None:
    simulation = SyncSimulation(
        {"link": lambda bpm: FakeLinkSession(simulation.clock, bpm, alone=True)}, transport__tempo=117.0
    )
    simulation.run(7.3)
    started = simulation.ruling.beat_at(simulation.frame) - simulation.frame / RATE * 117 / 60
    for mode in ("link", "internal"):
        simulation.send("transport/sync", mode)
        simulation.run(8.0)
        assert simulation.conductor.state.number("transport/tempo") == 117.0
        assert jumps_ms(simulation) < 0.1
        moved = simulation.ruling.beat_at(simulation.frame) - simulation.frame / RATE * 117 / 60 - started
        assert abs(moved) * 60e3 / 117 < 1.5  # the device runs 50 ppm faster than the session


@pytest.mark.parametrize("latency", [0.0, 0.003, 0.18])
def test_the_latency_of_the_device_and_the_offset_of_the_preset_are_compensated(latency: float, tmp_path: Path) -> None:
    (tmp_path / "set.yaml").write_text("sync: {source: link, offset: 12.5}\n")
    session = load_session(tmp_path / "set.yaml")
    values = {path.replace("/", "__"): value for path, value in session.parameters.items()}
    simulation = SyncSimulation(
        {"link": lambda bpm: FakeLinkSession(simulation.clock, 127.0, 2.7)}, latency=latency, **values
    )
    simulation.run(12.0)
    peers = simulation.sync._leader
    assert isinstance(peers, FakeLinkSession)

    def early_ms() -> float:
        """How much earlier than the session's beat our beat is heard."""
        beats = simulation.ruling.beat_at(simulation.frame) - peers.beat_at(simulation.heard_ns(simulation.frame))
        return wrapped(beats, 4.0) * 60e3 / 127

    assert early_ms() == pytest.approx(12.5, abs=0.5)
    simulation.send("transport/offset", -30.0)
    simulation.run(8.0)
    assert early_ms() == pytest.approx(-30.0, abs=0.5)


# --- internal -------------------------------------------------------------------------------------------------------


def test_a_nudge_shifts_the_beat_and_lets_it_run_again() -> None:
    simulation = SyncSimulation()
    simulation.run(10.0)
    start = simulation.ruling.beat_at(simulation.frame), simulation.frame
    simulation.send("transport/nudge", 10.0)
    simulation.run(12.0)
    expected = start[0] + (simulation.frame - start[1]) / RATE * 2 + 0.02
    assert simulation.ruling.bpm == 120.0
    assert simulation.ruling.beat_at(simulation.frame) == pytest.approx(expected, abs=0.001)


def test_a_tempo_can_ramp() -> None:
    simulation = SyncSimulation(transport__ramp=16.0)
    simulation.run(10.0)
    reply = simulation.send("transport/tempo", 130.0)
    assert isinstance(reply, Accepted)
    assert reply.landing is not None
    assert reply.landing.seconds == pytest.approx(16 * 60 / 125, rel=0.01)
    simulation.run(reply.landing.seconds / 2)
    assert simulation.ruling.bpm == pytest.approx(125.0, abs=1.0)
    simulation.run(15.0)
    assert simulation.ruling.bpm == 130.0
    assert simulation.conductor.state.number("transport/tempo") == 130.0


def test_three_taps_make_a_tempo() -> None:
    simulation = SyncSimulation()
    simulation.run(5.0)
    for _ in range(4):
        simulation.send("transport/tap", True)
        simulation.run(0.48)
    simulation.run(5.0)
    assert simulation.conductor.state.number("transport/tempo") == pytest.approx(125.0, abs=0.2)
    assert simulation.ruling.bpm == simulation.conductor.state.number("transport/tempo")
