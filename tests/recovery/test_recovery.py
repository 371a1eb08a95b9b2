"""Recovery after a crash, with the real files, store, Conductor and mixer messages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from riffengine.notes.loop_notes import LoopNote, pack
from riffengine.performance.command import Command
from riffengine.performance.parameters import standard_tree
from riffengine.performance.scenes import Scene
from riffengine.processes.loop_store import LoopStore
from riffengine.processes.player_messages import LaunchBank, PlaceLoop
from riffengine.processes.render_messages import Delivery, Ready, Render, RenderCost
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.recovery import (
    Recovery,
    SavedLoop,
    SavedState,
    begin_run,
    load_saved_state,
    plugin_files,
    read_loop,
    state_folder,
)
from riffengine.recovery.exit_marker import LOCK_FILE, RUN_FILE
from riffengine.recovery.plugin_files import PluginFiles
from riffengine.recovery.saved_state import STATE_FILE, write_saved_state
from riffengine.scheduler.actions import ToPlayerMessage, ToRendererMessage
from riffengine.scheduler.conductor import Conductor
from riffengine.scheduler.scene_player import ScenePlayer
from riffengine.transport.beat_grid import BeatGrid

RATE, FRAMES, SLOTS = 1000, 4000, 16
READY = Ready("scripted", ("mix",), 1, (), 0.0, "")


def saved_state(**values: object) -> SavedState:
    request = RenderRequest(MorphEnd("house", 3), MorphEnd("house", 3), sample_rate=RATE)
    loop = SavedLoop(request, FRAMES, 1, ("mix",))
    facts = {"preset": "/p.yaml", "sample_rate": RATE, "decks": ("a",), "saved_at": 5.5, "parameters": {"steps": 9}}
    return SavedState(**{**facts, "scenes": (Scene("s", {"key": ""}),), "scene": "s", "loops": (loop,), **values})  # type: ignore[arg-type]


def noise(seed: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.random.default_rng(seed).standard_normal((1, FRAMES, 1)).astype(np.float32)


def notes_of(request: RenderRequest) -> bytes:
    return pack([LoopNote("bass", 30 + int(request.digest(), 16) % 30, 0, 4, 100)])


class EngineSimulation:
    """A Conductor with a loop store and, if ``model``, a renderer that delivers at once."""

    def __init__(self, recovery: Recovery, model: bool, **values: object) -> None:
        tree = standard_tree(("a",))
        state = tree.initial_state()
        for path, value in values.items():
            state, _ = tree.apply(state, Command(path.replace("__", "/"), value))  # type: ignore[arg-type]
        self.recovery, self.model, self.requests = recovery, model, {}
        self.store = LoopStore.create(SLOTS, FRAMES)
        self.conductor = Conductor(tree, recovery.state(tree, state), BeatGrid(RATE, 120.0), ("a",), SLOTS)
        self.scene_player = ScenePlayer(self.conductor, recovery.scenes(()))
        self.player: list[object] = []
        self.notes: dict[int, bytes] = {}
        self.restored = recovery.restore(self.conductor, self.store, self.requests.__setitem__, self.notes.__setitem__)
        self.carry_out(self.conductor.start(0), 0)
        if model:
            self.carry_out(self.conductor.renderer_ready(0, READY), 0)

    def carry_out(self, actions: object, frame: int) -> None:
        for action in actions:  # type: ignore[attr-defined]
            if isinstance(action, ToPlayerMessage):
                self.player.append(action.message)
            elif isinstance(action, ToRendererMessage) and isinstance(action.message, Render):
                render = action.message
                self.store.write(render.slot, noise(int(render.request.digest(), 16)))
                self.requests[render.slot] = render.request
                self.notes[render.slot] = notes_of(render.request)
                delivery = Delivery(
                    render.job, render.slot, render.request, FRAMES, 1, ("mix",), -14.0, 1.0, RenderCost()
                )
                self.carry_out(self.conductor.delivered(frame, delivery), frame)

    def play(self, seconds: float) -> None:
        for frame in range(0, round(seconds * RATE), 20):
            self.carry_out(self.scene_player.tick(frame), frame)

    def save(self, now_seconds: float, unix_seconds: float | None = None) -> None:
        save, notes = self.recovery.save, self.notes.__getitem__
        save(
            now_seconds,
            now_seconds if unix_seconds is None else unix_seconds,
            self.conductor,
            self.scene_player,
            self.store,
            self.requests.get,
            notes,
        )


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
def test_after_a_crash_the_loops_sound_before_there_is_a_model(tmp_path: Path, alpha: float) -> None:
    before = EngineSimulation(
        Recovery(tmp_path, 100.0, resume=False), model=True, deck__a__alpha=alpha, deck__a__to="dub"
    )
    before.play(3.0)
    before.scene_player.submit(Command("scene/store", "here"), 3000)
    before.save(103.0)
    before.recovery._autosave._thread.join()  # type: ignore[union-attr]
    assert before.recovery._autosave.saves == 1
    sounding = {r.digest() for r in (loop.request for loop in load_saved_state(tmp_path).loops)}  # type: ignore[union-attr]
    assert sounding
    before.recovery._autosave._exit_marker.release()  # as the system does when a process is killed

    recovery = Recovery(tmp_path, 110.0, resume=True)
    after = EngineSimulation(recovery, model=False)
    assert after.restored == len(sounding)
    after.play(1.0)
    placed = [m for m in after.player if isinstance(m, PlaceLoop)]
    assert {after.requests[m.loop.slot].digest() for m in placed} == sounding
    assert len([m for m in after.player if isinstance(m, LaunchBank)]) == 1
    for message in placed:  # the same samples, to the last bit
        want = noise(int(after.requests[message.loop.slot].digest(), 16))
        assert np.array_equal(after.store.view(message.loop.slot, 1, FRAMES, 1), want)
        assert after.notes[message.loop.slot] == notes_of(after.requests[message.loop.slot])
    assert after.conductor.state["deck/a/alpha"] == alpha and after.scene_player.book.scenes[0].name == "here"
    after.carry_out(after.conductor.renderer_ready(1000, READY), 1000)
    assert len(after.conductor.scheduler.decks["a"].current.placed) > 1  # type: ignore[union-attr]
    for simulation in (before, after):
        simulation.store.close()


def test_a_saved_state_reads_back_and_old_loops_go(tmp_path: Path) -> None:
    one = saved_state()
    write_saved_state(tmp_path, one, {one.loops[0].file: noise(1)})
    assert load_saved_state(tmp_path) == one
    assert np.array_equal(read_loop(tmp_path, one.loops[0]), noise(1))  # type: ignore[arg-type]
    write_saved_state(tmp_path, saved_state(loops=()), {})
    assert sorted(path.name for path in tmp_path.iterdir()) == [STATE_FILE]


def test_the_state_of_a_plugin_is_a_file_that_is_written_when_it_has_changed(tmp_path: Path) -> None:
    written: list[str] = []
    write = plugin_files.write_atomically

    def counted(path: Path, data: bytes) -> None:
        written.append(path.suffix)
        write(path, data)

    plugins = PluginFiles(tmp_path)
    states = {"deck/a/fx/1": bytes(range(256)) * 1000, "master/fx/1": b"small"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugin_files, "write_atomically", counted)
        for known in (plugins, plugins, PluginFiles(tmp_path)):  # the last as after a new start
            write_saved_state(tmp_path, saved_state(plugin_states=states), {}, known)
            assert written == [".plugin"] * 2
        assert load_saved_state(tmp_path).plugin_states == states  # type: ignore[union-attr]
        states["master/fx/1"] = b"moved"
        write_saved_state(tmp_path, saved_state(plugin_states=states), {}, plugins)
    assert written == [".plugin"] * 3 and len(list(tmp_path.glob("*.plugin"))) == 2
    assert (tmp_path / STATE_FILE).stat().st_size < 10_000
    assert load_saved_state(tmp_path).plugin_states == states  # type: ignore[union-attr]
    write_saved_state(tmp_path, saved_state(), {}, plugins)
    assert not list(tmp_path.glob("*.plugin"))


def test_a_damaged_plugin_state_is_left_out_and_one_of_an_older_version_is_read(tmp_path: Path) -> None:
    write_saved_state(tmp_path, saved_state(plugin_states={"master/fx/1": b"one", "master/fx/2": b"two"}), {})
    facts = json.loads((tmp_path / STATE_FILE).read_text())
    (tmp_path / facts["plugin_files"]["master/fx/1"]).write_bytes(b"other")
    assert load_saved_state(tmp_path).plugin_states == {"master/fx/2": b"two"}  # type: ignore[union-attr]
    facts["plugin_files"] = {"master/fx/1": "../secret", "master/fx/2": "0" * 32 + ".plugin"}
    facts["plugin_states"] = {"master/fx/3": b"three".hex()}
    (tmp_path / STATE_FILE).write_text(json.dumps(facts))
    assert load_saved_state(tmp_path).plugin_states == {"master/fx/3": b"three"}  # type: ignore[union-attr]


def test_damaged_files_are_ignored(tmp_path: Path) -> None:
    one = saved_state()
    write_saved_state(tmp_path, one, {one.loops[0].file: noise(1)})
    whole = (tmp_path / STATE_FILE).read_bytes()
    for cut in range(0, len(whole) - 1, 7):
        (tmp_path / STATE_FILE).write_bytes(whole[:cut])
        assert load_saved_state(tmp_path) is None
    for text in ("[]", "3", '{"version": 2}', '{"version": 1, "loops": 3}', "\xff"):
        (tmp_path / STATE_FILE).write_text(text)
        assert load_saved_state(tmp_path) is None
    for data in (b"", b"123", noise(1).tobytes()[:-4], np.full(FRAMES, np.nan, "f4").tobytes()):
        (tmp_path / one.loops[0].file).write_bytes(data)
        assert read_loop(tmp_path, one.loops[0]) is None


def test_only_a_run_that_did_not_end_can_be_resumed(tmp_path: Path) -> None:
    start, marker = begin_run(tmp_path, 0.0)
    assert (start.crashes, start.resumable, start.advice(False)) == (0, False, "")
    write_saved_state(tmp_path, saved_state(loops=()), {})
    (tmp_path / f".{STATE_FILE}.123").write_text("half")
    marker.mark_clean()
    start, _ = begin_run(tmp_path, 10.0)
    assert not start.resumable
    assert sorted(path.name for path in tmp_path.iterdir()) == [STATE_FILE, RUN_FILE, LOCK_FILE]
    start, marker = begin_run(tmp_path, 20.0)  # the run before never ended
    assert start.resumable and "--resume" in start.advice(False) and start.advice(True) == ""


def test_three_crashes_within_ten_minutes_start_safe_until_a_clean_end(tmp_path: Path) -> None:
    write_saved_state(tmp_path, saved_state(loops=()), {})
    crashes = []
    for now in (0.0, 100.0, 200.0, 300.0):
        start, marker = begin_run(tmp_path, now)
        crashes.append(start.crashes)
    assert crashes == [0, 1, 2, 3] and start.safe and "safe" in start.advice(True)
    marker.mark_clean()
    assert not begin_run(tmp_path, 310.0)[0].safe


def test_crashes_long_ago_do_not_count(tmp_path: Path) -> None:
    for now in (0.0, 400.0, 800.0, 1200.0, 1600.0):
        start, _ = begin_run(tmp_path, now)
        assert not start.safe


def test_a_safe_start_uses_nothing_of_the_last_set(tmp_path: Path) -> None:
    write_saved_state(tmp_path, saved_state(), {})
    (tmp_path / RUN_FILE).write_text(json.dumps({"pid": 2**22 + 1, "clean": False, "seen": 90, "crashes": [80, 85]}))
    recovery = Recovery(tmp_path, 100.0, resume=True)
    assert recovery.saved is None and "safe" in recovery.advice
    tree = standard_tree()
    assert dict(recovery.state(tree, tree.initial_state()).values) == dict(tree.initial_state().values)


HOLDS_THE_FOLDER = """
import sys, pathlib
from riffengine.recovery import begin_run
start, marker = begin_run(pathlib.Path(sys.argv[1]), 0.0)
print(start.busy, flush=True)
sys.stdin.read()
"""


def other_engine(folder: Path) -> subprocess.Popen[str]:
    """A process that plays with the state folder ``folder``, until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS_THE_FOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "False\n"
    return process


