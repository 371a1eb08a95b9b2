"""The sound input on simulated time: which bars are taken, what is told, and what a deck that follows gets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import soundfile

from riffengine.clock import VirtualClock
from riffengine.control.surface import at_once
from riffengine.engine.captured_files import KEPT
from riffengine.engine.live_input import InputPorts, LiveInput
from riffengine.output.callback import AudioCallback
from riffengine.performance.command import Accepted, Command, Rejected, Reply, Value
from riffengine.performance.state import PerformanceState
from riffengine.playback.mixer import Mixer
from riffengine.processes.audio_files import told_beats
from riffengine.processes.audio_tap import AudioTap
from riffengine.processes.listen_messages import HeardBars, Listen, NotHeard
from riffengine.processes.player_messages import PlayerReady
from riffengine.session.audio import AudioSettings
from riffengine.session.recording import RecordingSettings
from riffengine.session.session import Session
from riffengine.transport.beat_grid import BeatGrid

RATE, BLOCK, BAR = 8000, 500, 16000  # 120 bpm
TRIP = 700  # frames from output to input
VALUES: dict[str, Value] = {
    "deck/a/follow": 0, "deck/a/strength": 0.5, "key": "", "deck/a/chords": "", "deck/a/energy": 0.0, "deck/a/init": "",
}  # fmt: skip
READY = PlayerReady("jack, with its input", RATE, BLOCK, 500 / RATE, 200 / RATE)


@dataclass
class Set:
    """An input with its ring, and what it does to the set."""

    live: LiveInput
    ring: AudioTap
    folder: Path
    behind: int = 0  # frames that the input is behind the output
    grid: BeatGrid = field(default_factory=lambda: BeatGrid(RATE, 120.0))
    values: dict[str, Value] = field(default_factory=lambda: dict(VALUES))
    asked: list[Listen] = field(default_factory=list)
    refuses: str = ""
    submitted: list[Command] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    played: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))

    def play(self, bars: float, silent: bool = False, by: int = BLOCK) -> None:
        """The band plays ``bars`` more: every frame another value, which comes in ``TRIP`` after it is due."""
        count = round(bars * BAR)
        due = np.arange(len(self.played), len(self.played) + count)
        self.played = np.concatenate([self.played, self.sound(due) * (not silent)])
        come = np.concatenate([np.zeros(TRIP, np.float32), self.played])
        for frame in range(self.ring.end, len(self.played), by):
            self.ring.write(frame, come[frame : frame + by, None], 0)

    @staticmethod
    def sound(frames: np.ndarray) -> np.ndarray:
        return (0.5 * np.sin(frames * frames * 1e-4)).astype(np.float32)

    def capture(self, bars: int) -> Reply | None:
        found = self.live.answer(Command("deck/a/capture", bars), 0)
        return None if found is None else found[0]

    def written(self) -> None:
        """Let the files that are being written be taken."""
        self.live._writer.submit(lambda: None).result()
        self.live.tick()

    def taken(self) -> list[np.ndarray]:
        """Every file that became an init, in order."""
        self.written()
        return [soundfile.read(command.value, dtype="float32")[0] for command in self.submitted]

    def follow(self, *what: str, bars: int = 1) -> None:
        self.values["deck/a/follow"] = bars
        self.values |= {f"deck/a/follow_{each}": each in what for each in ("audio", "key", "chords", "energy")}

    def bar(self) -> None:
        """One more bar of the band, captured and written."""
        self.play(0.5)
        self.live.tick()
        self.play(0.5)
        self.live.tick()
        self.written()

    def hear(self, **facts: object) -> None:
        """The listener answers what it was asked last."""
        known = {"key": "D minor", "key_certainty": 0.9, "chords": "Dm Gm", "chord_certainty": 0.95, "drive": 0.5}
        self.live.heard(HeardBars(self.asked[-1].number, **{**known, **facts}))  # type: ignore[arg-type]  # whatever the test gives

    def changes(self) -> list[tuple[str, object]]:
        """What was submitted since the last call, by path."""
        found = [(command.path, command.value) for command in self.submitted]
        self.submitted.clear()
        return found


@pytest.fixture
def band(tmp_path: Path) -> Iterator[Set]:
    yield from make(tmp_path)


def make(folder: Path, keep_all: bool = False, **audio: object) -> Iterator[Set]:
    ring = AudioTap.create(RATE, 2, 1 << 20)
    settings = AudioSettings(sound_input=True, **audio)  # type: ignore[arg-type]  # whatever the test gives
    session = replace(Session(), audio=settings, recording=RecordingSettings(folder=folder / "taken"))
    found: Set

    def submit(command: Command) -> Reply:
        if command.path == found.refuses:
            return Rejected(command, "a person moved it")
        found.submitted.append(command)
        found.values[command.path] = command.value
        return Accepted(command, command.value)

    ports = InputPorts(
        grid=lambda: found.grid,
        state=lambda: PerformanceState(MappingProxyType(dict(found.values))),
        prepare=at_once,
        submit=submit,
        say=lambda text: found.said.append(text),
        frame=lambda: ring.end + found.behind,
        listen=lambda question: found.asked.append(question),
        in_use=lambda: {str(value) for value in found.values.values()},
        unix_seconds=lambda: 1e9,
    )
    found = Set(LiveInput(ring, session, ports, keep_all), ring, folder)
    found.live.ready(READY)
    yield found
    found.live.close()
    ring.close()


def test_the_last_whole_bars_are_taken_as_they_were_heard(band: Set) -> None:
    band.play(3.7)
    reply = band.capture(2)
    assert isinstance(reply, Accepted) and "last 2 bars" in reply.note and "strength" not in reply.note
    (loop,) = band.taken()
    wanted = band.sound(np.arange(BAR, 3 * BAR + RATE // 50))
    assert loop.shape == (2 * BAR + RATE // 50, 2) and np.abs(loop - wanted[:, None]).max() < 2**-22
    (command,) = band.submitted
    assert (command.path, command.source) == ("deck/a/init", "input")
    with soundfile.SoundFile(command.value) as file:
        assert told_beats(file.comment, file.frames) == (8, 2 * BAR)


def test_a_bar_that_is_still_coming_in_is_not_taken_yet(band: Set) -> None:
    band.play(2 + (TRIP - BLOCK) / BAR)
    band.capture(1)
    (loop,) = band.taken()
    assert np.abs(loop[:BAR, 0] - band.sound(np.arange(BAR))).max() < 2**-22


def test_a_given_latency_replaces_that_of_the_driver(tmp_path: Path) -> None:
    for band in make(tmp_path, input_latency_seconds=(TRIP - 100) / RATE):
        band.play(2.5)
        band.capture(1)
        (loop,) = band.taken()
        assert np.abs(loop[:BAR, 0] - band.sound(np.arange(BAR - 100, 2 * BAR - 100))).max() < 2**-22
        assert "75.0 ms" in band.said[0] and "62.5 + 25.0" in band.said[0]


def test_what_cannot_be_taken_is_refused_and_changes_nothing(band: Set) -> None:
    band.play(1.5)
    for bars, words in ((2, "2 whole bars yet"), (16, "16 whole bars yet")):
        reply = band.capture(bars)
        assert isinstance(reply, Rejected) and words in reply.reason
    assert band.capture(0) is None
    band.play(1.0)
    band.grid = band.grid.with_tempo(130.0, 2 * BAR)
    reply = band.capture(1)
    assert isinstance(reply, Rejected) and "tempo has changed" in reply.reason
    band.live.ready(replace(READY, input_latency_seconds=None))
    reply = band.capture(1)
    assert isinstance(reply, Rejected) and "no sound input" in reply.reason and "input_device" in reply.reason
    assert not band.submitted and not (band.folder / "taken").exists()


def test_silence_is_told_and_changes_nothing(band: Set) -> None:
    band.play(2.5, silent=True)
    assert isinstance(band.capture(1), Accepted)
    assert band.taken() == [] and "silent in these bars" in band.said[-1]


def test_an_input_that_was_away_has_a_gap_and_bars_after_it_are_taken(band: Set) -> None:
    band.play(2.0)
    band.ring.write(3 * BAR, np.zeros((BLOCK, 2), np.float32), 0)  # a device that was lost for a bar
    band.played = np.concatenate([band.played, np.zeros(BAR, np.float32)])
    assert isinstance(band.capture(1), Rejected)
    band.play(1.6)
    assert isinstance(band.capture(1), Accepted)
    (loop,) = band.taken()
    assert np.abs(loop[TRIP:BAR, 0] - band.sound(np.arange(3 * BAR + TRIP, 4 * BAR))).max() < 2**-22


def test_a_strength_that_forgets_the_sound_is_told(band: Set) -> None:
    band.values["deck/a/strength"] = 1.0
    band.play(1.5)
    reply = band.capture(1)
    assert isinstance(reply, Accepted) and "strength is 1, which forgets it" in reply.note


def test_a_deck_follows_the_band_and_keeps_what_it_has_while_that_is_silent(band: Set) -> None:
    band.values["deck/a/follow"] = 2
    counts = []
    for step in range(16):
        band.play(0.5, silent=8 <= step < 14)
        band.live.tick()
        counts.append(len(band.taken()))
    assert counts == [0] * 4 + [1] * 4 + [2] * 8
    assert sum("silent" in text for text in band.said) == 1
    first, second = band.taken()
    assert np.abs(first[: 2 * BAR, 0] - band.sound(np.arange(2 * BAR))).max() < 2**-22
    assert np.abs(second[: 2 * BAR - BLOCK, 0] - band.sound(np.arange(2 * BAR, 4 * BAR - BLOCK))).max() < 2**-22


def test_bars_that_were_not_written_are_not_remembered(band: Set) -> None:
    band.follow("audio")
    band.play(0.5, silent=True)
    for _ in range(KEPT + 4):
        band.play(1.0, silent=True)
        band.live.tick()
        band.written()
    assert not any(band.live._files._followed.values()) and not band.submitted


def test_what_is_heard_changes_together_with_the_bars_and_only_as_allowed(band: Set) -> None:
    band.follow("audio", "chords")
    band.play(0.5)
    band.bar()
    question = band.asked[-1]
    assert (question.beats, question.chord_beats, question.bpm) == (4, 8, 120.0) and not band.submitted
    assert told_beats(soundfile.SoundFile(question.path).comment, BAR) == (4, BAR)
    band.hear()
    assert band.changes() == [("deck/a/chords", "Dm Gm"), ("deck/a/init", question.path)]
    band.follow("key", "energy")
    for _ in range(2):
        band.bar()
        band.hear()
    assert band.changes() == [("key", "D minor")]  # twice the same; no init, no chords, and no other energy


def test_one_wrong_capture_does_not_change_the_key(band: Set) -> None:
    band.follow("key")
    band.play(0.5)
    heard = ["D minor", "D minor", "G major", "D minor", "", "D minor", "E major", "G major", "G major"]
    keys = []
    for key in heard:
        band.bar()
        band.hear(key=key)
        keys.append(band.values["key"])
    assert keys == ["", *["D minor"] * 7, "G major"]
    band.bar()
    band.hear(key="C major", key_certainty=0.3)
    band.bar()
    band.hear(key="C major", key_certainty=0.3)
    assert band.values["key"] == "G major"


def test_energy_follows_the_band_against_what_it_played_before(band: Set) -> None:
    band.follow("energy")
    band.play(0.5)
    energies = []
    for drive in (3.0, 3.02, 3.0, 4.0, 4.0, 4.0, 2.0, 2.0):
        band.bar()
        band.hear(drive=drive)
        energies.append(float(band.values["deck/a/energy"]))
    assert energies[:3] == [0.0] * 3 and 0.3 < energies[4] < 1.0 and energies[7] < -0.3


def test_bars_that_are_not_heard_in_time_are_taken_unheard(band: Set) -> None:
    band.follow("audio", "chords")
    band.play(0.5)
    band.bar()
    late = band.asked[-1]
    band.behind = 5 * RATE
    band.live.tick()
    assert band.changes() == [("deck/a/init", late.path)]
    assert band.said[-1] == "deck a: the listener has not answered within 4 s; it follows no music meanwhile"
    band.hear()
    assert not band.submitted
    band.behind = 0
    for _ in range(2):
        band.bar()
        band.live.heard(NotHeard(band.asked[-1].number, "the file was silent"))
    assert [path for path, _ in band.changes()] == ["deck/a/init"] * 2
    assert sum("the file was silent" in text for text in band.said) == 1


def test_a_hand_on_a_control_wins_and_is_told_once(band: Set) -> None:
    band.follow("audio", "chords")
    band.refuses = "deck/a/chords"
    band.play(0.5)
    for _ in range(3):
        band.bar()
        band.hear()
    assert [path for path, _ in band.changes()] == ["deck/a/init"] * 3
    assert [text for text in band.said if "a person moved it" in text] == [
        "deck/a/chords does not follow the input: a person moved it"
    ]


def test_a_deck_that_follows_keeps_its_last_files_and_those_in_use(band: Set) -> None:
    band.capture(0)
    band.follow("audio")
    band.play(1.5)
    assert isinstance(band.capture(1), Accepted)
    band.written()
    by_hand = str(band.values["deck/a/init"])
    first = ""
    for number in range(KEPT + 6):
        band.bar()
        if number == 0:
            first = band.values["a scene"] = str(band.values["deck/a/init"])
    band.written()  # the last removal is posted where a file is taken
    kept = {str(path) for path in (band.folder / "taken").iterdir()}
    assert {by_hand, first} <= kept and len(kept) == KEPT + 2 and not any(".partial" in name for name in kept)


def test_with_a_journal_every_file_is_kept(tmp_path: Path) -> None:
    for band in make(tmp_path, keep_all=True):
        band.follow("audio")
        band.play(0.5)
        for _ in range(KEPT + 4):
            band.bar()
        assert len(list((tmp_path / "taken").iterdir())) == KEPT + 4


def test_a_set_without_an_input_has_nothing_to_do() -> None:
    state = PerformanceState(MappingProxyType({}))
    ports = InputPorts(
        lambda: BeatGrid(RATE, 120.0), lambda: state, at_once, lambda command: Accepted(command, 0), print, lambda: 0,
        print, tuple,
    )  # fmt: skip
    live = LiveInput(None, Session(), ports)
    live.ready(replace(READY, input_latency_seconds=None))
    live.tick()
    found = live.answer(Command("deck/a/capture", 1), 0)
    assert found is not None and isinstance(found[0], Rejected)
    live.close()


def test_the_audio_thread_leaves_input_at_the_frame_that_is_pulled_with_it() -> None:
    ring = AudioTap.create(RATE, 2, 1 << 14)
    try:
        mixer = Mixer(RATE, BeatGrid(RATE, 120.0), lambda ref: np.zeros((1, 1, 2), np.float32), ("a",), 2, False)
        callback = AudioCallback(mixer, None, VirtualClock(), ring=ring)
        out = np.zeros((BLOCK, 2), np.float32)
        for number in range(3):
            callback.hear(np.full((BLOCK, 1), number, np.float32))  # mono goes to both sides
            callback.fill(out, False)
        found = ring.read(0, 3 * BLOCK)
        assert found.frame == 0 and found.samples[:: BLOCK // 2].tolist() == [[n, n] for n in (0, 0, 1, 1, 2, 2)]
    finally:
        ring.close()


def test_bars_of_an_input_that_has_stopped_are_not_taken(band: Set) -> None:
    band.play(3.7)
    band.behind = 3 * RATE
    reply = band.capture(2)
    assert isinstance(reply, Rejected) and "has stopped" in reply.reason


def test_one_capture_of_a_deck_is_written_at_a_time(band: Set) -> None:
    band.play(3.7)
    hold = threading.Event()
    band.live._writer.submit(hold.wait)
    first, second = band.capture(1), band.capture(2)
    hold.set()
    assert isinstance(first, Accepted)
    assert isinstance(second, Rejected) and "being saved" in second.reason
    assert len(band.taken()) == 1
