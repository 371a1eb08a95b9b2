"""The ring between engine and plugin: layout, blocks, host time, parameters and MIDI, in real shared memory."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from riffengine.errors import DawError
from riffengine.processes import daw_layout
from riffengine.processes.daw_handshake import Answer, Hello, refusal, socket_path, state_line
from riffengine.processes.daw_ring import DawMidi, DawRing, HostTime
from tests.needed import needs
from tests.processes.daw_host import HostEnd

RATE = 48000
NATIVE = Path(daw_layout.__file__).parents[1] / "daw" / "native"


def host_time(beat: float = 0.0, **other: object) -> HostTime:
    values = {
        "rolling": True,
        "playing": True,
        "offline": False,
        "known": True,
        "beat": beat,
        "bpm": 120.0,
        "wanted": beat,
        "loop": None,
        "jumps": 0,
        "frames": 0,
        "read": 0,
        "block_frames": 256,
        "ns": 0,
    }
    return HostTime(**{**values, **other})  # type: ignore[arg-type]  # the values of a test are of the right types


@pytest.fixture
def ring() -> Iterator[DawRing]:
    ring = DawRing.create(RATE, "abc", ("master", "deck/a/stem/drums"), capacity=4096)
    yield ring
    ring.close()


@pytest.fixture
def end(ring: DawRing) -> Iterator[HostEnd]:
    end = HostEnd(ring.name)
    yield end
    end.close()


def test_the_player_attaches_to_what_the_engine_has_made(ring: DawRing) -> None:
    other = DawRing.attach(ring.name)
    assert (other.rate, other.channels, other.capacity) == (RATE, 4, 4096)
    assert (other.instance, other.wants) == ("abc", ("master", "deck/a/stem/drums"))
    other.close()


def test_the_header_in_c_has_the_same_offsets(tmp_path: Path) -> None:
    needs("gcc", "cc")
    fields = {
        "instance": daw_layout.INSTANCE,
        "wants": daw_layout.WANTS,
        "claim": daw_layout.CLAIM,
        "write": daw_layout.WRITE,
        "spans_written": daw_layout.SPANS_WRITTEN,
        "run": daw_layout.RUN,
        "heartbeat": daw_layout.HEARTBEAT,
        "midi_read": daw_layout.MIDI_READ,
        "ahead": daw_layout.AHEAD,
        "closing": daw_layout.CLOSING,
        "engine_bpm": daw_layout.ENGINE_BPM,
        "to_plugin_changes": daw_layout.TO_PLUGIN_CHANGES,
        "read": daw_layout.READ,
        "frames": daw_layout.FRAMES,
        "blocks": daw_layout.BLOCKS,
        "underruns": daw_layout.UNDERRUNS,
        "silent": daw_layout.SILENT,
        "midi_written": daw_layout.MIDI_WRITTEN,
        "midi_dropped": daw_layout.MIDI_DROPPED,
        "to_engine_changes": daw_layout.TO_ENGINE_CHANGES,
        "host.sequence": daw_layout.SEQUENCE,
        "host.jumps": daw_layout.HOST_JUMPS,
        "host.beat": daw_layout.HOST_BEAT,
        "host.bpm": daw_layout.HOST_BPM,
        "host.wanted": daw_layout.HOST_WANTED,
        "host.loop_start": daw_layout.HOST_LOOP_START,
        "host.loop_end": daw_layout.HOST_LOOP_END,
        "host.ns": daw_layout.HOST_NS,
        "host.frames": daw_layout.HOST_FRAMES,
        "host.read": daw_layout.HOST_READ,
        "host.block": daw_layout.HOST_BLOCK,
        "host.flags": daw_layout.HOST_FLAGS,
        "host.beats_per_bar": daw_layout.HOST_BEATS_PER_BAR,
        "host.beat_unit": daw_layout.HOST_BEAT_UNIT,
        "to_engine": daw_layout.TO_ENGINE,
        "to_plugin": daw_layout.TO_PLUGIN,
        "midi": daw_layout.MIDI,
        "spans": daw_layout.SPANS,
        "samples": daw_layout.SAMPLES,
    }
    checks = [f'static_assert(offsetof(ring_memory, {name}) == {offset}, "{name}");' for name, offset in fields.items()]
    checks += [
        f'static_assert(sizeof(ring_midi) == {daw_layout.MIDI_BYTES}, "midi");',
        f'static_assert(sizeof(ring_span) == {daw_layout.SPAN_BYTES}, "span");',
        f'static_assert(sizeof(ring_host) == {daw_layout.HOST_BYTES}, "host");',
        f'static_assert(RING_SPANS == {daw_layout.SPAN_RECORDS}, "spans");',
        f'static_assert(RING_MIDI_EVENTS == {daw_layout.MIDI_EVENTS}, "events");',
        f'static_assert(RING_PARAMETERS == {daw_layout.PARAMETERS}, "parameters");',
    ]
    source = tmp_path / "layout.c"
    source.write_text('#include "ring.h"\n' + "\n".join(checks) + "\n")
    subprocess.run(
        ["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{NATIVE}", "-fsyntax-only", str(source)], check=True
    )


def test_what_is_written_is_found_by_its_beat(ring: DawRing, end: HostEnd) -> None:
    music = np.arange(1024 * 4, dtype=np.float32).reshape(1024, 4)
    ring.write(music[:1000], beat=8.0, bpm=120.0, run=1)
    ring.write(music[1000:], beat=8.0 + 1000 / 24000, bpm=120.0, run=1)
    assert np.array_equal(end.take(8.0, 120.0, 1024), music)
    assert np.array_equal(end.take(8.0 + 500 / 24000, 120.0, 600)[:524], music[500:])
    assert not end.take(7.0, 120.0, 64).any()


def test_the_newest_run_wins_and_the_ring_goes_round(ring: DawRing, end: HostEnd) -> None:
    for block in range(10):
        ring.write(np.full((700, 4), block, np.float32), beat=float(block // 2), bpm=120.0, run=1 + block)
    assert (end.take(4.0, 120.0, 700) == 9.0).all()
    assert ring.written == 7000
    assert ring.run == 10


def test_a_block_that_does_not_fit_is_refused(ring: DawRing) -> None:
    with pytest.raises(DawError, match="write 1 to 1024 frames"):
        ring.write(np.zeros((1025, 4), np.float32), 0.0, 120.0, 1)
    with pytest.raises(DawError, match="with 4 channels"):
        ring.write(np.zeros((64, 2), np.float32), 0.0, 120.0, 1)
    ring.write(np.zeros((64, 4), np.float32), 0.0, 120.0, 2)
    with pytest.raises(DawError, match="run 1 is over"):
        ring.write(np.zeros((64, 4), np.float32), 0.0, 120.0, 1)
    assert ring.written == 64


def test_the_host_time_arrives_whole(ring: DawRing, end: HostEnd) -> None:
    assert ring.host(5) is None
    told = host_time(3.25, loop=(0.0, 16.0), jumps=7, frames=9, read=11, ns=13, beats_per_bar=6.0, beat_unit=8)
    end.publish(told)
    assert ring.host(6) == told
    assert end.get(daw_layout.HEARTBEAT) == 6
    end.put(daw_layout.SEQUENCE, end.get(daw_layout.SEQUENCE) + 1)  # a plugin that stopped while it wrote
    end.put(daw_layout.HOST_JUMPS, 99)
    assert ring.host(7) == told


def test_parameters_cross_in_both_directions(ring: DawRing, end: HostEnd) -> None:
    assert ring.changed_parameters() == []
    end.parameter(3, 0.25)
    end.parameter(3, 0.5)
    end.parameter(15, 1.0)
    assert ring.changed_parameters() == [(3, 0.5), (15, 1.0)]
    assert ring.changed_parameters() == []
    ring.set_parameter(2, 0.75)
    assert end.received(2) == (0.75, 1)
    with pytest.raises(DawError, match="there is no 16"):
        ring.set_parameter(16, 0.0)


def test_a_player_that_comes_later_learns_what_the_host_had_set(ring: DawRing, end: HostEnd) -> None:
    end.parameter(0, 0.1)
    later = DawRing.attach(ring.name)
    assert later.changed_parameters() == [(0, pytest.approx(0.1))]
    later.close()


def test_midi_arrives_in_order_and_the_oldest_is_lost_when_there_is_too_much(ring: DawRing, end: HostEnd) -> None:
    end.midi(1.5, 40, b"\x90\x3c\x64")
    end.midi(1.75, 80, b"\xc0\x05")
    assert ring.take_midi() == [DawMidi(1.5, 40, b"\x90\x3c\x64"), DawMidi(1.75, 80, b"\xc0\x05")]
    for number in range(200):
        end.midi(0.0, number, b"\xf8")
    assert [event.frame for event in ring.take_midi()] == list(range(72, 200))


def test_another_version_and_a_name_that_is_gone_are_refused(ring: DawRing, end: HostEnd) -> None:
    end.buffer[8] = 9
    with pytest.raises(DawError, match="version 9"):
        DawRing.attach(ring.name)
    end.buffer[8] = daw_layout.VERSION
    with pytest.raises(DawError, match="has ended"):
        DawRing.attach("riffengine-1-00000000")
    with pytest.raises(DawError, match="power of two"):
        DawRing.create(RATE, "x", capacity=5000)
    with pytest.raises(DawError, match="1 to 63 letters"):
        DawRing.create(RATE, "x" * 64)


def test_the_handshake_comes_back_as_it_was_said() -> None:
    hello = Hello("ab-12", 44100, ("deck/a/stem/drums", "deck/b"), 4, "eyJ9")
    assert Hello.parse(hello.line()) == hello
    answer = Answer("riffengine-12-0123abcd", "ab-12")
    assert Answer.parse(answer.line()) == answer
    with pytest.raises(DawError, match="no deck 'z'"):
        Answer.parse(refusal('no deck "z"'))
    assert state_line("abc=") == b'{"state":"abc="}\n'


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"nonsense\n", "not a line of JSON"),
        (b"[]\n", "not a JSON object"),
        (b'{"instance":"a b"}', "instance"),
        (b'{"instance":"a","rate":true,"channels":2}', "rate"),
        (b'{"instance":"a","rate":48000,"channels":2,"wants":"moon"}', "no source"),
        (b'{"instance":"a","rate":48000,"channels":2,"wants":"master,deck/a"}', "4 channels, not 2"),
        (b'{"instance":"a","rate":1,"channels":2,"wants":"master"}', "a rate of 1 Hz"),
        (b"x" * 70000, "too long"),
    ],
)
def test_a_wrong_hello_is_answered_with_what_is_wrong(line: bytes, reason: str) -> None:
    with pytest.raises(DawError, match=reason):
        Hello.parse(line)


def test_the_socket_is_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RIFFENGINE_DAW_SOCKET", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert socket_path() == Path("/run/user/7/riffengine/daw.sock")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert socket_path().parts[:2] == ("/", "tmp")
    monkeypatch.setenv("RIFFENGINE_DAW_SOCKET", "/x/y.sock")
    assert socket_path() == Path("/x/y.sock")