def test_two_engines_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    with other_engine(tmp_path) as other:
        before = (tmp_path / RUN_FILE).read_text()
        start, marker = begin_run(tmp_path, 1.0)
        marker.mark_alive(2.0)
        marker.mark_clean()
        assert start.busy and (tmp_path / RUN_FILE).read_text() == before
        other.kill()
    start, _ = begin_run(tmp_path, 3.0)
    assert not start.busy and start.crashes == 1


def test_after_a_power_failure_another_process_with_the_same_number_does_not_count_as_an_engine(tmp_path: Path) -> None:
    write_saved_state(tmp_path, saved_state(), {})
    facts = {"pid": os.getppid(), "clean": False, "seen": 90.0, "crashes": []}  # a process that runs, and is no engine
    (tmp_path / RUN_FILE).write_text(json.dumps(facts))
    recovery = Recovery(tmp_path, 100.0, resume=True)
    assert recovery.saved is not None and recovery.advice == ""
    recovery.mark_ended()
    assert json.loads((tmp_path / RUN_FILE).read_text())["clean"]


def test_a_set_that_ended_leaves_the_folder_to_the_next(tmp_path: Path) -> None:
    recovery = Recovery(tmp_path, 0.0, resume=False)
    recovery.mark_ended()
    with other_engine(tmp_path) as other:
        other.kill()


