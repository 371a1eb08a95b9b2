"""The CLAP and an engine that says its own beat: real C code, socket and shared memory, and every frame checked.

The engine fills when the test says so, between two blocks of the host: it is late by a known number of blocks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from riffengine.clock import SystemClock
from riffengine.daw.ramp_engine import Instance, RampEngine, beats_of
from riffengine.processes import daw_layout
from riffengine.processes.daw_slots import SLOTS
from tests.daw.clap_host import ClapHost, Params, Transport, midi, note, param
from tests.processes.daw_host import HostEnd

RATE = 48000
ODD_BLOCKS = (512, 64, 333, 17, 480, 1, 512, 1023)
FADED = 64  # frames


class Rig:
    """A host with one plugin, an engine, and the host's song position."""

    def __init__(self, folder: Path, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = folder / "daw.sock"
        monkeypatch.setenv("RIFFENGINE_DAW_SOCKET", str(path))
        self.library = library
        self.engine: RampEngine | None = RampEngine(path, SystemClock())
        self.path = path
        self.hosts: list[ClapHost] = []
        self.beat = 0.0
        self.rate = float(RATE)

    def host(self, plugin: str = "riffengine.plugin", rate: float = RATE, attached: bool = True) -> ClapHost:
        host = ClapHost(self.library, plugin, rate)
        self.hosts.append(host)
        self.rate = rate
        if attached:
            self.attach(host)
        return host

    def attach(self, host: ClapHost, beat: float | None = None, playing: bool = False) -> Instance:
        """Serve until the newest instance has told its host's time; the host stands meanwhile."""
        assert self.engine is not None
        known = {id(instance) for instance in self.engine.instances if instance.host is not None}
        for _ in range(2000):
            self.engine.serve(0.005)
            host.run(64, Transport(self.beat if beat is None else beat, playing=playing))
            self.engine.fill()
            fresh = [i for i in self.engine.instances if id(i) not in known and i.host is not None]
            if fresh:
                return fresh[0]
        raise AssertionError("the plugin has not found the engine")

    @property
    def instance(self) -> Instance:
        assert self.engine is not None
        return self.engine.instances[0]

    def play(self, host: ClapHost, frames: int, bpm: float = 120.0, fill: bool = True, **other: object) -> np.ndarray:
        """The beat of each frame of a block that begins at the song position, which then moves on."""
        out = host.run(frames, replace(Transport(self.beat, bpm), **other))  # type: ignore[arg-type]  # its fields
        self.beat += frames * bpm / 60.0 / self.rate
        if fill and self.engine is not None:
            self.engine.fill()
        return beats_of(out[0], out[1])

    def close(self) -> None:
        for host in self.hosts:
            host.close()
        if self.engine is not None:
            self.engine.close()


@pytest.fixture
def rig(tmp_path: Path, clap_library: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    rig = Rig(tmp_path, clap_library, monkeypatch)
    yield rig
    rig.close()


def line(beat: float, frames: int, bpm: float = 120.0, rate: float = RATE) -> np.ndarray:
    return beat + np.arange(frames) * bpm / 60.0 / rate


def right(heard: np.ndarray, beat: float, bpm: float = 120.0, rate: float = RATE, frames: float = 0.25) -> bool:
    """Whether every frame is music, and at its beat to a part of a frame (float32 at beat 64 is good for a tenth)."""
    return bool(np.abs(heard - line(beat, len(heard), bpm, rate)).max() < frames * bpm / 60.0 / rate)  # NaN: false


def test_the_first_frame_of_play_is_the_hosts_beat_and_no_odd_block_breaks_it(rig: Rig) -> None:
    host = rig.host()
    for frames in ODD_BLOCKS * 20:
        beat = rig.beat
        assert right(rig.play(host, frames), beat)
    assert rig.instance.ring.underruns == 0
    assert rig.instance.ring.silent_frames == 0
    assert rig.instance.runs == {1}


@pytest.mark.parametrize("bpm", [90.0, 97.5, 120.0, 174.0])
@pytest.mark.parametrize("rate", [44100.0, 48000.0, 96000.0])
def test_it_plays_from_bar_nine_at_every_tempo_and_rate(rig: Rig, bpm: float, rate: float) -> None:
    host = rig.host(rate=rate)
    host.run(256, Transport(32.0, bpm, playing=False))
    assert rig.engine is not None
    rig.engine.fill()
    rig.beat = 32.0
    for frames in ODD_BLOCKS * 4:
        beat = rig.beat
        assert right(rig.play(host, frames, bpm), beat, bpm, rate)


def test_a_host_that_starts_a_block_or_two_from_where_it_stood_loses_nothing(rig: Rig) -> None:
    host = rig.host()
    for stood in (8.0177, 8.0094):  # Ardour stands a block or two behind the place at which it starts
        host.run(512, Transport(stood, playing=False))
        assert rig.engine is not None
        rig.engine.fill()
        host.run(512, Transport(stood, playing=False))
        rig.beat = 8.0
        for _ in range(20):
            beat = rig.beat
            assert right(rig.play(host, 512), beat, frames=0.6)  # the two places are no whole frames apart
    assert rig.instance.ring.silent_frames == 0


@pytest.mark.parametrize("to", [0.0, 1.5, 2.51, 7.25, 100.0])
def test_a_jump_is_at_most_one_silent_block_and_never_a_wrong_one(rig: Rig, to: float) -> None:
    host = rig.host()
    while rig.beat < 2.5:
        rig.play(host, 512)
    rig.beat = to
    first = rig.play(host, 512)
    assert np.isnan(first).all() or right(first, to)
    for frames in ODD_BLOCKS:
        beat = rig.beat
        heard = rig.play(host, frames)
        assert right(heard, beat)
    assert rig.instance.ring.underruns == 0


def test_a_transport_event_within_a_block_jumps_within_the_block(rig: Rig) -> None:
    host = rig.host()
    for _ in range(8):
        rig.play(host, 512)
    beat = rig.beat
    out = host.run(512, Transport(beat), Transport(16.0, frame=200))
    assert right(beats_of(out[0, :200], out[1, :200]), beat)
    assert not out[:, 200:].any()
    assert rig.engine is not None
    rig.engine.fill()
    rig.beat = 16.0 + 312 * 2 / RATE
    for _ in range(8):
        beat = rig.beat
        assert right(rig.play(host, 512), beat)


def test_a_loop_range_that_the_host_tells_has_no_silence_at_all(rig: Rig) -> None:
    host = rig.host()
    start, end = 1.0, 2.0
    rig.beat = 0.5
    rig.play(host, 512, loop=(start, end))
    turns = 0
    for _ in range(300):
        frames = 333
        beat = rig.beat
        heard = rig.play(host, frames, loop=(start, end))
        expected = line(beat, frames)
        expected = np.where(expected >= end - 1e-9, expected - (end - start), expected)
        assert np.abs(heard - expected).max() < 3e-5  # a frame is 4.2e-5 beats
        if rig.beat >= end - 1e-9:
            rig.beat -= end - start
            turns += 1
    assert turns == 3
    assert rig.instance.ring.underruns == 0


def test_a_loop_range_that_the_host_does_not_tell_is_seen_the_second_time(rig: Rig) -> None:
    host = rig.host()
    silent = []
    for _turn in range(5):
        rig.beat = 4.0
        blocks = 0
        while rig.beat < 5.0 - 1e-9:
            heard = rig.play(host, 500)  # 48 blocks of 500 frames are a beat at 120 bpm … 24000 frames
            if np.isnan(heard).any():
                blocks += 1
            else:
                assert right(heard, rig.beat - 500 * 2 / RATE)
        silent.append(blocks)
    assert silent[0] <= 1
    assert silent[3:] == [0, 0]
    before = rig.instance.ring.silent_frames
    rig.beat = 5.0
    rig.play(host, 500)  # the range is off: the music beyond its end was not written
    beat = rig.beat
    assert right(rig.play(host, 500), beat)
    assert rig.instance.ring.silent_frames - before == 500


def test_a_loop_range_that_was_seen_is_forgotten_when_the_host_stops(rig: Rig) -> None:
    host = rig.host()
    for _turn in range(4):
        rig.beat = 4.0
        for _ in range(48):  # of 500 frames: one beat at 120 bpm
            rig.play(host, 500)
    assert rig.engine is not None
    for _ in range(2):
        host.run(500, Transport(4.0, playing=False))
        rig.engine.fill()
    rig.beat = 4.0
    for _ in range(96):  # the host plays on beyond the end of the range
        beat = rig.beat
        assert right(rig.play(host, 500), beat)


def test_a_step_of_the_tempo_is_crossfaded_and_never_far_from_the_beat(rig: Rig) -> None:
    host = rig.host()
    for bpm in (120.0, 174.0, 90.0, 91.0):
        for block in range(30):
            beat = rig.beat
            heard = rig.play(host, 256, bpm)
            assert not np.isnan(heard).any()
            off = np.abs(heard - line(beat, 256, bpm)).max()
            assert off < 0.02
            if block > 2:
                assert off < 1e-3  # 0.5 ms: what a step of 1 bpm is at the end of what was written
    assert rig.instance.ring.underruns == 0


@pytest.mark.parametrize("bpm_a_second", [2.0, 10.0, -30.0])
def test_a_ramp_of_the_tempo_stays_on_the_beat(rig: Rig, bpm_a_second: float) -> None:
    host = rig.host()
    bpm = 120.0
    for _ in range(188):  # 2 s
        step = 512 / RATE * bpm_a_second
        beat = rig.beat
        out = host.run(512, Transport(beat, bpm))
        heard = beats_of(out[0], out[1])
        assert not np.isnan(heard).any()
        assert np.abs(heard - line(beat, 512, bpm)).max() < 2e-3  # 1 ms
        rig.beat += 512 / RATE * (bpm + step / 2) / 60.0
        bpm += step
        assert rig.engine is not None
        rig.engine.fill()
    assert rig.instance.ring.silent_frames == 0


def test_a_ramp_whose_tempo_the_host_does_not_tell_is_followed_by_its_beats(rig: Rig) -> None:
    """As Ardour does it: beats in ticks, and all the time the tempo at which the ramp began."""
    host = rig.host()
    for block in range(280):  # a second at 120, 2 s of ramp to 140, and on
        bpm = 120.0 + 10.0 * min(max((block - 94) * 512 / RATE, 0.0), 2.0)
        told = 120.0 if bpm < 140.0 else 140.0
        out = host.run(512, Transport(int(rig.beat * 1920) / 1920, told))
        heard = beats_of(out[0], out[1])
        assert not np.isnan(heard).any()
        assert abs(heard[0] - rig.beat) < (3e-5 if block < 94 else 5e-3)  # 2.5 ms, right after the ramp has begun
        rig.beat += 512 * bpm / 60.0 / RATE
        assert rig.engine is not None
        rig.engine.fill()
    assert rig.instance.ring.silent_frames == 0


def test_a_beat_that_the_host_rounds_to_ticks_is_no_jump(rig: Rig) -> None:
    host = rig.host()
    host.run(512, Transport(0.0, 97.5, playing=False))
    assert rig.engine is not None
    rig.engine.fill()
    assert rig.instance.host is not None
    jumps = rig.instance.host.jumps
    for _ in range(400):
        rounded = round(rig.beat * 1920) / 1920
        out = host.run(512, Transport(rounded, 97.5))
        heard = beats_of(out[0], out[1])
        assert right(heard, rig.beat, 97.5)
        rig.beat += 512 * 97.5 / 60.0 / RATE
        rig.engine.fill()
    assert rig.instance.host is not None
    assert rig.instance.host.jumps == jumps


def test_stop_fades_out_and_start_goes_on_from_the_very_frame(rig: Rig) -> None:
    host = rig.host()
    for _ in range(10):
        rig.play(host, 512)
    stopped = host.run(512, Transport(rig.beat, playing=False))
    assert stopped[1, :FADED].max() < 1.0
    assert (np.diff(stopped[1, :FADED]) < 0).all()
    assert not stopped[:, FADED:].any()
    assert rig.engine is not None
    rig.engine.fill()
    assert not host.run(512, Transport(rig.beat, playing=False)).any()
    for _ in range(4):
        beat = rig.beat
        assert right(rig.play(host, 512), beat)
    assert rig.instance.ring.silent_frames == 0


def test_a_host_that_goes_elsewhere_as_it_stops_hears_the_end_of_what_it_played(rig: Rig) -> None:
    host = rig.host()
    for _ in range(10):
        rig.play(host, 512)
    stopped = host.run(512, Transport(2.0, playing=False))  # JACK's transport goes back a little, others to the start
    assert right(beats_of(stopped[0, : FADED - 1], stopped[1, : FADED - 1]), rig.beat)
    assert rig.engine is not None
    for _ in range(2):
        rig.engine.fill()
        host.run(512, Transport(2.0, playing=False))
    rig.beat = 2.0
    for _ in range(4):
        beat = rig.beat
        assert right(rig.play(host, 512), beat)
    assert rig.instance.ring.silent_frames == 0


def test_an_engine_that_is_late_makes_a_gap_with_soft_ends_and_is_then_in_place(rig: Rig) -> None:
    host = rig.host()
    rig.play(host, 512)
    while not np.isnan(rig.play(host, 512, fill=False)).any():
        continue
    rig.play(host, 512, fill=False)
    assert rig.engine is not None
    rig.engine.fill()
    beat = rig.beat
    out = host.run(512, Transport(beat))
    assert (np.diff(out[1, :FADED]) > 0).all()
    assert right(beats_of(out[0], out[1]), beat)
    assert rig.instance.ring.underruns >= 1


def test_an_engine_that_comes_back_is_in_place_with_its_first_block(rig: Rig) -> None:
    host = rig.host()
    for _ in range(10):
        rig.play(host, 512)
    assert rig.engine is not None
    rig.engine.close()
    rig.engine = None
    heard = [rig.play(host, 512) for _ in range(20)]
    played = [block for block in heard if not np.isnan(block).all()]
    assert 1 <= len(played) < 20  # what was in the ring, then silence; both in their place
    rig.engine = RampEngine(rig.path, SystemClock())
    for _ in range(2000):
        rig.engine.serve(0.005)
        beat = rig.beat
        block = rig.play(host, 512)
        assert np.isnan(block).all() or right(block, beat)
        if not np.isnan(block).all():
            break
    beat = rig.beat
    assert right(rig.play(host, 512), beat)


def test_automation_reaches_the_engine_and_its_changes_reach_the_host(rig: Rig) -> None:
    host = rig.host()
    host.run(256, Transport(0.0), param(3, 0.25), param(15, 1.0, 100))
    assert rig.engine is not None
    rig.engine.fill()
    assert rig.instance.parameters == {3: 0.25, 15: 1.0}
    rig.instance.ring.set_parameter(4, 0.75)
    rig.instance.ring.set_parameter(3, 0.5)
    host.changes.clear()
    host.run(256, Transport(0.0))
    assert host.changes == [(3, 0.5), (4, 0.75)]
    assert host.value(3) == 0.5
    rig.instance.parameters.clear()
    rig.engine.fill()
    assert rig.instance.parameters == {}, "what the engine has said is not said back to it"


def test_a_new_engine_is_told_only_what_the_project_has_moved(rig: Rig) -> None:
    host = rig.host()
    host.run(256, Transport(0.0), param(1, 0.125))
    assert rig.engine is not None
    rig.engine.close()
    rig.engine = RampEngine(rig.path, SystemClock())
    rig.attach(host)
    rig.engine.fill()
    assert rig.instance.parameters == {1: 0.125}


def test_the_notes_of_the_track_arrive_with_their_beat(rig: Rig) -> None:
    host = rig.host("riffengine.plugin.instrument")
    host.run(512, Transport(2.0))
    host.run(
        512,
        Transport(4.0),
        note(60, 1.0, 120),
        midi(b"\xb0\x01\x40", 240),
        midi(b"\xc0\x05"),
        note(60, 0.5, 500, on=False),
    )
    assert rig.engine is not None
    rig.engine.fill()
    found = [(event.data, round((event.beat - 4.0) * RATE / 2)) for event in rig.instance.midi]
    assert found == [(b"\x90\x3c\x7f", 120), (b"\xb0\x01\x40", 240), (b"\xc0\x05", 0), (b"\x80\x3c\x40", 500)]


def test_more_notes_than_fit_are_dropped_and_counted(rig: Rig) -> None:
    host = rig.host("riffengine.plugin.instrument")
    host.run(512, Transport(0.0), *(note(number % 128, 0.5, number) for number in range(200)))
    assert rig.engine is not None
    rig.engine.fill()
    assert len(rig.instance.midi) == daw_layout.MIDI_EVENTS
    end = HostEnd(rig.instance.ring.name)
    assert end.get(daw_layout.MIDI_DROPPED) == 200 - daw_layout.MIDI_EVENTS
    end.close()


def test_a_project_that_is_opened_again_asks_for_its_own_instance_with_its_state(rig: Rig) -> None:
    host = rig.host()
    host.run(256, Transport(0.0), param(2, 0.375), param(17, 3.0))
    assert rig.engine is not None
    rig.attach(host)  # another source is another ring
    assert rig.engine.hellos[-1].wants == ("deck/c",)
    rig.engine.save("cHJlc2V0OiB0ZWNobm8=")
    for _ in range(2000):
        if b"cHJlc2V0OiB0ZWNobm8=" in (state := host.save()):
            break
        time.sleep(0.002)
    name = rig.engine.instances[-1].ring.instance
    host.close()
    rig.hosts.clear()
    rig.engine.serve(1.0)

    other = rig.host(attached=False)
    assert other.load(state)
    assert other.value(2) == pytest.approx(0.375)
    instance = rig.attach(other)
    assert (instance.hello.instance, instance.hello.state) == (name, "cHJlc2V0OiB0ZWNobm8=")
    assert instance.hello.wants == ("deck/c",)
    rig.engine.fill()
    assert instance.parameters == {2: 0.375}
    assert not other.load(b"something else")


def test_a_duplicated_track_gets_an_instance_of_its_own(rig: Rig) -> None:
    host = rig.host()
    state = host.save()
    other = rig.host(attached=False)
    assert other.load(state)
    instance = rig.attach(other)
    assert instance.ring.instance != rig.instance.ring.instance
    assert instance.ring.name != rig.instance.ring.name


def test_another_rate_is_another_ring(rig: Rig) -> None:
    host = rig.host()
    host.deactivate()
    host.activate(44100.0)
    rig.rate = 44100.0
    instance = rig.attach(host)
    assert instance.ring.rate == 44100
    beat = rig.beat
    assert right(rig.play(host, 512), beat, rate=44100.0)


def test_four_stems_come_out_of_four_outputs(rig: Rig) -> None:
    host = rig.host("riffengine.plugin.stems")
    assert rig.instance.hello.wants == tuple(f"deck/a/stem/{stem}" for stem in (1, 2, 3, 4))
    out = host.run(512, Transport(0.0))
    assert out.shape == (8, 512)
    for pair in range(4):
        assert right(beats_of(out[2 * pair], out[2 * pair + 1]), 0.0)


def test_four_instances_play_the_same_frames(rig: Rig) -> None:
    hosts = [rig.host() for _ in range(4)]
    for frames in ODD_BLOCKS:
        outs = [host.run(frames, Transport(rig.beat)) for host in hosts]
        for out in outs:
            assert right(beats_of(out[0], out[1]), rig.beat)
            assert out.tobytes() == outs[0].tobytes()
        rig.beat += frames * 2 / RATE
        assert rig.engine is not None
        rig.engine.fill()


def test_the_tracks_own_sound_goes_through_the_effect(rig: Rig) -> None:
    host = rig.host()
    sound = np.full((2, 512), 0.25, np.float32)
    out = host.run(512, Transport(0.0), sound=sound)
    assert right(beats_of(out[0] - 0.25, out[1] - 0.25), 0.0)
    assert np.array_equal(host.run(512, Transport(0.0, playing=False), sound=sound)[:, FADED:], sound[:, FADED:])


def test_it_can_play_on_while_the_host_stands(rig: Rig) -> None:
    host = rig.host()
    host.run(256, Transport(4.0, playing=False), param(16, 1.0))
    assert rig.engine is not None
    rig.engine.fill()
    beat = None
    for _ in range(20):
        out = host.run(256, Transport(4.0, playing=False))
        rig.engine.fill()
        heard = beats_of(out[0], out[1])
        if beat is not None:
            assert right(heard, beat)
        if not np.isnan(heard).any():
            beat = float(heard[-1]) + 2 / RATE
    assert beat is not None
    assert rig.instance.host is not None
    assert (rig.instance.host.rolling, rig.instance.host.playing) == (True, False)
    rig.beat = 8.0
    rig.play(host, 256)
    assert right(rig.play(host, 256), 8.0 + 256 * 2 / RATE)


def test_a_host_that_tells_no_time_gets_the_engines_tempo(rig: Rig) -> None:
    host = rig.host(attached=False)
    host.run(256, None, param(16, 1.0))
    instance = rig.attach(host)
    instance.ring.tell(150.0, 2048)
    beats = []
    assert rig.engine is not None
    for _ in range(30):
        out = host.run(256, None)
        rig.engine.fill()
        beats.append(beats_of(out[0], out[1]))
    assert instance.host is not None
    assert not instance.host.known
    assert instance.host.bpm == 150.0
    tail = np.concatenate(beats[-10:])
    assert np.allclose(np.diff(tail), 150.0 / 60.0 / RATE, atol=1e-6)


def test_offline_it_waits_for_the_music_of_every_block(rig: Rig, background: Callable[[RampEngine], None]) -> None:
    host = rig.host()
    host.render_offline(True)
    assert rig.engine is not None
    background(rig.engine)
    for bpm, start in ((120.0, 0.0), (174.0, 64.0), (90.0, 3.0)):
        rig.beat = start
        for frames in ODD_BLOCKS * 6:
            beat = rig.beat
            heard = rig.play(host, frames, bpm, fill=False)
            assert not np.isnan(heard).any()
            assert np.abs(heard - line(beat, frames, bpm)).max() < 1.1e-3
    ring = rig.instance.ring
    assert ring.silent_frames == 0


def test_offline_without_an_engine_it_gives_up_once(rig: Rig) -> None:
    host = rig.host(attached=False)
    assert rig.engine is not None
    rig.engine.close()
    rig.engine = None
    host.render_offline(True)
    assert not host.run(512, Transport(0.0)).any()  # 5 s
    for _ in range(60):  # were each to wait as long, this test would be ended by its time limit
        assert not host.run(512, Transport(0.0)).any()


def test_a_refusal_is_asked_again(rig: Rig) -> None:
    assert rig.engine is not None
    rig.engine.refuses = "no deck 'a'"
    host = rig.host(attached=False)
    rig.engine.serve(5.0)
    assert len(rig.engine.hellos) == 1
    assert not host.run(512, Transport(0.0)).any()
    rig.engine.refuses = ""
    rig.attach(host)
    assert len(rig.engine.hellos) == 2


def test_parameters_have_the_names_of_the_slots_and_their_texts_are_read_back(rig: Rig) -> None:
    host = rig.host()
    import ctypes as c

    params = host.extension("clap.params", Params)
    assert params.count(host.plugin) == len(SLOTS) + 3
    text, value = c.create_string_buffer(64), c.c_double()
    for number, shown in ((0, b"50 %"), (16, b"play on"), (17, b"Deck B Stem 3"), (18, b"on")):
        plain = {0: 0.5, 16: 1.0, 17: 11.0, 18: 1.0}[number]
        assert params.text(host.plugin, number, plain, text, 64)
        assert text.value == shown
        assert params.parse(host.plugin, number, shown, c.byref(value))
        assert value.value == plain
    assert not params.parse(host.plugin, 17, b"the moon", c.byref(value))
    for number, slot in enumerate(SLOTS):
        assert host.value(number) == pytest.approx(slot.default)


def test_the_plugin_starts_the_engine_only_where_it_is_told_to(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rig.engine is not None
    rig.engine.close()
    rig.engine = None
    mark = tmp_path / "started with spaces"
    command = tmp_path / "engine"
    command.write_text(f"touch\n{mark}\n")
    monkeypatch.setenv("RIFFENGINE_DAW_ENGINE", str(command))
    host = rig.host(attached=False)
    for _ in range(50):
        host.run(256, Transport(0.0))
        time.sleep(0.01)
    assert not mark.exists()
    for _ in range(2000):
        host.run(256, Transport(0.0), param(18, 1.0))
        time.sleep(0.005)
        if mark.exists():
            break
    assert mark.exists()
