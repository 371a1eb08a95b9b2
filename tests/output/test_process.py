"""The player process, end to end on the paced output: real pipe, real shared memory, real file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

import riffengine
from riffengine.clock import SystemClock
from riffengine.output.process import PlayerOptions, PlayerProcess
from riffengine.playback.mixer import Mixer
from riffengine.processes.loop_store import LoopStore
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import (
    FADE,
    Audible,
    BankLanded,
    FreeLoop,
    FromPlayer,
    LaunchBank,
    LoopFreed,
    LoopRef,
    PlaceLoop,
    PlayerFailed,
    PlayerNotice,
    PlayerReady,
    Recorded,
    SetControl,
    Status,
    StopPlayer,
    ToPlayer,
)
from riffengine.transport.beat_grid import BeatGrid

GRID = BeatGrid(44100, 120.0)
FRAMES = GRID.loop_frames(1)


@pytest.fixture
def store() -> Iterator[LoopStore]:
    made = LoopStore.create(4, FRAMES * 4)
    yield made
    made.close()


def options(store: LoopStore, **changes) -> PlayerOptions:  # type: ignore[no-untyped-def]
    settings = {"output": "paced"} | changes
    return PlayerOptions(44100, GRID, store.name, store.slots, store.slot_floats, **settings)


def put_noise(store: LoopStore, slot: int) -> LoopRef:
    samples = 0.1 * np.random.default_rng(slot).standard_normal((2, FRAMES, 2)).astype(np.float32)
    store.write(slot, samples)
    return LoopRef(100 + slot, slot, FRAMES, 2, ("drums", "bass"), 1)


def wait_for(player: PlayerProcess, said: list[FromPlayer], seen: Callable[[list[FromPlayer]], bool]) -> None:
    """Collect the player's messages until ``seen`` is true, for 20 s at most."""
    deadline_ns = SystemClock().now_ns() + 20_000_000_000
    while not seen(said):
        assert SystemClock().now_ns() < deadline_ns, said[-5:]
        said.extend(player.receive()[0])
        time.sleep(0.01)


def of(said: list[FromPlayer], kind: type) -> list:  # type: ignore[type-arg]
    return [message for message in said if isinstance(message, kind)]