def test_a_set_whose_player_died_is_offered_again_and_one_that_ended_is_not(tmp_path: Path) -> None:
    for number, clean in enumerate((True, False)):
        folder = tmp_path / str(number)
        recovery = Recovery(folder, 0.0, resume=False)
        simulation = EngineSimulation(recovery, model=True)
        simulation.play(1.0)
        simulation.save(10.0)
        recovery.mark_ended(clean)
        simulation.store.close()
        assert begin_run(folder, 20.0)[0].resumable is not clean


def test_a_folder_that_cannot_be_written_costs_only_the_saved_state(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    recovery = Recovery(tmp_path / "file" / "riffengine", 0.0, resume=True)
    simulation = EngineSimulation(recovery, model=True)
    simulation.play(1.0)
    simulation.save(10.0)
    recovery.mark_ended()
    assert "no state to resume" in recovery.advice
    simulation.store.close()


def test_the_folder_is_where_the_specification_puts_it() -> None:
    assert state_folder({"XDG_STATE_HOME": "/x", "HOME": "/h"}) == Path("/x/riffengine")
    assert state_folder({"XDG_STATE_HOME": "x", "HOME": "/h"}) == Path("/h/.local/state/riffengine")
    assert state_folder({"HOME": "/h"}) == Path("/h/.local/state/riffengine")


def saves(simulation: EngineSimulation) -> int:
    autosave = simulation.recovery._autosave
    if autosave._thread is not None:
        autosave._thread.join()
    return autosave.saves


def test_a_wall_clock_that_is_set_back_or_forward_does_not_keep_a_state_from_being_saved(tmp_path: Path) -> None:
    simulation = EngineSimulation(Recovery(tmp_path, 5000.0, resume=False), model=True)
    simulation.play(1.0)
    for number, (now, unix) in enumerate([(0.0, 5000.0), (4.0, 1400.0), (8.0, 9e9), (12.0, 0.0)], 1):
        simulation.save(now, unix)
        assert saves(simulation) == number
    simulation.save(13.0, 9e9)
    assert saves(simulation) == 4, "and not too often"
    simulation.store.close()


def test_a_save_that_fails_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No descriptor is free just then, as when something else of the process has used them up."""
    simulation = EngineSimulation(Recovery(tmp_path, 0.0, resume=False), model=True)
    simulation.play(1.0)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda *args, **options: (_ for _ in ()).throw(OSError(24, "Too many open files")))
        simulation.save(0.0)
        assert saves(simulation) == 0
    assert "Too many open files" in simulation.recovery.failure and "tried again" in simulation.recovery.failure
    simulation.save(3.0)
    assert saves(simulation) == 1 and simulation.recovery.failure == ""
    assert load_saved_state(tmp_path) is not None
    simulation.store.close()


def test_crashes_count_whatever_the_clock_says_since(tmp_path: Path) -> None:
    for now in (10_000.0, 10_001.0, 10_002.0):
        begin_run(tmp_path, now)
    start, _ = begin_run(tmp_path, 50.0)
    assert start.safe and start.crashes == 3


def test_a_state_belongs_to_the_preset_as_it_was_whatever_the_times_of_the_files_say(tmp_path: Path) -> None:
    preset = tmp_path / "p.yaml"
    preset.write_text("tempo: 100")
    for changed in (False, True):
        recovery = Recovery(tmp_path / str(changed), 0.0, resume=False)
        recovery.forget_if_changed(preset)
        recovery.preset = str(preset)
        simulation = EngineSimulation(recovery, model=True)
        simulation.play(1.0)
        simulation.save(0.0, 5.0)
        assert saves(simulation) == 1
        simulation.store.close()
        if changed:
            preset.write_text("tempo: 101")
        os.utime(preset, (9e9, 9e9) if not changed else (0, 0))
        again = Recovery(tmp_path / str(changed), 1.0, resume=True)
        assert ("changed" in again.forget_if_changed(preset)) is changed
