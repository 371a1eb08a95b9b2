"""Conductor and Synchroniser together: what is heard lies on the leader's beat, whatever the leader does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from riffengine.errors import ControlError
from riffengine.performance.command import Accepted, Rejected
from riffengine.processes.player_messages import LaunchBank, SetControl
from riffengine.session.session import load_session
from riffengine.transport.sync.midi_clock import CLOCK, CONTINUE, START, STOP
from tests.engine.sync.fake_leaders import Cable, Peers
from tests.engine.sync.simulation import RATE, SECOND, TICK_FRAMES, Stage
from tests.transport.sync.clock_sender import Sender


def wrapped(beats: float, every: float) -> float:
    return (beats + every / 2) % every - every / 2


def on_midi(sender: Sender, jitter: float = 0.001, lose=(), more=(), **options) -> Stage:  # type: ignore[no-untyped-def]
    ticks = [(ns, (CLOCK,)) for tick, ns in sender.arrivals(jitter) if tick not in lose]
    messages = sorted([(0, (START,)), *ticks, *more])
    stage: Stage
    stage = Stage({"midi": lambda bpm: Cable(stage.clock, messages)}, transport__sync="midi", **options)
    return stage


def errors_ms(stage: Stage, sender: Sender, seconds: float, fold: float = 1.0):  # type: ignore[no-untyped-def]
    """(seconds, error of what is heard in ms, tempo of the grid) at every tick."""
    found = []

    def watch(frame: int) -> None:
        heard = stage.heard_ns(frame) - SECOND  # the sender begins one second after zero
        apart = wrapped(stage.ruling.beat_at(frame) - sender.beat_at(heard) * fold, 8.0)
        found.append((frame / RATE, apart * 60e3 / stage.ruling.bpm, stage.ruling.bpm))

    stage.run(seconds, watch)
    return np.array(found)


def test_30_minutes_on_a_midi_clock_with_jitter_stay_within_a_millisecond() -> None:
    sender = Sender.steady(123.4, 1810.0)
    stage = on_midi(sender, tick_frames=4 * TICK_FRAMES, transport__tempo=123.4)
    found = errors_ms(stage, sender, 1800.0)
    settled = np.abs(found[found[:, 0] > 15.0, 1])
    print(f"largest {settled.max():.3f} ms, last minute {settled[-700:].mean():.3f} ms")
    assert settled.max() < 1.0
    assert sum(abs(grid.grid.bpm / 123.4 - 1) > 0.01 for grid in stage.grids) == 0


@pytest.mark.parametrize("bpm", [20.0, 61.0, 300.0])
def test_a_multiple_of_a_slow_or_fast_clock_is_followed(bpm: float) -> None:
    sender = Sender.steady(bpm, 100.0)
    stage = on_midi(sender)
    found = errors_ms(stage, sender, 90.0, {20.0: 4.0, 61.0: 1.0, 300.0: 0.5}[bpm])
    assert np.abs(found[found[:, 0] > 45.0, 1]).max() < 1.5
    assert stage.conductor.state.number("transport/tempo") == pytest.approx(
        {20.0: 80.0, 61.0: 61.0, 300.0: 150.0}[bpm], abs=0.11
    )


def test_lost_ticks_are_not_heard() -> None:
    sender = Sender.steady(120.0, 61.0)
    stage = on_midi(sender, lose=set(range(300, 2000, 37)))
    found = errors_ms(stage, sender, 60.0)
    assert np.abs(found[found[:, 0] > 12.0, 1]).max() < 1.0


def test_a_ramp_is_followed_and_loops_are_rendered_anew_on_the_way() -> None:
    sender = Sender(lambda t: 120 + 8 * min(max(t - 20, 0) / 16, 1), 90.0)
    stage = on_midi(sender)
    found = errors_ms(stage, sender, 80.0)
    assert np.abs(found[found[:, 0] > 12.0, 1]).max() < 8.0
    assert np.abs(found[found[:, 0] > 50.0, 1]).max() < 1.0
    assert stage.conductor.state.number("transport/tempo") == pytest.approx(128.0, abs=0.26)  # 0.2 % is in tune
    assert 128.0 in {round(bpm) for _, bpm in stage.renders}


def test_a_jump_of_tempo_is_on_the_beat_within_a_second_and_rendered_anew_within_a_bar() -> None:
    sender = Sender(lambda t: 120.0 if t < 30 else 90.0, 70.0)
    stage = on_midi(sender)
    found = errors_ms(stage, sender, 60.0)
    assert np.abs(found[(found[:, 0] > 12.0) & (found[:, 0] < 29.9), 1]).max() < 1.0
    assert np.abs(found[found[:, 0] > 31.0, 1]).max() < 5.0
    assert np.abs(found[found[:, 0] > 40.0, 1]).max() < 1.0
    bar = 30.0 + 4 * 60 / 90
    bank = stage.conductor._scheduler.decks["a"].sounding
    assert bank is not None
    assert bank.key.bpm == pytest.approx(90.0, abs=0.2)
    # From the old dreams, at the new tempo, and sounding before the bar is over in which the leader moved.
    assert bank.key.tempo_dreamt == pytest.approx(120.0, abs=0.2)
    swapped = min(m.at_frame for m in stage.sent if isinstance(m, LaunchBank) and m.at_frame > 30 * RATE)
    print(f"in tune again {swapped / RATE - 30:.2f} s after the jump")
    assert swapped / RATE < bar


def test_song_position_and_continue_move_the_grid_there() -> None:
    ticks = [SECOND + n * 20_000_000 for n in range(3000)]
    messages = [(0, (START,)), *((ns, (CLOCK,)) for ns in ticks)]
    at = ticks[1000] + 1
    messages += [(at, (STOP,)), (at + 1, (0xF2, 13, 0)), (ticks[1100] + 1, (CONTINUE,))]
    messages.sort()
    stage = Stage({"midi": lambda bpm: Cable(stage.clock, messages)}, transport__sync="midi", transport__tempo=125.0)
    stage.run(40.0)
    truth = 13 / 4 + (stage.heard_ns(stage.frame) - ticks[1101]) / 20_000_000 / 24
    assert wrapped(stage.ruling.beat_at(stage.frame) - truth, 8.0) == pytest.approx(0.0, abs=0.002)


def test_start_and_stop_are_heard_only_if_asked_for() -> None:
    ticks = [SECOND + n * 20_000_000 for n in range(1500)]
    messages = sorted(
        [(0, (START,)), *((ns, (CLOCK,)) for ns in ticks), (ticks[500] + 1, (STOP,)), (ticks[900] + 1, (START,))]
    )
    for asked in (False, True):
        stage = Stage(
            {"midi": lambda bpm: Cable(stage.clock, messages)},  # noqa: B023
            start_stop=asked,
            transport__sync="midi",
            transport__tempo=125.0,
        )
        stage.run(15.0)
        before = len(stage.sent)
        stage.run(15.0)
        fades = [m.value for m in stage.sent if isinstance(m, SetControl) and m.name == "fade"]
        assert fades[:2] == [0.0, 1.0]
        assert fades[2:] == ([0.0, 1.0] if asked else [])
        assert len(stage.sent) > before


def test_a_clock_that_ends_leaves_the_beat_running_and_the_tempo_ours() -> None:
    sender = Sender.steady(121.0, 20.0)
    stage = on_midi(sender)
    stage.run(15.0)
    refused = stage.send("transport/tempo", 100.0)
    assert isinstance(refused, Rejected)
    assert "MIDI clock leads" in refused.reason
    stage.run(10.0)
    assert isinstance(stage.send("transport/tempo", 100.0), Accepted)
    stage.run(10.0)
    assert stage.ruling.bpm == 100.0


def test_a_leader_that_cannot_be_had_is_told_and_left() -> None:
    def missing(bpm: float):  # type: ignore[no-untyped-def]
        raise ControlError("no cable")

    stage = Stage({"midi": missing})
    stage.run(1.0)
    assert isinstance(stage.send("transport/sync", "midi"), Accepted)
    stage.run(1.0)
    assert stage.conductor.state.text("transport/sync") == "internal"


# --- Link, with a simulated session ---------------------------------------------------------------------------------


def test_link_leads_tempo_and_bar_and_takes_a_tempo_from_us() -> None:
    stage = Stage({"link": lambda bpm: Peers(stage.clock, 127.0, 2.7)}, transport__sync="link")
    stage.run(15.0)
    peers = stage.sync._leader
    assert isinstance(peers, Peers)
    assert peers.bpm == 127.0  # joining changes nothing for the others
    heard = peers.beat_at(stage.heard_ns(stage.frame))
    assert wrapped(stage.ruling.beat_at(stage.frame) - heard, 4.0) * 60e3 / 127 == pytest.approx(0.0, abs=1.0)
    assert stage.conductor.state.number("transport/tempo") == 127.0
    stage.send("transport/tempo", 100.0)
    stage.run(10.0)
    assert peers.bpm == 100.0
    heard = peers.beat_at(stage.heard_ns(stage.frame))
    assert wrapped(stage.ruling.beat_at(stage.frame) - heard, 4.0) * 60e3 / 100 == pytest.approx(0.0, abs=1.0)
    stage.send("transport/offset", 15.0)
    stage.run(10.0)
    heard = peers.beat_at(stage.heard_ns(stage.frame))
    assert wrapped(stage.ruling.beat_at(stage.frame) - heard, 4.0) * 60e3 / 100 == pytest.approx(15.0, abs=1.0)
    stage.send("transport/sync", "internal")
    stage.run(1.0)
    assert peers.left
    assert stage.ruling.bpm == 100.0


def jumps_ms(stage: Stage) -> float:
    """The largest jump of the beat from one grid to the next."""
    pairs = zip(stage.grids, stage.grids[1:], strict=False)
    apart = [abs(b.grid.beat_at(b.at_frame) - a.grid.beat_at(b.at_frame)) * 60e3 / b.grid.bpm for a, b in pairs]
    return max(apart, default=0.0)


def test_to_enable_link_where_nobody_is_changes_neither_tempo_nor_beat_and_so_does_leaving() -> None:
    stage = Stage({"link": lambda bpm: Peers(stage.clock, bpm, alone=True)}, transport__tempo=117.0)
    stage.run(7.3)
    started = stage.ruling.beat_at(stage.frame) - stage.frame / RATE * 117 / 60
    for mode in ("link", "internal"):
        stage.send("transport/sync", mode)
        stage.run(8.0)
        assert stage.conductor.state.number("transport/tempo") == 117.0
        assert jumps_ms(stage) < 0.1
        moved = stage.ruling.beat_at(stage.frame) - stage.frame / RATE * 117 / 60 - started
        assert abs(moved) * 60e3 / 117 < 1.5  # the device runs 50 ppm faster than the session


@pytest.mark.parametrize("latency", [0.0, 0.003, 0.18])
def test_what_the_device_delays_is_played_that_much_earlier_and_the_offset_of_the_preset_on_top(
    latency: float, tmp_path: Path
) -> None:
    (tmp_path / "set.yaml").write_text("sync: {source: link, offset: 12.5}\n")
    session = load_session(tmp_path / "set.yaml")
    values = {path.replace("/", "__"): value for path, value in session.parameters.items()}
    stage = Stage({"link": lambda bpm: Peers(stage.clock, 127.0, 2.7)}, latency=latency, **values)
    stage.run(12.0)
    peers = stage.sync._leader
    assert isinstance(peers, Peers)

    def early_ms() -> float:
        """By how much what is handed over now is heard before the session is there."""
        beats = stage.ruling.beat_at(stage.frame) - peers.beat_at(stage.heard_ns(stage.frame))
        return wrapped(beats, 4.0) * 60e3 / 127

    assert early_ms() == pytest.approx(12.5, abs=0.5)
    stage.send("transport/offset", -30.0)
    stage.run(8.0)
    assert early_ms() == pytest.approx(-30.0, abs=0.5)


# --- internal -------------------------------------------------------------------------------------------------------


def test_a_nudge_shifts_the_beat_and_lets_it_run_again() -> None:
    stage = Stage()
    stage.run(10.0)
    start = stage.ruling.beat_at(stage.frame), stage.frame
    stage.send("transport/nudge", 10.0)
    stage.run(12.0)
    expected = start[0] + (stage.frame - start[1]) / RATE * 2 + 0.02
    assert stage.ruling.bpm == 120.0
    assert stage.ruling.beat_at(stage.frame) == pytest.approx(expected, abs=0.001)


def test_a_tempo_can_take_its_time() -> None:
    stage = Stage(transport__ramp=16.0)
    stage.run(10.0)
    reply = stage.send("transport/tempo", 130.0)
    assert isinstance(reply, Accepted)
    assert reply.landing is not None
    assert reply.landing.seconds == pytest.approx(16 * 60 / 125, rel=0.01)
    stage.run(reply.landing.seconds / 2)
    assert stage.ruling.bpm == pytest.approx(125.0, abs=1.0)
    stage.run(15.0)
    assert stage.ruling.bpm == 130.0
    assert stage.conductor.state.number("transport/tempo") == 130.0


def test_three_taps_make_a_tempo() -> None:
    stage = Stage()
    stage.run(5.0)
    for _ in range(4):
        stage.send("transport/tap", True)
        stage.run(0.48)
    stage.run(5.0)
    assert stage.conductor.state.number("transport/tempo") == pytest.approx(125.0, abs=0.2)
    assert stage.ruling.bpm == stage.conductor.state.number("transport/tempo")