def test_two_seconds_on_the_paced_output_are_recorded_exactly(store: LoopStore, tmp_path: Path) -> None:
    record = tmp_path / "set.wav"
    player = PlayerProcess(options(store, record=str(record)))
    player.start()
    said: list[FromPlayer] = []
    wait_for(player, said, lambda s: bool(of(s, PlayerReady)))
    first, second = put_noise(store, 0), put_noise(store, 1)
    wait_for(player, said, lambda s: bool(of(s, Status)))
    # Far enough ahead that every message is in time: the samples are then known to the last bit.
    start = of(said, Status)[-1].frame + 22_050
    script: list[ToPlayer] = [
        SetControl(FADE, 1.0, start, 2000),
        PlaceLoop("a", 0, 0.0, first),
        LaunchBank("a", 0, start),
        PlaceLoop("a", 1, 0.0, second),
        LaunchBank("a", 1, start + 10_000),
        SetControl(parse_path("deck/a/stem/bass/gain"), 0.25, start + 15_000, 3000, stamp_ns=4711),
    ]
    for message in script:
        player.send(message)
    wait_for(player, said, lambda s: len(of(s, BankLanded)) == 2 and s[-1].frame > start + 30_000)  # type: ignore[union-attr]
    player.send(FreeLoop(first.loop))
    wait_for(player, said, lambda s: bool(of(s, LoopFreed)))
    player.send(StopPlayer(4410))
    player.send(SetControl(FADE, 1.0))  # too late: no message raises the sound again
    said += player.stop(fade_frames=4410)
    assert not player.alive

    assert of(said, PlayerReady)[0].output == "paced"
    assert of(said, BankLanded) == [
        BankLanded("a", 0, start, start),
        BankLanded("a", 1, start + 10_000, start + 10_000),
    ]
    assert of(said, LoopFreed) == [LoopFreed(first.loop, first.slot)]
    heard = of(said, Audible)[0]
    assert (str(heard.target), heard.stamp_ns) == ("deck/a/stem/bass/gain", 4711)
    assert heard.host_ns > 0
    assert not of(said, PlayerFailed) + of(said, PlayerNotice)
    assert of(said, Status)[-1].late_messages == 0
    frames = [status.frame for status in of(said, Status)]
    assert frames == sorted(frames)

    recorded, rate = soundfile.read(record, dtype="float32")
    assert rate == 44100
    mixer = Mixer(44100, GRID, lambda ref: store.view(ref.slot, 2, FRAMES, 2))
    for message in script:
        mixer.schedule(message)
    wanted = np.concatenate([mixer.pull(512) for _ in range((start + 30_000) // 512)])
    assert recorded[: len(wanted)].tobytes() == wanted.tobytes()
    assert not recorded[-100:].any()  # faded out


def test_the_player_fades_out_and_ends_when_the_engine_is_killed(tmp_path: Path) -> None:
    record = tmp_path / "orphan.wav"
    engine = tmp_path / "engine.py"
    engine.write_text(
        f"""
import time
import numpy as np
from riffengine.processes.loop_store import LoopStore
from riffengine.output.process import PlayerOptions, PlayerProcess
from riffengine.processes.player_messages import *
from riffengine.transport.beat_grid import BeatGrid
if __name__ == "__main__":
    store = LoopStore.create(1, {FRAMES * 4})
    store.write(0, 0.1 * np.random.default_rng(0).standard_normal((2, {FRAMES}, 2)).astype(np.float32))
    player = PlayerProcess(PlayerOptions(44100, BeatGrid(44100, 120.0), store.name, 1, {FRAMES * 4},
                                         output="paced", record={str(record)!r}))
    player.start()
    for message in (PlaceLoop("a", 0, 0.0, LoopRef(1, 0, {FRAMES}, 2, ("drums", "bass"), 1)), LaunchBank("a", 0),
                    SetControl(FADE, 1.0)):
        player.send(message)
    while not any(isinstance(said, BankLanded) for said in player.receive()[0]):
        time.sleep(0.01)
    print(player.pid, flush=True)
    time.sleep(60)
"""
    )
    environment = os.environ | {"PYTHONPATH": str(Path(riffengine.__file__).parents[1])}
    command = [sys.executable, str(engine)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        time.sleep(0.3)
        os.kill(pid, signal.SIGINT)  # Ctrl-C reaches the player too, which ignores it
        time.sleep(0.2)
        assert Path(f"/proc/{pid}").exists()
        process.send_signal(signal.SIGKILL)
    deadline_ns = SystemClock().now_ns() + 20_000_000_000
    while _runs(pid):
        assert SystemClock().now_ns() < deadline_ns
        time.sleep(0.05)
    heard, _ = soundfile.read(record, dtype="float32")
    loud = np.flatnonzero(np.abs(heard).max(axis=1) > 0.2)
    assert len(loud)
    assert np.abs(heard[-100:]).max() == 0.0
    levels = np.sqrt((heard[: len(heard) // 2205 * 2205].reshape(-1, 2205 * 2) ** 2).mean(axis=1))
    full = levels.max()
    falling = int(
        np.count_nonzero((levels[len(levels) // 2 :] < 0.8 * full) & (levels[len(levels) // 2 :] > 0.05 * full))
    )
    assert falling >= 6  # pieces of 50 ms: a fade of half a second, not a cut


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_player_loads_nothing_heavy() -> None:
    code = (
        "import sys, riffengine.output.process\n"
        "bad = {'torch', 'asyncio', 'scipy', 'sounddevice', 'soundfile', 'pythonosc', 'rich'} & set(sys.modules)\n"
        "print(sorted(bad))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_damaged_loop_is_reported_and_the_player_continues(store: LoopStore) -> None:
    store.write(0, np.full((2, FRAMES, 2), np.nan, dtype=np.float32))
    player = PlayerProcess(options(store))
    player.start()
    player.send(PlaceLoop("a", 0, 0.0, LoopRef(1, 0, FRAMES, 2, ("drums", "bass"), 1)))
    said: list[FromPlayer] = []
    wait_for(player, said, lambda s: bool(of(s, PlayerNotice)) and bool(of(s, Status)))
    assert "loop was refused" in of(said, PlayerNotice)[0].reason
    assert player.alive
    player.stop(0)
    assert not player.alive


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"output": "device", "device": "no such device"}, "device"),
        ({"output": "loud"}, "auto, device, paced or daw"),
        ({"record": "/nowhere/at/all.wav"}, "cannot record"),
        ({"record": "set.mp3"}, ".wav or .flac"),
        ({"store_name": "riffengine-0-00000000"}, "does not exist"),
    ],
)
def test_a_player_that_cannot_start_says_why_and_ends(
    store: LoopStore, changes: dict[str, object], reason: str
) -> None:
    from dataclasses import replace

    player = PlayerProcess(replace(options(store), **changes))
    player.start()
    said: list[FromPlayer] = []
    wait_for(player, said, lambda s: bool(of(s, PlayerFailed)))
    assert reason in of(said, PlayerFailed)[0].reason
    player.stop(0)
    assert not player.alive


def test_without_a_sound_device_auto_is_paced_and_says_so(store: LoopStore) -> None:
    player = PlayerProcess(options(store, output="auto", device="no such device"))
    player.start()
    said: list[FromPlayer] = []
    wait_for(player, said, lambda s: bool(of(s, PlayerReady)))
    assert of(said, PlayerReady)[0].output.startswith("paced, in place of a sound device (")
    player.stop(0)


def test_a_player_that_replaces_a_killed_one_goes_on_at_the_frame_of_the_wall_clock(
    store: LoopStore, tmp_path: Path
) -> None:
    """Both recordings hold the same loop: each sample of the second is the one that its frame of the grid asks for."""
    loop = put_noise(store, 0)
    rows: list[tuple[Recorded, np.ndarray]] = []  # type: ignore[type-arg]
    player = PlayerProcess(options(store, record=str(tmp_path / "set.wav")))
    begin: list[ToPlayer] = [
        SetControl(FADE, 1.0, None, 0),
        PlaceLoop("a", 0, 0.0, loop),
        LaunchBank("a", 0, None, 0),
    ]
    continues = None
    for life in range(2):
        player.options = options(store, record=str(tmp_path / "set.wav"), continues=continues)
        player.start()
        for message in begin:
            player.send(message)
        said: list[FromPlayer] = []
        wait_for(player, said, lambda s: bool(of(s, Recorded)) and len(of(s, Status)) > 30)
        if life == 0:
            status = of(said, Status)[-1]
            continues = (status.frame, status.host_ns)
            os.kill(player.pid or 0, signal.SIGKILL)
            while player.alive:
                time.sleep(0.01)
        else:
            said += player.stop(fade_frames=0)
        began = next(news for news in of(said, Recorded) if news.what == "began")
        rows.append((began, soundfile.read(began.path, dtype="float32", always_2d=True)[0]))
    assert [Path(began.path).name for began, _ in rows] == ["set.wav", "set-2.wav"]
    assert rows[0][0].frame == 0
    second = rows[1][0].frame
    marks = [(message.frame, message.host_ns) for message in of(said, Status)]
    assert continues is not None and second > continues[0]
    # The new player pulls each frame when the first one would have: 50 ms are patience for a loaded machine.
    for frame, host_ns in marks:
        assert abs((host_ns - continues[1]) / 1e9 - (frame - continues[0]) / 44100) < 0.05
    expected = store.view(0, 2, FRAMES, 2).sum(axis=0)
    heard = rows[1][1][5000:20000]
    places = (second + 5000 + np.arange(len(heard))) % FRAMES
    assert np.abs(heard - expected[places]).max() < 1e-5


def test_an_engine_that_does_not_read_does_not_stop_the_music(store: LoopStore) -> None:
    player = PlayerProcess(options(store))
    player.start()
    said: list[FromPlayer] = []
    wait_for(player, said, lambda s: bool(of(s, Status)))
    before = of(said, Status)[-1].frame
    for step in range(3000):  # far more reports than a pipe holds
        player.send(SetControl(parse_path("crossfader"), step % 2, stamp_ns=step + 1))
    time.sleep(0.7)
    wait_for(player, said, lambda s: len(of(s, Audible)) == 3000)
    wait_for(player, said, lambda s: of(s, Status)[-1].frame > before + 22_050)
    player.stop(0)


@pytest.mark.parametrize("how", ["second stop", "SIGTERM"])
def test_a_shortened_fade_still_leaves_a_complete_recording(store: LoopStore, tmp_path: Path, how: str) -> None:
    record = tmp_path / "set.flac"
    player = PlayerProcess(options(store, record=str(record)))
    player.start()
    said: list[FromPlayer] = []
    wait_for(player, said, lambda s: bool(of(s, Status)) and of(s, Status)[-1].frame > 22_050)
    player.send(StopPlayer(60 * 44_100))
    time.sleep(0.3)
    assert player.alive
    began_ns = SystemClock().now_ns()
    if how == "SIGTERM":
        os.kill(player.pid or 0, signal.SIGTERM)
    else:
        player.send(StopPlayer(0))
    while player.alive:
        assert SystemClock().now_ns() - began_ns < 20_000_000_000, "the longer fade continued"
        time.sleep(0.01)
    player.stop(0)
    heard, _ = soundfile.read(record)
    assert 22_050 < len(heard) < 10 * 44_100


def test_an_existing_recording_is_kept_and_the_new_one_gets_another_name(store: LoopStore, tmp_path: Path) -> None:
    record = tmp_path / "set.flac"
    record.write_bytes(b"last night")
    player = PlayerProcess(options(store, record=str(record)))
    player.start()
    said: list[FromPlayer] = []
    wait_for(player, said, lambda s: bool(of(s, PlayerNotice)))
    wait_for(player, said, lambda s: bool(of(s, Status)) and of(s, Status)[-1].frame > 4410)
    player.stop(0)
    assert "set-2.flac" in of(said, PlayerNotice)[0].reason
    assert record.read_bytes() == b"last night"
    assert len(soundfile.read(tmp_path / "set-2.flac")[0]) > 4410


def test_the_reader_of_the_pipe_learns_that_the_player_has_ended(store: LoopStore) -> None:
    player = PlayerProcess(options(store))
    player.start()
    said: list[FromPlayer] = []
    wait_for(player, said, lambda s: bool(of(s, PlayerReady)))
    descriptor = player.fileno()
    os.kill(player.pid or 0, signal.SIGKILL)
    deadline_ns = SystemClock().now_ns() + 20_000_000_000
    while player.receive()[1]:
        assert SystemClock().now_ns() < deadline_ns
        time.sleep(0.01)
    player.send(SetControl(FADE, 1.0))  # it is not received, and nothing fails
    assert player.fileno() == descriptor  # still open: its reader removes it first
    player.stop(0)
