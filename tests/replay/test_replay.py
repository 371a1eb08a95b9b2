"""A set replayed from its journal equals the live output to the last bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from riffengine.errors import AudioFileError, JournalError
from riffengine.performance.journal import Journal, JournalHeader, read_journal
from riffengine.processes.player_messages import PlaceLoop, SetGrid
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.file_hash import file_hash, init_hash
from riffengine.replay import Replay, read_player_log, replay_file
from riffengine.replay.replay import changed_files
from riffengine.transport.sync.source import BeatPosition
from tests.replay.live_set import PLUGINS, WEIGHTS, LiveSet, NoiseFamily


def replayed_set(path: Path, steps: int | None = None, block_frames: int = 512) -> tuple[np.ndarray, NoiseFamily]:  # type: ignore[type-arg]
    family = NoiseFamily()
    replay = Replay(read_journal(path), lambda name: family, steps)
    return np.concatenate(list(replay.blocks(block_frames))), family


def test_a_set_of_mono_loops_is_replayed_by_a_model_that_is_stereo_now(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    LiveSet(path, 1).play(3.0)
    text = path.read_text()
    assert '"channels": 2' in text
    path.write_text(text.replace('"channels": 2', '"channels": 1'))
    replayed, _ = replayed_set(path)
    assert float(np.abs(replayed).max()) > 0.05 and np.array_equal(replayed[:, 0], replayed[:, 1])


@pytest.mark.parametrize("seed", range(5))
def test_a_replay_is_the_live_set_to_the_last_bit_for_every_block_size(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "set.jsonl"
    heard = LiveSet(path, seed).play(12.0)
    assert float(np.abs(heard).max()) > 0.1 and not heard[-64:].any()  # it had sound, and faded out
    for block_frames in (100, 512, 4096):
        replayed, _ = replayed_set(path, block_frames=block_frames)
        assert np.array_equal(replayed, heard)


@pytest.mark.parametrize("seed", range(2))
def test_a_set_through_plugins_is_replayed_to_the_last_bit_for_every_block_size(tmp_path: Path, seed: int) -> None:
    """Plugins come, go and are moved on decks, a stem, a send and the master, in host processes of their own."""
    path = tmp_path / "set.jsonl"
    heard = LiveSet(path, seed, plugins=True).play(5.0)
    family, recording = NoiseFamily(), read_journal(path)
    through = [entry for entry in recording.entries if entry.path == "AttachInsert"]
    assert len(through) > 1
    for block_frames in (100, 4096):
        replay = Replay(recording, lambda name: family, opener=PLUGINS)
        assert np.array_equal(np.concatenate(list(replay.blocks(block_frames))), heard)
    assert not replay.plugin_failures


def test_a_set_that_followed_a_leader_is_replayed_on_the_very_grids_it_followed(tmp_path: Path) -> None:
    """A tempo that wavers by 1 %, phase that jitters by 1 ms, and a jump of both: a replay has no leader."""
    chance = np.random.default_rng(3)

    def leader(seconds: float) -> BeatPosition:
        beat = 2.0 * seconds + 0.02 * np.sin(seconds) + 0.002 * chance.standard_normal()
        if seconds < 6.0:
            return BeatPosition(float(beat), float(120.0 + 1.2 * np.cos(seconds)))
        return BeatPosition(float(beat) * 1.1 + 0.7, 132.0, epoch=1)

    live = LiveSet(tmp_path / "j", 7, leader)
    heard = live.play(12.0)
    assert live.grids > 20
    assert live.grid.bpm == pytest.approx(132.0, rel=0.02)
    logged = [e.message for e in read_player_log(read_journal(tmp_path / "j"))[0] if isinstance(e.message, SetGrid)]
    assert len(logged) == live.grids + 1
    assert logged[-1].grid == live.grid  # to the last bit: JSON keeps every float
    assert np.array_equal(replayed_set(tmp_path / "j")[0], heard)
    family = NoiseFamily()
    one = Replay(read_journal(tmp_path / "j"), lambda name: family)
    one._entries = [e for e in one._entries if not isinstance(e.message, SetGrid)]
    assert not np.array_equal(np.concatenate(list(one.blocks())), heard)  # without the grids the replay differs


def test_writing_the_player_log_does_not_change_the_output(tmp_path: Path) -> None:
    assert np.array_equal(LiveSet(None, 3).play(4.0), LiveSet(tmp_path / "j", 3).play(4.0))


def test_two_sets_differ_and_so_do_their_replays(tmp_path: Path) -> None:
    for seed in (1, 2):
        LiveSet(tmp_path / str(seed), seed).play(3.0)
    one, two = (replayed_set(tmp_path / name)[0] for name in "12")
    assert not np.array_equal(one[:20000], two[:20000])


def test_a_replay_at_other_steps_is_the_same_set_of_finer_loops(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    heard = LiveSet(path, 1).play(6.0)
    finer, family = replayed_set(path, steps=30)
    assert len(finer) == len(heard) and not np.array_equal(finer, heard)
    assert {request.steps for request in family.rendered} == {30}
    assert len(set(family.rendered)) == len(family.rendered)  # no loop is rendered twice


def test_the_player_log_has_the_request_of_every_loop_and_a_frame_for_every_message(tmp_path: Path) -> None:
    LiveSet(tmp_path / "j", 4).play(6.0)
    entries, frames, damaged = read_player_log(read_journal(tmp_path / "j"))
    assert damaged == 0 and frames >= 48000
    assert sorted(entry.number for entry in entries) == list(range(1, len(entries) + 1))
    placed = [entry for entry in entries if isinstance(entry.message, PlaceLoop)]
    assert placed and all(entry.request is not None for entry in placed)
    assert all(getattr(entry.message, "at_frame", entry.frame) == entry.frame for entry in entries)


def test_a_set_cut_short_by_a_crash_replays_as_far_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    heard = LiveSet(path, 2).play(8.0)
    lines = path.read_bytes().splitlines(keepends=True)
    kept = lines[: len(lines) * 2 // 3]
    path.write_bytes(b"".join(kept)[:-9])  # the last line is incomplete
    recording = read_journal(path)
    assert recording.damaged
    replayed, _ = replayed_set(path)
    # Messages reach the journal in the order they were sent; the first that is missing ends what can be compared.
    numbers = {entry.number for entry in read_player_log(recording)[0]}
    frames = [json.loads(line)["frame"] for line in lines[len(kept) - 1 :] if b'"player"' in line]
    first = min(frames)
    assert len(numbers) > 20 and first > 4000
    assert np.array_equal(replayed[:first], heard[:first])


def test_files_are_those_of_the_recorder(tmp_path: Path) -> None:
    heard = LiveSet(tmp_path / "j", 5).play(3.0)
    family = NoiseFamily()
    report = replay_file(read_journal(tmp_path / "j"), tmp_path / "set.wav", lambda name: family)
    assert np.array_equal(soundfile.read(tmp_path / "set.wav", dtype="float32")[0], heard)
    assert (report.frames, report.same_weights, report.damaged_lines) == (len(heard), True, 0)
    assert report.renders == len(family.rendered)
    report = replay_file(read_journal(tmp_path / "j"), tmp_path / "set.flac", lambda name: family, steps=9)
    assert not report.same_weights
    with pytest.raises(AudioFileError, match="must end in"):
        replay_file(read_journal(tmp_path / "j"), tmp_path / "set.mp3", lambda name: family)


def test_other_weights_are_reported(tmp_path: Path) -> None:
    LiveSet(tmp_path / "j", 5).play(1.0)
    family = NoiseFamily()
    family.weights_digest = "others"  # type: ignore[misc]
    assert family.weights_digest != WEIGHTS
    assert not replay_file(read_journal(tmp_path / "j"), tmp_path / "o.wav", lambda name: family).same_weights


def test_a_file_that_has_changed_is_reported_before_anything_is_rendered_and_a_missing_one_is_refused(
    tmp_path: Path,
) -> None:
    init, out, family = tmp_path / "start.wav", tmp_path / "o.wav", NoiseFamily()
    init.write_bytes(b"as it was")
    heard = LiveSet(tmp_path / "j", 5, init=str(init)).play(1.0)
    recording, notices = read_journal(tmp_path / "j"), []

    def say(text: str) -> None:
        assert not family.rendered
        notices.append(text)

    report = replay_file(recording, out, lambda name: family, say=say)
    assert (report.changed_files, notices) == ((), [])
    assert np.array_equal(soundfile.read(out, dtype="float32")[0], heard)
    init.write_bytes(b"exported anew")
    family.rendered.clear()
    assert replay_file(recording, out, lambda name: family, say=say).changed_files == (str(init),)
    assert len(notices) == 1 and "start.wav has changed" in notices[0] and "restore the file" in notices[0]
    init.unlink()
    family.rendered.clear()
    with pytest.raises(AudioFileError, match=r"start\.wav; restore that file"):
        replay_file(recording, out, lambda name: family)
    assert not family.rendered


def test_a_mask_that_was_edited_is_a_file_that_has_changed_unless_the_journal_is_older(tmp_path: Path) -> None:
    sound, mask, end = tmp_path / "start.wav", tmp_path / "mask.png", MorphEnd("x", 1)
    sound.write_bytes(b"sound")
    mask.write_bytes(b"black")
    init = f"{sound}?mask={mask}"
    now, older = (RenderRequest(end, end, init=init, init_hash=found) for found in (init_hash(init), file_hash(init)))
    assert changed_files([now, older]) == ()
    mask.write_bytes(b"white")
    assert (changed_files([now]), changed_files([older])) == ((init,), ())


def test_a_journal_without_a_player_log_is_refused(tmp_path: Path) -> None:
    Journal(tmp_path / "j", JournalHeader("p", "m", "w", 8000, 0, {"deck/a/prompt": "x"})).close()
    with pytest.raises(JournalError, match="no player messages"):
        Replay(read_journal(tmp_path / "j"), lambda name: NoiseFamily())


def test_damaged_entries_of_the_player_log_are_left_out_and_counted(tmp_path: Path) -> None:
    LiveSet(tmp_path / "j", 1).play(1.0)
    good = read_player_log(read_journal(tmp_path / "j"))[0]
    base = {"beat": 0.0, "seconds": 0.0, "frame": 10, "kind": "player"}
    one = {"number": 1, "horizon": 0}
    rubbish = [
        {**base, "path": "Explode", "facts": one},
        {**base, "path": "SetControl", "facts": {**one, "name": "fade", "value": "loud"}},
        {**base, "path": "SetControl", "facts": one},
        {**base, "path": "PlaceLoop", "facts": {**one, "deck": "a", "bank": 1, "alpha": 0, "loop": {"loop": 1}}},
        {**base, "path": "FreeLoop", "facts": {"loop": 1}},
    ]
    with (tmp_path / "j").open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in rubbish)
    entries, _, damaged = read_player_log(read_journal(tmp_path / "j"))
    assert damaged == len(rubbish) and entries == good
