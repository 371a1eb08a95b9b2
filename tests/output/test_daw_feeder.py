"""Rings filled for a simulated host on simulated time: what it plays is the mix of its beats, sample by sample."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from riffengine.clock import VirtualClock
from riffengine.output.callback import AudioCallback
from riffengine.output.daw_feeder import DawFeeder
from riffengine.output.host_mix import HostMix
from riffengine.playback.mixer import Mixer
from riffengine.processes import daw_layout
from riffengine.processes.audio import Block
from riffengine.processes.daw_ring import DawRing, HostTime
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import (
    AttachInstance,
    LaunchBank,
    PlaceLoop,
    SetControl,
    SetGrid,
)
from riffengine.transport.beat_grid import BeatGrid
from tests.playback.loops import LoopRack
from tests.processes.daw_host import HostEnd

RATE, BLOCK, BEATS = 44100, 256, 4
STEMS = ("drums", "bass", "other")


class Host:
    """A DAW with one or more instances of the plugin, on simulated time: one call is one block of the host."""

    def __init__(self, rack: LoopRack, mixer: Mixer, rate: int = RATE) -> None:
        self.clock = VirtualClock()
        self.mixer, self.rate = mixer, rate
        self.mix = HostMix(mixer, None)
        self.callback = AudioCallback(mixer, None, self.clock, before=self.mix.act)
        self.feeder = DawFeeder(self.mix, self.callback.fill, 2, 256, 1024)
        self.rings: list[DawRing] = []
        self.ends: list[HostEnd] = []
        self.beat, self.bpm, self.rolling = 0.0, 120.0, False
        self.loop: tuple[float, float] | None = None
        self.jumps, self.frames, self.offline = 0, 0, False
        self.instance(("master",))

    def instance(self, sources: tuple[str, ...]) -> HostEnd:
        ring = DawRing.create(self.rate, f"i{len(self.rings)}", sources)
        self.rings.append(ring)
        self.ends.append(HostEnd(ring.name))
        self.mix.attach(AttachInstance(ring.name, sources))
        return self.ends[-1]

    def detach(self, index: int) -> None:
        self.mix.detach(self.rings[index].name)

    @property
    def per_frame(self) -> float:
        return self.bpm / 60.0 / self.rate

    def turn(self, turns: int = 1) -> None:
        """Time passes, and the output's thread looks at the rings."""
        for _ in range(turns):
            self.clock.advance_to(self.clock.now_ns() + 1_000_000)
            self.feeder.turn(self.clock.now_ns())

    def locate(self, beat: float) -> None:
        self.beat = beat
        self.jumps += 1

    def play(self, blocks: int, frames: int = BLOCK) -> list[Block]:
        """``blocks`` blocks of the host; returns what each instance played, silence included."""
        played: list[list[Block]] = [[] for _ in self.ends]
        for _ in range(blocks):
            ahead = self.beat + (frames * self.per_frame if self.rolling else -2 * frames * self.per_frame)
            if self.loop is not None and self.rolling and ahead >= self.loop[1]:
                ahead -= self.loop[1] - self.loop[0]
            for end, samples in zip(self.ends, played, strict=True):
                if self.rolling:
                    found = end.find(self.beat)
                    read = found[0] if found is not None else -1
                    end.publish(self.time(ahead, read, frames))
                    samples.append(self.taken(end, frames))
                    silent = int((np.abs(samples[-1]).max(axis=1) == 0.0).sum())
                    end.put(daw_layout.SILENT, end.get(daw_layout.SILENT) + silent)
                    end.put(daw_layout.FRAMES, self.frames + frames)
                else:
                    place = end.find(self.beat)
                    end.put(daw_layout.READ, place[0] if place is not None else -1)
                    end.put(daw_layout.FRAMES, self.frames + frames)
                    samples.append(np.zeros((frames, end.channels), np.float32))
                    end.publish(self.time(ahead, -1, frames))
            if self.rolling:
                self.beat += frames * self.per_frame
                if self.loop is not None and self.beat >= self.loop[1]:
                    self.beat -= self.loop[1] - self.loop[0]
            self.frames += frames
            self.turn(max(1, round(1000 * frames / self.rate)))
        return [np.concatenate(samples) for samples in played]

    def taken(self, end: HostEnd, frames: int) -> Block:
        left = frames
        if self.loop is not None:
            left = min(frames, round((self.loop[1] - self.beat) / self.per_frame))
        first = end.take(self.beat, self.bpm, left)
        return first if left == frames else np.concatenate((first, end.take(self.loop[0], self.bpm, frames - left)))  # type: ignore[index]

    def time(self, wanted: float, read: int, frames: int) -> HostTime:
        return HostTime(
            rolling=self.rolling,
            playing=self.rolling,
            offline=self.offline,
            known=True,
            beat=self.beat,
            bpm=self.bpm,
            wanted=wanted,
            loop=self.loop,
            jumps=self.jumps,
            frames=self.frames,
            read=read,
            block_frames=frames,
            ns=self.clock.now_ns(),
        )

    def close(self) -> None:
        self.mix.close()
        for end in self.ends:
            end.close()
        for ring in self.rings:
            ring.close()


