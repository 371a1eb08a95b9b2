"""Inserts: sound that went through plugins is on its frame, whatever its latency, and dry where it is late."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from riffengine.playback.inserts.return_path import ReturnPath
from riffengine.playback.mixer import Mixer
from riffengine.processes.audio import Block, Samples
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import (
    AttachInsert,
    CancelNotes,
    DetachInsert,
    LaunchBank,
    PlaceLoop,
    PlayNotes,
    SetControl,
    SetInsertLatency,
    ToPlayer,
)
from riffengine.processes.plugin_blocks import BLOCK_FRAMES, Asked
from tests.playback.loops import LoopRack
from tests.playback.plugin_answers import HostInTest

SETTLED = 8192  # by then every lead has been reached and the plugins are faded in, but for the longest latencies
TOTAL = 44100


def halve(sound: Block, asked: Asked) -> None:
    sound *= np.float32(0.5)


@pytest.fixture
def host() -> Iterator[Callable[..., HostInTest]]:
    hosts: list[HostInTest] = []

    def make(*arguments: object, **named: object) -> HostInTest:
        hosts.append(HostInTest(*arguments, **named))  # type: ignore[arg-type]  # passed on as they are
        return hosts[-1]

    yield make
    for one in hosts:
        one.close()


def playing(rack: LoopRack, *messages: ToPlayer, decks: tuple[str, ...] = ("a",)) -> Mixer:
    """A mixer on which every deck plays a loop of two stems of its own."""
    launches: list[ToPlayer] = []
    for number, deck in enumerate(decks):
        loop = rack.noise(seed=number, beats=2, stems=2)
        launches += [PlaceLoop(deck, 1, 0.0, loop, 0), LaunchBank(deck, 1, 0, 0)]
    return rack.mixer(*launches, *messages, decks=decks)


def pull(mixer: Mixer, *hosts: HostInTest, total: int = TOTAL, blocks: tuple[int, ...] = (512,)) -> Samples:
    """What is heard while every host answers between two blocks."""
    pulled, index = [], 0
    while mixer.frame < total:
        pulled.append(mixer.pull(min(blocks[index % len(blocks)], total - mixer.frame)))
        index += 1
        for host in hosts:
            host.serve()
    return np.concatenate(pulled)


@pytest.mark.parametrize("place", ["deck/a", "deck/a/stem/stem0", "master"])
@pytest.mark.parametrize("latency", [0, 56, 2048])
def test_a_plugin_that_changes_nothing_moves_no_frame(
    rack: LoopRack, host: Callable[..., HostInTest], place: str, latency: int
) -> None:
    plain = pull(playing(rack))
    through = host(latency=latency)
    heard = pull(playing(LoopRack(), through.attach(place)), through)
    assert len(through.asked) > 300
    assert np.abs(heard - plain).max() < 1e-6


@pytest.mark.parametrize("place", ["deck/a", "master"])
def test_the_plugin_is_heard_on_the_frame(rack: LoopRack, host: Callable[..., HostInTest], place: str) -> None:
    plain = pull(playing(rack))
    half = host(halve, latency=300)
    heard = pull(playing(LoopRack(), half.attach(place)), half)
    assert np.abs(heard[SETTLED:] - plain[SETTLED:] / 2).max() < 1e-6


def test_a_stem_alone_goes_through_its_plugin(rack: LoopRack, host: Callable[..., HostInTest]) -> None:
    plain = pull(playing(rack))
    other = pull(playing(LoopRack(), SetControl(parse_path("deck/a/stem/stem0/gain"), 0.5, 0, 0)))
    half = host(halve, latency=100)
    heard = pull(playing(LoopRack(), half.attach("deck/a/stem/stem0")), half)
    assert np.abs(heard[SETTLED:] - other[SETTLED:]).max() < 1e-6
    assert np.abs(heard[SETTLED:] - plain[SETTLED:]).max() > 0.01


@pytest.mark.parametrize("blocks", [(64,), (128,), (333,), (512,), (17, 480, 129)])
def test_the_sound_does_not_depend_on_the_device_s_blocks(
    rack: LoopRack, host: Callable[..., HostInTest], blocks: tuple[int, ...]
) -> None:
    def tremolo(sound: Block, asked: Asked) -> None:
        sound *= np.float32(0.5 + 0.5 * (asked.block % 7) / 7)

    def heard(blocks: tuple[int, ...]) -> Samples:
        through, sent = host(tremolo, latency=56), host(tremolo)
        mixer = playing(
            LoopRack(),
            through.attach("deck/b", max(blocks)),
            sent.attach("send/1", max(blocks)),
            SetControl(parse_path("deck/a/send/1"), 0.5, 0, 0),
            SetControl(parse_path("deck/a/gain"), 0.3, 9000, 1000),
            SetControl(parse_path("crossfader"), 1.0, 12000, 4410),
            decks=("a", "b"),
        )
        sound = pull(mixer, through, sent, blocks=blocks)
        assert mixer.counters.plugin_gaps == 0
        return sound

    assert np.array_equal(heard(blocks)[SETTLED:], heard((256,))[SETTLED:])


def test_faders_stay_immediate(rack: LoopRack, host: Callable[..., HostInTest]) -> None:
    """A gain without a frame acts on the next block, whatever the plugins of the deck delay."""
    through = host(latency=2048)
    mixer, plain = playing(LoopRack(), through.attach("deck/a")), playing(rack)
    pull(mixer, through, total=20480)
    pull(plain, total=20480)
    for one in (mixer, plain):
        one.schedule(SetControl(parse_path("deck/a/gain"), 0.0, None, 0))
    heard, expected = pull(mixer, through), pull(plain)
    assert np.abs(heard - expected).max() < 1e-6
    assert np.abs(heard[200:]).max() == 0.0


def test_a_launch_through_a_long_latency_is_on_its_frame(rack: LoopRack, host: Callable[..., HostInTest]) -> None:
    def launched(*messages: ToPlayer, hosts: tuple[HostInTest, ...] = ()) -> Samples:
        rack = LoopRack()
        mixer = playing(rack, *messages)
        new = rack.tone(50, beats=2)
        mixer.schedule(PlaceLoop("a", 2, 0.0, new, 22050))
        mixer.schedule(LaunchBank("a", 2, 22050, 0))
        return pull(mixer, *hosts)

    through = host(latency=2048)
    assert np.abs(launched(through.attach("deck/a"), hosts=(through,)) - launched()).max() < 1e-6


def test_a_late_answer_is_played_dry_and_aligned(rack: LoopRack, host: Callable[..., HostInTest]) -> None:
    plain = pull(playing(rack))
    half = host(halve, latency=200)
    mixer = playing(LoopRack(), half.attach("deck/a"))
    before = pull(mixer, half, total=20480)
    during = pull(mixer, total=30720)
    half.serve(skip=True)
    after = pull(mixer, half, total=TOTAL)
    heard = np.concatenate((before, during, after))
    begun = 20480 + 63 + 640 + 221  # by then everything that had been answered has been heard
    assert np.abs(heard[begun:30720] - plain[begun:30720]).max() < 1e-6
    assert np.abs(heard[35000:] - plain[35000:] / 2).max() < 1e-6
    assert mixer.counters.plugin_gaps == 1


def test_a_gap_makes_no_step(rack: LoopRack, host: Callable[..., HostInTest]) -> None:
    """A tone that is turned over by its plugin stays as smooth as the tone where the answers stop."""

    def invert(sound: Block, asked: Asked) -> None:
        sound *= np.float32(-1.0)

    rack.tone(25, beats=2, level=0.25)
    launch = (PlaceLoop("a", 1, 0.0, rack.references[0], 0), LaunchBank("a", 1, 0, 0))
    turned = host(invert)
    mixer = rack.mixer(*launch, turned.attach("deck/a"))
    pull(mixer, turned, total=20480)
    gap = pull(mixer, total=30720)
    steps = np.abs(np.diff(gap[:, 0]))
    assert steps.max() < 0.01  # of the tone: 0.0009; of an inversion in 5 ms: 2 · 0.25 / 220 more


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e6])
def test_what_is_not_finite_or_too_loud_is_not_heard(
    rack: LoopRack, host: Callable[..., HostInTest], bad: float
) -> None:
    def spoil(sound: Block, asked: Asked) -> None:
        if asked.block > 100:
            sound[5, 1] = bad

    plain, spoilt = pull(playing(rack)), host(spoil)
    heard = pull(playing(LoopRack(), spoilt.attach("deck/a")), spoilt)
    assert np.isfinite(heard).all()
    assert np.abs(heard - plain)[102 * 128 + 400 :].max() < 1e-6


def test_a_send_returns_what_plugins_make_of_it_and_outlives_the_mute(
    rack: LoopRack, host: Callable[..., HostInTest]
) -> None:
    tail = np.zeros((22050, 2), dtype=np.float32)

    def echo(sound: Block, asked: Asked) -> None:
        frames = len(sound)
        new = sound.copy()
        sound[:] = tail[:frames]
        tail[:-frames] = tail[frames:]
        tail[-frames:] = new

    delayed = host(echo)
    mixer = playing(
        rack,
        delayed.attach("send/2"),
        SetControl(parse_path("deck/a/send/2"), 0.5, 0, 0),
        SetControl(parse_path("deck/a/mute"), 1.0, 15360, 0),
    )
    heard = pull(mixer, delayed, total=66150)
    plain = pull(playing(LoopRack()), total=66150)
    assert np.abs(heard[:10240] - plain[:10240]).max() < 1e-6
    # The loop of 44100 frames, half of it later, from a deck that has been muted meanwhile.
    assert np.abs(heard[26000:32000] - plain[26000 - 22050 : 32000 - 22050] / 2).max() < 1e-6


def test_parameters_reach_the_host_with_the_block_of_their_frame(
    rack: LoopRack, host: Callable[..., HostInTest]
) -> None:
    through = host()
    control = "deck/a/fx/1/threshold"
    mixer = playing(rack, through.attach("deck/a", controls=("deck/a/fx/1/on", control)))
    mixer.schedule(SetControl(parse_path(control), -12.5, 20000, 0))
    pull(mixer, through)
    changes = {asked.block: asked.changes for asked in through.asked if asked.changes}
    assert changes == {20000 // 128: ((1, -12.5),)}
    assert mixer.counters.refused_messages == 0


def test_notes_reach_the_host_on_their_frame_and_can_be_taken_back(
    rack: LoopRack, host: Callable[..., HostInTest]
) -> None:
    through = host()
    mixer = playing(rack, through.attach("deck/a/stem/stem0"))
    place = "deck/a/stem/stem0"
    for frame, data in ((20000, (0x90, 60, 100)), (20030, (0x80, 60, 0, 0x90, 64, 90)), (30000, (0x80, 64, 0))):
        mixer.schedule(PlayNotes(place, data, frame))
    mixer.schedule(CancelNotes(place, 25000))
    mixer.schedule(PlayNotes("master", (0x90, 1, 1), 20000))
    pull(mixer, through)
    heard = [(asked.block * 128 + note.frame, note.data) for asked in through.asked for note in asked.notes]
    assert heard == [(20000, (0x90, 60, 100)), (20030, (0x80, 60, 0)), (20030, (0x90, 64, 90))]
    assert mixer.counters.refused_messages == 1  # there is no host at the master


def test_plugins_are_told_the_beat(rack: LoopRack, host: Callable[..., HostInTest]) -> None:
    through = host()
    pull(playing(rack, through.attach("deck/a")), through)
    for asked in through.asked:
        assert asked.beat == pytest.approx(asked.block * 128 / 22050)
        assert asked.bpm == 120.0


def test_a_latency_that_grows_and_shrinks_moves_no_frame(rack: LoopRack, host: Callable[..., HostInTest]) -> None:
    plain = pull(playing(rack), total=2 * TOTAL)
    through = host(latency=100)
    mixer = playing(LoopRack(), through.attach("deck/a"))
    parts = [pull(mixer, through, total=20480)]
    for total, latency in ((50176, 2000), (2 * TOTAL, 30)):
        through.latency = latency
        mixer.schedule(SetInsertLatency("deck/a", latency))
        parts.append(pull(mixer, through, total=total))
    heard = np.concatenate(parts)
    # The fake delay begins anew with silence where it grows; outside of that and the fades every frame is in place.
    off = np.flatnonzero(np.abs(heard - plain).max(axis=1) > 1e-6)
    assert len(off) < 3000
    assert np.abs(heard[40000:50176] - plain[40000:50176]).max() < 1e-6
    assert np.abs(heard[70000:] - plain[70000:]).max() < 1e-6


def test_one_host_takes_over_from_another_without_a_dry_moment(rack: LoopRack, host: Callable[..., HostInTest]) -> None:
    plain = pull(playing(rack))
    one, other = host(halve), host(halve, latency=64)
    mixer = playing(LoopRack(), one.attach("deck/a"))
    before = pull(mixer, one, total=20480)
    mixer.schedule(other.attach("deck/a"))
    heard = np.concatenate((before, pull(mixer, one, other)))
    assert np.abs(heard[SETTLED:] - plain[SETTLED:] / 2).max() < 1e-6
    assert other.asked


def test_after_the_last_insert_has_gone_the_sound_is_the_plain_one_to_the_bit(
    rack: LoopRack, host: Callable[..., HostInTest]
) -> None:
    plain = pull(playing(rack))
    through = host(halve, latency=500)
    mixer = playing(LoopRack(), through.attach("deck/a"))
    pull(mixer, through, total=20480)
    mixer.schedule(DetachInsert("deck/a"))
    heard = pull(mixer, through)
    assert np.array_equal(heard[-8192:], plain[-8192:])


def test_inserts_of_unknown_places_and_gone_hosts_are_refused(rack: LoopRack, host: Callable[..., HostInTest]) -> None:
    through = host()
    mixer = playing(
        rack,
        through.attach("deck/x"),
        through.attach("send/9"),
        AttachInsert("deck/a", "riffengine-gone", 640, 0, 44100),
        DetachInsert("nowhere"),
        SetInsertLatency("deck/a", 10),
    )
    pull(mixer, through, total=2048)
    assert mixer.counters.refused_messages == 5


class _AnswersInBetween:
    """Blocks whose host answers just after it was looked for an answer, as one in another process may."""

    def __init__(self, host: HostInTest) -> None:
        self._host, self._blocks = host, host.blocks

    def answer(self, block: int) -> tuple[Block, int] | None:
        found = self._blocks.answer(block)
        self._host.serve()
        return found

    def __getattr__(self, name: str) -> object:
        return getattr(self._blocks, name)


def test_an_answer_that_comes_while_it_is_looked_for_is_not_taken_for_lost(host: Callable[..., HostInTest]) -> None:
    through = host(halve)
    path = ReturnPath(through.attach("master"), 44100)
    path.blocks = _AnswersInBetween(through)  # type: ignore[assignment]  # stands in for the other process
    path.start_at(0)
    for number in range(20):
        path.ask(np.full((BLOCK_FRAMES, 2), 0.5, dtype=np.float32), float(number), 120.0, [])
        path.collect(0)
    path.collect(0)
    assert path.answered(0)
    assert path._runs[0] == [0, 20 * BLOCK_FRAMES]
