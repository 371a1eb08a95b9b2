"""The recordist: gestures become orders to the player, and landings become cues at the frames on which they sounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from riffengine.control.surface import CommandReplied, LandingMoved, ParameterLanded
from riffengine.errors import PresetError
from riffengine.performance.command import Accepted, Command, Landing, Rejected
from riffengine.processes.player_messages import Recorded, SaveLast, StartRecording, StopRecording, ToRecorder
from riffengine.recording import RecordingController, RecordingSettings
from riffengine.scheduler.actions import DeckLanded
from riffengine.session.session import load_session
from riffengine.transport.beat_grid import BeatGrid, Moment
from tests.recording.test_cue_sheet import read_sheet

RATE = 44100
GRID = BeatGrid(RATE, 120.0)


class Desk:
    """A recordist with its player's inbox and the performer's screen."""

    def __init__(self, folder: Path, first: Path | None = None, **plan: object) -> None:
        self.sent: list[ToRecorder] = []
        self.said: list[str] = []
        settings = RecordingSettings(folder, **plan)  # type: ignore[arg-type]
        self.recordist = RecordingController("Tonight", settings, RATE, lambda: 1.8e9, self.said.append, first)
        self.recordist.send = self.sent.append

    def fire(self, path: str) -> Accepted | Rejected | None:
        answered = self.recordist.answer(Command(path, True, "test"), 0)
        return None if answered is None else answered[0]

    def land(self, seconds: float, prompt: str, deck: str = "a", to: str = "") -> None:
        frame = round(seconds * RATE)
        self.recordist.deck_landed(DeckLanded(deck, 2 * seconds, frame, 0, prompt, 1, to, 2))

    def sheet(self, path: str) -> list[tuple[str, str, float]]:
        self.recordist.finish()
        return read_sheet(Path(f"{path}.cue").read_text("utf-8"))


def at(seconds: float) -> Moment:
    return Moment.on(GRID, round(seconds * RATE))


def test_start_and_stop_reach_the_player_and_say_where(tmp_path: Path) -> None:
    desk = Desk(tmp_path, part_minutes=60.0)
    assert isinstance(desk.fire("record/stop"), Rejected)
    started = desk.fire("record/start")
    assert isinstance(started, Accepted)
    order = desk.sent[0]
    assert isinstance(order, StartRecording) and order.part_seconds == 3600.0
    assert Path(order.path).parent == tmp_path and Path(order.path).suffix == ".flac" and order.path in started.note
    assert isinstance(desk.fire("record/start"), Rejected)  # a second press does not cut the set in two
    assert isinstance(desk.fire("record/stop"), Accepted)
    desk.recordist.heed(Recorded("ended", order.path, 10, 10))
    assert isinstance(desk.fire("record/start"), Accepted)
    assert [type(message) for message in desk.sent] == [StartRecording, StopRecording, StartRecording]
    assert desk.recordist.answer(Command("deck/a/alpha", 1.0), 0) is None
    desk.recordist.finish()


def test_a_recording_has_its_cues_while_it_runs_and_when_it_ended(tmp_path: Path) -> None:
    desk = Desk(tmp_path, tmp_path / "set.flac")
    path = str(tmp_path / "set.flac")
    desk.land(1.0, "dub")
    desk.recordist.heed(Recorded("began", path, 0))
    desk.land(9.0, "dub")  # the walk's next seeds: no new track
    desk.land(17.0, "house", to="techno")
    desk.recordist.heed(Recorded("part", str(tmp_path / "set-2.flac"), 20 * RATE))
    desk.land(25.0, "jazz")
    desk.recordist.heed(Recorded("ended", path, 30 * RATE, 30 * RATE))
    assert desk.sheet(path) == [
        ("set.flac", "dub", 0.0),
        ("set.flac", "house → techno", 17.0),
        ("set-2.flac", "house → techno", 0.0),
        ("set-2.flac", "jazz", 5.0),
    ]
    assert "seed 1 → 2" in Path(f"{path}.cue").read_text("utf-8")
    assert desk.said == [f"recording to {path}", f"recorded 30.0 s to {path}"]


def test_scenes_are_cues_where_they_were_heard_not_where_they_were_asked_for(tmp_path: Path) -> None:
    desk = Desk(tmp_path, tmp_path / "set.flac")
    recordist, path = desk.recordist, str(tmp_path / "set.flac")
    recordist.heed(Recorded("began", path, 0))
    desk.land(0.0, "dub")
    desk.land(0.0, "pad", deck="b")
    recall = Command("scene/recall", "drop")
    recordist.replied(CommandReplied(at(5.0), Accepted(recall, "drop", Landing("scene/recall", 20.0, 5.0))))
    recordist.landing_moved(LandingMoved(at(6.0), Landing("scene/recall", 24.0, 7.0, moved=True), "test"))
    recordist.tick(at(10.5))
    desk.land(12.0, "techno")  # beat 24, both decks and the scene's own word on one frame
    recordist.landed(ParameterLanded(at(12.0), "scene/recall", "drop", "test"))
    desk.land(12.0, "acid", deck="b")
    quiet = Command("scene/recall", "quiet")  # has nothing to be rendered: it lands on the beat it was promised for
    recordist.replied(CommandReplied(at(20.0), Accepted(quiet, "quiet", Landing("scene/recall", 40.0, 0.0))))
    for step in range(10):
        recordist.tick(at(20.0 + step / 10))
    recordist.heed(Recorded("ended", path, 30 * RATE, 30 * RATE))
    tracks = desk.sheet(path)
    assert tracks[:2] == [("set.flac", "a: dub | b: pad", 0.0), ("set.flac", "drop: a: techno | b: acid", 12.0)]
    assert tracks[2][1] == "quiet: a: techno | b: acid" and 20.0 <= tracks[2][2] <= 21.0
    assert len(tracks) == 3


def test_the_last_minutes_have_cues_of_their_own(tmp_path: Path) -> None:
    desk = Desk(tmp_path, keep_minutes=2.0)
    desk.land(0.0, "dub")
    desk.land(100.0, "house")
    reply = desk.fire("record/save_last")
    assert isinstance(reply, Accepted)
    order = desk.sent[0]
    assert isinstance(order, SaveLast) and order.seconds == 120.0
    desk.recordist.heed(Recorded("saved", order.path, 80 * RATE, 120 * RATE))
    assert [(title, seconds) for _, title, seconds in desk.sheet(order.path)] == [("dub", 0.0), ("house", 20.0)]
    assert desk.recordist.facts()["saves"] == 1
    assert isinstance(Desk(tmp_path, keep_minutes=0.0).fire("record/save_last"), Rejected)


def test_a_full_disk_is_told_and_the_next_recording_may_begin(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.fire("record/start")
    assert isinstance(desk.sent[0], StartRecording)
    desk.recordist.heed(Recorded("began", desk.sent[0].path, 0))
    desk.recordist.heed(Recorded("ended", desk.sent[0].path, 5 * RATE, 5 * RATE, "recording to x ended: disk full"))
    assert desk.said[-1].startswith("recording to x ended: disk full; 5.0 s are in ")
    assert "the music goes on" in desk.said[-1]
    assert desk.recordist.facts()["recordings_failed"] == 1
    assert isinstance(desk.fire("record/start"), Accepted)
    desk.recordist.finish()


def test_a_cue_sheet_that_cannot_be_written_is_counted(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.recordist.heed(Recorded("began", str(tmp_path / "gone" / "a.flac"), 0))
    desk.land(1.0, "dub")
    desk.recordist.finish()
    assert desk.recordist.facts()["recordings_failed"] == 2


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
def test_what_it_says_wrong_is_refused(tmp_path: Path, text: str, key: str, problem: str) -> None:
    (tmp_path / "set.yaml").write_text(text)
    with pytest.raises(PresetError) as refusal:
        load_session(tmp_path / "set.yaml")
    assert refusal.value.key == key and problem in refusal.value.problem