@pytest.fixture
def rack() -> LoopRack:
    rack = LoopRack(RATE, 120.0)
    samples = 0.05 * np.random.default_rng(5).standard_normal((3, rack.grid.loop_frames(BEATS), 2)).astype(np.float32)
    rack.add(samples, BEATS, STEMS)
    return rack


@pytest.fixture
def host(rack: LoopRack) -> Iterator[Host]:
    mixer = rack.mixer(PlaceLoop("a", 0, 0.0, rack.references[0]), LaunchBank("a", 0, 0, 0))
    host = Host(rack, mixer)
    yield host
    host.close()


def music(rack: LoopRack, beat: float, frames: int, stem: int | None = None) -> Block:
    """What the loop has from ``beat`` on at 120 bpm."""
    loop = rack.loops[0].sum(axis=0) if stem is None else rack.loops[0][stem]
    begin = round(beat * 22050)
    return loop[(begin + np.arange(frames)) % len(loop)]


def heard(played: Block) -> Block:
    assert np.abs(played).max() > 0.0, "all is silent"
    return played


def test_the_first_frame_of_play_is_there_and_is_the_beat_on_which_the_host_stands(rack: LoopRack, host: Host) -> None:
    host.beat = 8.0
    host.play(4)
    host.rolling = True
    (played,) = host.play(800)
    np.testing.assert_allclose(played, music(rack, 8.0, len(played)), atol=1e-6)


def test_at_a_jump_one_block_is_silent_and_no_block_is_wrong(rack: LoopRack, host: Host) -> None:
    host.rolling = True
    host.play(4)
    for beat in (16.0, 3.0, 3.0, 100.5):
        host.locate(beat)
        (played,) = host.play(200)
        silent = int(np.argmax(np.abs(played).max(axis=1) > 0.0))
        assert silent <= BLOCK
        np.testing.assert_allclose(played[silent:], music(rack, beat, len(played))[silent:], atol=1e-6)


def test_a_tempo_that_changes_while_the_host_stands_is_in_the_first_frame_of_play(rack: LoopRack, host: Host) -> None:
    host.play(4)
    host.bpm = 90.0
    host.play(4)
    host.rolling = True
    (slow,) = host.play(200)
    host.rolling, host.beat, host.bpm = False, 0.0, 120.0
    host.jumps += 1
    host.play(4)
    host.rolling = True
    (fast,) = host.play(200)
    np.testing.assert_allclose(fast, music(rack, 0.0, len(fast)), atol=1e-6)
    loop = rack.loops[0].sum(axis=0)
    # At 90 bpm the loop is read at three quarters of its speed: every third sample of the loop is on a frame.
    np.testing.assert_allclose(slow[: 4 * 9000 : 4], loop[: 3 * 9000 : 3], atol=2e-4)


def test_a_step_of_the_tempo_goes_on_at_the_beat_of_the_host(rack: LoopRack, host: Host) -> None:
    host.rolling = True
    host.play(100)
    host.bpm = 90.0
    host.play(4)
    beat = host.beat
    (played,) = host.play(100)
    loop = rack.loops[0].sum(axis=0)
    positions = (beat + np.arange(len(played)) * host.per_frame) * 22050
    whole = np.abs(positions - np.round(positions)) < 1e-3
    assert whole.sum() > 1000
    np.testing.assert_allclose(played[whole], loop[np.round(positions[whole]).astype(int) % len(loop)], atol=1e-3)


