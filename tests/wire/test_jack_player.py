"""The player on a device with its own clock: another process captures the same samples as the player's recording."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from riffengine.clock import SystemClock
from riffengine.output.process import PlayerOptions, PlayerProcess
from riffengine.processes.loop_store import LoopStore
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import (
    FADE,
    BankLanded,
    FromPlayer,
    LaunchBank,
    LoopRef,
    PlaceLoop,
    PlayerFailed,
    PlayerNotice,
    PlayerReady,
    SetControl,
    Status,
)
from riffengine.transport.beat_grid import BeatGrid
from tests.wire.jack_server import Capture, JackServer

pytestmark = pytest.mark.wire


def receive_until(player: PlayerProcess, reports: list[FromPlayer], kind: type, number: int) -> None:
    deadline_ns = SystemClock().now_ns() + 20_000_000_000
    while sum(isinstance(message, kind) for message in reports) < number:
        assert SystemClock().now_ns() < deadline_ns, reports[-5:]
        reports.extend(player.receive()[0])
        time.sleep(0.01)


@pytest.mark.parametrize(("period", "bpm"), [(512, 120.0), (256, 121.3)])
def test_an_independent_capture_has_the_same_bits_as_the_players_own_recording(
    period: int, bpm: float, jack_server: Callable[[int, int], JackServer], jcap: Path, tmp_path: Path
) -> None:
    server = jack_server(48000, period)
    grid = BeatGrid(48000, bpm)
    frames = grid.loop_frames(1)
    store = LoopStore.create(3, 2 * frames * 2)
    rng = np.random.default_rng(1)
    loops = []
    for slot in range(3):
        store.write(slot, 0.1 * rng.standard_normal((2, frames, 2)).astype(np.float32))
        loops.append(LoopRef(slot, slot, frames, 2, ("drums", "bass"), 1))
    options = PlayerOptions(
        48000, grid, store.name, 3, store.slot_floats, period, 2, "device", record=str(tmp_path / "own.wav")
    )
    player = PlayerProcess(options)
    player.start()
    try:
        reports: list[FromPlayer] = []
        receive_until(player, reports, PlayerReady, 1)
        [outputs] = {tuple(sorted(p for p in server.ports() if "out_" in p and not p.startswith("system")))}
        capture = Capture(jcap, server, tmp_path / "heard.raw", 30.0, outputs)
        receive_until(player, reports, Status, 1)
        start = [message for message in reports if isinstance(message, Status)][-1].frame + 24_000
        player.send(PlaceLoop("a", 0, 0.0, loops[0]))
        player.send(PlaceLoop("a", 0, 1.0, loops[1]))
        player.send(LaunchBank("a", 0, start))
        player.send(SetControl(FADE, 1.0, start, 4800))
        player.send(SetControl(parse_path("deck/a/alpha"), 0.7, start + 20_000, 20_000))
        player.send(PlaceLoop("a", 1, 0.0, loops[2]))
        player.send(LaunchBank("a", 1, start + 60_000))
        receive_until(player, reports, BankLanded, 2)
        time.sleep(0.5)
        reports += player.stop(fade_frames=12_000)
        heard, _ = capture.finish()
    finally:
        player.stop(0)
        store.close()

    landed = [message for message in reports if isinstance(message, BankLanded)]
    assert [(landing.frame, landing.asked_frame) for landing in landed] == [(start, start), (start + 60_000,) * 2]
    own, rate = soundfile.read(tmp_path / "own.wav", dtype="float32")
    assert rate == 48000
    sound = np.flatnonzero(own.any(axis=1))
    first, last = int(sound[0]), int(sound[-1]) + 1
    assert last - first > 80_000
    offset = int(np.flatnonzero(heard.any(axis=1))[0])
    played = heard[offset : offset + last - first]
    assert played.tobytes() == own[first:last].tobytes()
    assert not heard[offset + last - first :].any()


@pytest.mark.parametrize("output", ["auto", "device"])
def test_the_music_continues_when_the_sound_server_ends(
    output: str,
    jack_server: Callable[[int, int], JackServer],
    tmp_path: Path,
) -> None:
    server = jack_server(48000, 512)
    store = LoopStore.create(1, 48_000)
    record = tmp_path / "own.flac"
    player = PlayerProcess(
        PlayerOptions(48000, BeatGrid(48000, 120.0), store.name, 1, 48_000, 512, 2, output, record=str(record))
    )
    player.start()
    try:
        reports: list[FromPlayer] = []
        receive_until(player, reports, PlayerReady, 1)
        receive_until(player, reports, Status, 5)
        server.process.terminate()  # a killed server would leave semaphores in /dev/shm
        receive_until(player, reports, PlayerNotice, 1)
        before = [message.frame for message in reports if isinstance(message, Status)][-1]
        receive_until(player, reports, Status, sum(isinstance(message, Status) for message in reports) + 60)
        frames = [message.frame for message in reports if isinstance(message, Status)]
        reports += player.stop(fade_frames=0)
    finally:
        player.stop(0)
        store.close()
    assert not any(isinstance(message, PlayerFailed) for message in reports)
    assert frames == sorted(frames)
    assert frames[-1] > before + 48_000
    assert len(soundfile.read(record)[0]) >= frames[-1]
