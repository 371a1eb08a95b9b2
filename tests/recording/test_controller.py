"""Record commands become messages to the player; landings become cues on the frames on which they were heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from riffengine.control.surface import CommandReplied, LandingMoved, ParameterLanded
from riffengine.errors import PresetError
from riffengine.performance.command import Accepted, Command, Landing, Rejected
from riffengine.processes.player_messages import Recorded, SaveLast, StartRecording, StopRecording, ToRecorder
from riffengine.recording import RecordingController
from riffengine.scheduler.actions import DeckLanded
from riffengine.session.recording import RecordingSettings
from riffengine.session.session import load_session
from riffengine.transport.beat_grid import BeatGrid, Moment
from tests.recording.test_cue_sheet import read_sheet

RATE = 44100
GRID = BeatGrid(RATE, 120.0)


class FakePlayer:
    """A controller with the messages it sent to the player and the sentences for the performer."""

    def __init__(self, folder: Path, first: Path | None = None, **plan: object) -> None:
        self.sent: list[ToRecorder] = []
        self.said: list[str] = []
        settings = RecordingSettings(folder, **plan)  # type: ignore[arg-type]
        self.controller = RecordingController("Tonight", settings, RATE, lambda: 1.8e9, self.said.append, first)
        self.runs = True
        self.controller.send = self._take

    def _take(self, message: ToRecorder) -> bool:
        if self.runs:
            self.sent.append(message)
        return self.runs

    def fire(self, path: str) -> Accepted | Rejected | None:
        answered = self.controller.answer(Command(path, True, "test"), 0)
        return None if answered is None else answered[0]

    def land(self, seconds: float, prompt: str, deck: str = "a", to: str = "") -> None:
        frame = round(seconds * RATE)
        self.controller.deck_landed(DeckLanded(deck, 2 * seconds, frame, 0, prompt, 1, to, 2))

    def sheet(self, path: str) -> list[tuple[str, str, float]]:
        self.controller.finish()
        return read_sheet(Path(f"{path}.cue").read_text("utf-8"))


def at(seconds: float) -> Moment:
    return Moment.on(GRID, round(seconds * RATE))


def test_start_and_stop_reach_the_player_and_the_replies_name_the_file(tmp_path: Path) -> None:
    player = FakePlayer(tmp_path, part_minutes=60.0)
    assert isinstance(player.fire("record/stop"), Rejected)
    started = player.fire("record/start")
    assert isinstance(started, Accepted)
    order = player.sent[0]
    assert isinstance(order, StartRecording) and order.part_seconds == 3600.0
    assert Path(order.path).parent == tmp_path and Path(order.path).suffix == ".flac" and order.path in started.note
    assert isinstance(player.fire("record/start"), Rejected)  # a second press does not begin another recording
    assert isinstance(player.fire("record/stop"), Accepted)
    player.controller.handle(Recorded("ended", order.path, 10, 10))
    assert isinstance(player.fire("record/start"), Accepted)
    assert [type(message) for message in player.sent] == [StartRecording, StopRecording, StartRecording]
    assert player.controller.answer(Command("deck/a/alpha", 1.0), 0) is None
    player.controller.finish()


def test_a_recording_has_its_cue_sheet_while_it_runs_and_after_its_end(tmp_path: Path) -> None:
    player = FakePlayer(tmp_path, tmp_path / "set.flac")
    path = str(tmp_path / "set.flac")
    player.land(1.0, "dub")
    player.controller.handle(Recorded("began", path, 0))
    player.land(9.0, "dub")  # the next seeds of the drift: no new track
    player.land(17.0, "house", to="techno")
    player.controller.handle(Recorded("part", str(tmp_path / "set-2.flac"), 20 * RATE))
    player.land(25.0, "jazz")
    player.controller.handle(Recorded("ended", path, 30 * RATE, 30 * RATE))
    assert player.sheet(path) == [
        ("set.flac", "dub", 0.0),
        ("set.flac", "house → techno", 17.0),
        ("set-2.flac", "house → techno", 0.0),
        ("set-2.flac", "jazz", 5.0),
    ]
    assert "seed 1 → 2" in Path(f"{path}.cue").read_text("utf-8")
    assert player.said == [f"recording to {path}", f"recorded 30.0 s to {path}"]


def test_scenes_have_their_cues_where_they_were_heard(tmp_path: Path) -> None:
    player = FakePlayer(tmp_path, tmp_path / "set.flac")
    controller, path = player.controller, str(tmp_path / "set.flac")
    controller.handle(Recorded("began", path, 0))
    player.land(0.0, "dub")
    player.land(0.0, "pad", deck="b")
    recall = Command("scene/recall", "drop")
    controller.replied(CommandReplied(at(5.0), Accepted(recall, "drop", Landing("scene/recall", 20.0, 5.0))))
    controller.landing_moved(LandingMoved(at(6.0), Landing("scene/recall", 24.0, 7.0, moved=True), "test"))
    controller.tick(at(10.5))
    player.land(12.0, "techno")  # beat 24: both decks and the scene on one frame
    controller.landed(ParameterLanded(at(12.0), "scene/recall", "drop", "test"))
    player.land(12.0, "acid", deck="b")
    quiet = Command("scene/recall", "quiet")  # renders nothing: it lands on the beat of its reply
    controller.replied(CommandReplied(at(20.0), Accepted(quiet, "quiet", Landing("scene/recall", 40.0, 0.0))))
    for step in range(10):
        controller.tick(at(20.0 + step / 10))
    controller.handle(Recorded("ended", path, 30 * RATE, 30 * RATE))
    tracks = player.sheet(path)
    assert tracks[:2] == [("set.flac", "a: dub | b: pad", 0.0), ("set.flac", "drop: a: techno | b: acid", 12.0)]
    assert tracks[2][1] == "quiet: a: techno | b: acid" and 20.0 <= tracks[2][2] <= 21.0
    assert len(tracks) == 3


def test_a_save_of_the_last_minutes_has_its_own_cue_sheet(tmp_path: Path) -> None:
    player = FakePlayer(tmp_path, keep_minutes=2.0)
    player.land(0.0, "dub")
    player.land(100.0, "house")
    reply = player.fire("record/save_last")
    assert isinstance(reply, Accepted)
    order = player.sent[0]
    assert isinstance(order, SaveLast) and order.seconds == 120.0
    player.controller.handle(Recorded("saved", order.path, 80 * RATE, 120 * RATE))
    assert [(title, seconds) for _, title, seconds in player.sheet(order.path)] == [("dub", 0.0), ("house", 20.0)]
    assert player.controller.saves == 1
    assert isinstance(FakePlayer(tmp_path, keep_minutes=0.0).fire("record/save_last"), Rejected)


def test_a_full_disk_is_reported_and_the_next_recording_may_begin(tmp_path: Path) -> None:
    player = FakePlayer(tmp_path)
    player.fire("record/start")
    assert isinstance(player.sent[0], StartRecording)
    player.controller.handle(Recorded("began", player.sent[0].path, 0))
    player.controller.handle(
        Recorded("ended", player.sent[0].path, 5 * RATE, 5 * RATE, "recording to x ended: disk full")
    )
    assert player.said[-1].startswith("recording to x ended: disk full; 5.0 s are in ")
    assert "the music continues" in player.said[-1]
    assert player.controller.failures == 1
    assert isinstance(player.fire("record/start"), Accepted)
    player.controller.finish()


def test_a_cue_sheet_that_cannot_be_written_is_counted(tmp_path: Path) -> None:
    player = FakePlayer(tmp_path)
    player.controller.handle(Recorded("began", str(tmp_path / "gone" / "a.flac"), 0))
    player.land(1.0, "dub")
    player.controller.finish()
    assert player.controller.failures == 2


def test_the_preset_says_how_to_record(tmp_path: Path) -> None:
    preset = tmp_path / "set.yaml"
    preset.write_text("record: {folder: sets, format: wav, part_minutes: 30, keep_minutes: 2.5}")
    assert load_session(preset).recording == RecordingSettings(Path("sets"), "wav", 30.0, 2.5)
    preset.write_text("tempo: 120")
    assert load_session(preset).recording == RecordingSettings()


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ("record: {format: mp3}", "record.format", "flac, wav"),
        ("record: {keep_minutes: 500}", "record.keep_minutes", "0 to 60"),
        ("record: {keep_minute: 5}", "record.keep_minute", "keep_minutes"),
        ("record: [1]", "record", "keys and values"),
        ("record: {keep_minutes: 1, keep_minutes: 2}", "record.keep_minutes", "twice"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, text: str, key: str, problem: str) -> None:
    (tmp_path / "set.yaml").write_text(text)
    with pytest.raises(PresetError) as refusal:
        load_session(tmp_path / "set.yaml")
    assert refusal.value.key == key and problem in refusal.value.problem


def test_a_recording_that_is_ended_while_the_player_is_dead_is_not_continued(tmp_path: Path) -> None:
    player = FakePlayer(tmp_path, tmp_path / "set.flac")
    player.controller.handle(Recorded("began", str(tmp_path / "set.flac"), 0, 0))
    player.runs = False
    stopped = player.fire("record/stop")
    assert isinstance(stopped, Accepted) and "ended with the player" in stopped.note
    assert isinstance(player.fire("record/stop"), Rejected)
    player.runs = True
    player.controller.player_restarted(100)
    assert player.sent == []
    player.controller.finish()


def test_a_recording_that_was_being_finished_when_the_player_died_is_not_continued(tmp_path: Path) -> None:
    player = FakePlayer(tmp_path, tmp_path / "set.flac")
    player.controller.handle(Recorded("began", str(tmp_path / "set.flac"), 0, 0))
    assert isinstance(player.fire("record/stop"), Accepted)
    player.controller.player_restarted(100)
    assert [type(message) for message in player.sent] == [StopRecording]
    assert "ends where the player ended" in player.said[-1]
    assert isinstance(player.fire("record/start"), Accepted)
    player.controller.finish()


def test_a_recording_that_is_asked_for_while_the_player_is_dead_begins_with_the_next(tmp_path: Path) -> None:
    player = FakePlayer(tmp_path)
    player.runs = False
    assert isinstance(player.fire("record/start"), Accepted)
    player.runs = True
    player.controller.player_restarted(100)
    assert [type(message) for message in player.sent] == [StartRecording]
    player.controller.finish()


def test_a_save_that_a_dead_player_cannot_make_is_refused_and_one_that_it_broke_off_is_told(tmp_path: Path) -> None:
    player = FakePlayer(tmp_path)
    assert isinstance(player.fire("record/save_last"), Accepted)
    player.controller.player_restarted(100)
    assert "the last minutes are not saved" in player.said[-1]
    player.controller.player_restarted(200)
    assert len(player.said) == 1 and player.controller.failures >= 1
    player.runs = False
    refused = player.fire("record/save_last")
    assert isinstance(refused, Rejected) and "the player has ended" in refused.reason
    player.controller.finish()


def test_what_a_dead_player_has_recorded_is_repaired_where_no_other_continues_it(tmp_path: Path) -> None:
    path = tmp_path / "set.flac"
    soundfile.write(path, np.full((RATE, 2), 0.1), RATE)
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)  # as it is while it is written: without its length
    path.write_bytes(data)
    player = FakePlayer(tmp_path, path)
    player.controller.handle(Recorded("began", str(path), 0, 0))
    player.runs = False
    player.fire("record/stop")
    player.controller.finish()
    assert soundfile.info(path).frames == RATE


def test_nothing_is_left_of_a_recording_whose_player_died_before_it_wrote_a_frame(tmp_path: Path) -> None:
    path = tmp_path / "set.flac"
    soundfile.write(path, np.zeros((RATE, 2)), RATE)
    header = bytearray(path.read_bytes()[:86])
    header[21] &= 0xF0
    header[22:42] = bytes(20)
    path.write_bytes(header)
    player = FakePlayer(tmp_path, path)
    player.controller.handle(Recorded("began", str(path), 0, 0))
    player.runs = False
    player.fire("record/stop")
    player.controller.finish()
    assert not path.exists() and player.controller.failures == 0


def test_what_failed_is_a_problem_until_something_succeeds_and_a_refusal_is_none(tmp_path: Path) -> None:
    player = FakePlayer(tmp_path)
    controller, path = player.controller, str(tmp_path / "last.wav")
    controller.handle(Recorded("refused", path, 0, 0, "there is nothing to save yet"))
    assert (controller.failures, controller.problem) == (0, "")
    assert player.said == ["there is nothing to save yet; the music continues"]
    for news in (Recorded("saved", path, 0, 10), Recorded("began", path, 0), Recorded("ended", path, 9, 9)):
        controller.handle(Recorded("saved", path, 0, 0, "the disk is full"))
        assert controller.problem == "the disk is full"
        controller.handle(news)
        assert controller.problem == ""
    assert controller.failures == 3
    controller.finish()


def test_a_cue_sheet_that_cannot_be_written_is_a_problem_until_one_is(tmp_path: Path) -> None:
    folder, controller = tmp_path / "stick", FakePlayer(tmp_path).controller
    for there in (False, True):
        if there:
            folder.mkdir()
        controller.handle(Recorded("saved", str(folder / "last.wav"), 0, 10))
        controller._writer.submit(int).result()  # what was before it is done
        assert ("cue sheet" in controller.problem) == (not there)
    assert controller.failures == 1
    controller.finish()


def test_the_folder_that_a_preset_names_is_made_before_anything_is_recorded(tmp_path: Path) -> None:
    player = FakePlayer(tmp_path / "sets" / "berlin")
    player.controller.finish()
    assert (tmp_path / "sets" / "berlin").is_dir()