def test_a_ramp_of_the_tempo_is_followed_without_a_silent_frame(host: Host) -> None:
    host.rolling = True
    host.play(20)
    run = host.rings[0].run
    for block in range(400):
        host.bpm = 120.0 + block * 0.02
        (played,) = host.play(1)
        assert (np.abs(played).max(axis=1) > 0.0).mean() > 0.99
    assert host.rings[0].run == run  # it was all one piece of music
    grid = host.mix.grid
    at_horizon = host.beat + (host.mix.horizon - host.mix.frame + host.feeder.lead_frames + BLOCK) * host.per_frame
    assert abs(grid.beat_at(host.mix.horizon) - at_horizon) < 2 * BLOCK * host.per_frame


def test_a_loop_range_is_turned_round_in_without_a_gap(rack: LoopRack, host: Host) -> None:
    host.loop, host.beat = (2.0, 5.0), 4.0
    host.play(4)
    host.rolling = True
    (played,) = host.play(1200)
    beats = 4.0 + np.arange(len(played)) * host.per_frame
    expected = rack.loops[0].sum(axis=0)[np.round((2.0 + (beats - 2.0) % 3.0) * 22050).astype(int) % (BEATS * 22050)]
    same = np.abs(played - expected).max(axis=1) < 1e-6
    assert same.mean() > 0.999, same.mean()
    assert (np.abs(played).max(axis=1) > 0.0).all()


def test_stop_and_start_again_plays_the_place_at_once(rack: LoopRack, host: Host) -> None:
    host.rolling = True
    host.play(50)
    for _ in range(3):
        host.rolling = False
        host.play(30)
        host.rolling = True
        beat = host.beat
        (played,) = host.play(50)
        np.testing.assert_allclose(played, music(rack, beat, len(played)), atol=1e-6)


def test_a_control_that_moves_while_the_host_stands_is_heard_in_the_first_frame(rack: LoopRack, host: Host) -> None:
    host.play(10)
    host.mixer.schedule(SetControl(parse_path("deck/a/gain"), 0.5, None, 441))
    host.play(40)
    host.rolling = True
    (played,) = host.play(100)
    np.testing.assert_allclose(played, 0.5 * music(rack, 0.0, len(played)), atol=1e-6)


def test_while_the_host_stands_time_goes_on_by_the_clock(host: Host) -> None:
    host.play(4)
    before = host.mixer.frame
    host.turn(1000)
    assert host.mixer.frame - before == pytest.approx(RATE, abs=2048)
    host.mixer.schedule(LaunchBank("a", 0, host.mixer.frame + RATE // 2))
    host.turn(1000)
    launched = [report for report, _ in host.callback.outbox]
    assert launched[-1].frame == launched[-1].asked_frame  # type: ignore[union-attr]  # it is a BankLanded


def test_a_grid_of_the_engine_does_not_move_the_music_of_a_host(rack: LoopRack, host: Host) -> None:
    host.rolling = True
    host.play(4)
    host.mixer.schedule(SetGrid(BeatGrid(RATE, 77.0, 0, 0.5), host.mixer.frame + 100))
    beat = host.beat
    (played,) = host.play(100)
    np.testing.assert_allclose(played, music(rack, beat, len(played)), atol=1e-6)


def test_four_tracks_play_their_stems_in_phase_and_add_up_to_the_master(rack: LoopRack, host: Host) -> None:
    for stem in STEMS:
        host.instance((f"deck/a/stem/{stem}",))
    host.instance(("deck/a", "deck/a/stem/bass"))
    host.mixer.schedule(SetControl(parse_path("deck/a/stem/bass/gain"), 0.5, None, 0))
    host.beat = 2.0
    host.play(10)
    host.rolling = True
    master, drums, bass, other, both = host.play(300)
    np.testing.assert_allclose(drums, music(rack, 2.0, len(drums), 0), atol=1e-6)
    np.testing.assert_allclose(bass, 0.5 * music(rack, 2.0, len(bass), 1), atol=1e-6)
    np.testing.assert_allclose(drums + bass + other, master, atol=1e-6)
    np.testing.assert_allclose(both[:, :2], master, atol=1e-6)
    np.testing.assert_array_equal(both[:, 2:], bass)


def test_the_filter_of_a_deck_is_heard_on_the_tracks_of_its_stems(rack: LoopRack, host: Host) -> None:
    for stem in STEMS:
        host.instance((f"deck/a/stem/{stem}",))
    host.mixer.schedule(SetControl(parse_path("deck/a/filter"), -0.7, None, 441))
    host.play(30)
    host.rolling = True
    master, *stems = host.play(300)
    np.testing.assert_allclose(sum(stems), master, atol=2e-6)
    assert np.abs(np.diff(master, axis=0)).max() < 0.5 * np.abs(np.diff(music(rack, 0.0, 9000), axis=0)).max()


def test_an_instance_that_comes_and_goes_does_not_disturb_the_others(rack: LoopRack, host: Host) -> None:
    host.rolling = True
    host.play(20)
    beat = host.beat
    host.instance(("deck/a/stem/drums",))
    played = host.play(60)
    np.testing.assert_allclose(played[0], music(rack, beat, len(played[0])), atol=1e-6)
    drums = played[1]
    silent = int(np.argmax(np.abs(drums).max(axis=1) > 0.0))
    assert silent < 8 * BLOCK
    np.testing.assert_allclose(drums[silent:], music(rack, beat, len(drums), 0)[silent:], atol=1e-6)
    host.detach(0)  # the leader: the other one leads from now on
    beat = host.beat
    drums = host.play(60)[1]
    np.testing.assert_allclose(drums, music(rack, beat, len(drums), 0), atol=1e-6)


@pytest.mark.parametrize("rate", [48000, 96000])
def test_at_another_rate_of_the_host_every_frame_is_the_music_of_its_beat(rack: LoopRack, rate: int) -> None:
    loop = rack.tone(400, BEATS)
    host = Host(rack, rack.mixer(PlaceLoop("a", 0, 0.0, loop), LaunchBank("a", 0, 0, 0)), rate)
    host.instance(("deck/a/stem/stem0",))
    host.beat = 6.5
    host.play(10)
    host.rolling = True
    master, stem = host.play(300)
    host.locate(9.25)
    later, _ = host.play(300)
    host.close()
    frames = len(rack.loops[loop.slot][0])
    for played, beat in ((master, 6.5), (later, 9.25)):
        seconds = (beat * 22050 + np.arange(len(played)) * RATE / rate) / frames
        expected = 0.25 * np.sin(2 * np.pi * 400 * seconds)
        silent = BLOCK if beat == 9.25 else 0
        np.testing.assert_allclose(played[silent:, 0], expected[silent:], atol=1e-4)
    np.testing.assert_allclose(stem, master, atol=1e-6)


def test_a_tempo_beyond_our_range_is_halved_and_the_beat_stays(rack: LoopRack, host: Host) -> None:
    host.bpm, host.beat = 240.0, 8.0
    host.play(4)
    host.rolling = True
    (played,) = host.play(200)
    np.testing.assert_allclose(played, music(rack, 4.0, len(played)), atol=1e-6)
    assert host.mix.timeline is not None
    assert host.mix.timeline.grid.bpm == 120.0


def test_the_engine_is_told_where_the_host_is(host: Host) -> None:
    assert host.mix.timeline is None
    host.beat = 8.0
    host.play(4)
    stands = host.mix.timeline
    assert stands is not None
    assert (stands.rolling, stands.grid.anchor_beat, stands.host_bpm) == (False, 8.0, 120.0)
    host.rolling = True
    host.play(40)
    rolls = host.mix.timeline
    assert rolls is not None
    assert rolls.rolling
    assert rolls.grid.beat_at(host.mix.frame) == pytest.approx(host.beat, abs=0.2)
    host.detach(0)
    host.turn()
    assert host.mix.timeline is None


def test_a_host_that_falls_silent_in_the_middle_does_not_stop_time(host: Host) -> None:
    host.rolling = True
    host.play(20)
    before = host.mixer.frame
    host.turn(2000)
    assert host.mixer.frame - before == pytest.approx(2 * RATE, abs=0.35 * RATE)
    assert host.mix.timeline is not None
    assert not host.mix.timeline.rolling


def test_a_missing_block_doubles_the_lead(host: Host) -> None:
    host.rolling = True
    host.play(4)
    before = host.feeder.lead_frames
    host.ends[0].put(daw_layout.UNDERRUNS, 1)
    host.play(4)
    assert host.feeder.lead_frames == 2 * before
    assert host.callback.underruns == 1


class Kept:
    """Keeps what would be recorded."""

    def __init__(self) -> None:
        self.sound: list[Block] = []

    def put(self, block: Block) -> None:
        self.sound.append(block.copy())


def test_what_is_recorded_is_what_the_host_has_heard(host: Host) -> None:
    kept = Kept()
    host.mix.recorder = kept  # type: ignore[assignment]  # it is only given blocks
    host.play(10)
    host.rolling = True
    played = [host.play(200)[0]]
    host.locate(40.0)
    played += [host.play(200)[0]]
    host.bpm = 90.0
    played += [host.play(200)[0]]
    host.rolling = False
    host.play(10)
    recorded, heard = np.concatenate(kept.sound), np.concatenate(played)
    assert len(recorded) == len(heard) + 64  # the end of the sound, as the plugin lets it fade
    apart = np.abs(recorded[: len(heard)] - heard).max(axis=1) > 1e-7
    # The host of this test makes no fades, and goes on within the old run while there is no new one.
    changes = np.flatnonzero(apart) // BLOCK
    assert {*changes} <= {200, 201, 400, 401}, changes


def test_a_host_that_was_kept_waiting_and_goes_on_is_recorded_without_a_seam(host: Host) -> None:
    kept = Kept()
    host.mix.recorder = kept  # type: ignore[assignment]  # it is only given blocks
    host.play(10)
    host.rolling = True
    played = [host.play(100)[0]]
    host.turn(500)  # half a second in which nobody asks for a block
    played += [host.play(100)[0]]
    assert np.abs(np.concatenate(played)).max(axis=1).min() > 0.0
    np.testing.assert_allclose(np.concatenate(kept.sound), np.concatenate(played), atol=1e-7)


def test_the_sound_of_a_host_that_has_died_ends_softly_in_the_recording(host: Host) -> None:
    kept = Kept()
    host.mix.recorder = kept  # type: ignore[assignment]  # it is only given blocks
    host.play(10)
    host.rolling = True
    played = host.play(100)[0]
    host.turn(500)
    host.mix.detach(host.rings[0].name)
    host.turn(2)
    recorded = np.concatenate(kept.sound)
    assert len(recorded) == len(played) + 64
    assert np.abs(recorded[-64:-1]).max() > 0.0
    assert np.abs(recorded[-1]).max() == 0.0


def test_offline_the_music_waits_for_what_the_engine_decides(host: Host) -> None:
    host.offline = host.rolling = True
    host.mix.proceed_to = host.mixer.frame + 500
    host.play(1)
    host.turn(20)
    assert 500 <= host.mixer.frame < 500 + 512
    assert host.mix.timeline is not None
    assert host.mix.timeline.offline
    before = host.mixer.frame
    host.turn(600)  # an engine that does not answer is not waited for: an export must end
    assert host.mixer.frame > before
    host.mix.proceed_to = 1 << 40
    (played,) = host.play(200)
    assert (np.abs(played[4 * BLOCK :]).max(axis=1) > 0.0).all()


def test_where_the_host_is_not_followed_the_engines_beat_is_heard_without_a_gap(rack: LoopRack, host: Host) -> None:
    host.rolling = True
    host.play(50)
    host.mix.follows = False
    host.play(4)
    grid = BeatGrid(RATE, 120.0, host.mixer.horizon + 100, 0.25)
    host.mixer.schedule(SetGrid(grid, grid.anchor_frame))
    host.play(40)  # a crossfade to the engine's grid, and what the rings still hold
    frame = host.mixer.frame
    (played,) = host.play(100)
    assert (np.abs(played).max(axis=1) > 0.0).all()
    assert host.mixer.grid == grid
    assert host.mix.timeline is None
    loop = rack.loops[0].sum(axis=0)
    (begin,) = np.flatnonzero(np.abs(loop - played[0]).max(axis=1) < 1e-6)
    np.testing.assert_allclose(played, loop[(begin + np.arange(len(played))) % len(loop)], atol=1e-6)
    lead = round(grid.beat_at(frame) * 22050) - begin  # what the rings hold beyond what is heard
    assert 0 < lead % len(loop) < 4096
    host.mix.follows = True
    host.play(4)
    beat = host.beat
    (played,) = host.play(50)
    np.testing.assert_allclose(played, music(rack, beat, len(played)), atol=1e-6)
