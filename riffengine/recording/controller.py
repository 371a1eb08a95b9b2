"""RecordingController: starts, stops and saves recordings, names the files and writes their cue sheets.

It runs on the engine's event loop and does not access a disk there: the player writes the sound, and a thread of the
controller writes the cue sheets, again at every change, so that after a crash they are right up to then.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from riffengine.control.surface import CommandReplied, LandingMoved, ParameterLanded, Surface
from riffengine.errors import AudioFileError
from riffengine.output.flac_repair import remove_empty_recording, repair_flac
from riffengine.performance.command import Accepted, Command, Rejected, Reply
from riffengine.performance.routing import Handler, handler_of
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import Recorded, SaveLast, StartRecording, StopRecording, ToRecorder
from riffengine.recording.cue_sheet import Cue, CueFile, cue_sheet
from riffengine.scheduler.actions import Action, DeckLanded
from riffengine.session.recording import RecordingSettings
from riffengine.transport.beat_grid import Moment

MOST_CUES = 4000  # eleven hours of a landing every ten seconds

Send = Callable[[ToRecorder], bool]
"""Sends to the player; false while there is none, since it has died and is being started again."""


@dataclass
class _Recording:
    """The recording that runs: the path that was asked for, and the files the player has reported so far."""

    asked: str
    stopping: bool = False  # the player was told to finish it
    files: list[CueFile] = field(default_factory=list)
    cue_path: Path = Path()


class RecordingController(Surface):
    """The recordings of one performance. ``unix_seconds`` gives the time for file names, in the machine's time zone.

    ``first`` is the recording that the player was started with, if any. ``say`` gets sentences for a person.
    """

    def __init__(
        self,
        title: str,
        settings: RecordingSettings,
        sample_rate: int,
        unix_seconds: Callable[[], float],
        say: Callable[[str], None],
        first: Path | None = None,
    ) -> None:
        self._title, self._settings, self._rate = title, settings, sample_rate
        self._unix_seconds, self._say = unix_seconds, say
        self._cues: deque[Cue] = deque(maxlen=MOST_CUES)
        self._prompts: dict[str, str] = {}
        self._scene: tuple[str, float] | None = None  # asked for: its name and the beat of its landing
        self._began: tuple[int, str] | None = None  # the scene that is heard: its first frame and name
        self._recording = _Recording(str(first)) if first is not None else None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="cue-sheets")
        if settings.folder != Path():
            self._writer.submit(settings.folder.mkdir, parents=True, exist_ok=True)  # else the recorder says why not
        self._saving = ""  # the file to which the player was told to save the last minutes
        self.send: Send = lambda message: False
        self._problem = self._sheet_problem = ""  # what has failed and not succeeded since
        self.failures = 0
        self.saves = 0

    # --- commands -----------------------------------------------------------------------------------------------------

    def answer(self, command: Command, frame: int) -> tuple[Reply, list[Action]] | None:
        """The reply to ``record/…``; ``None`` where the button was released."""
        reply = self._reply_to(command) if command.value else None
        return None if reply is None else (reply, [])

    def _reply_to(self, command: Command) -> Reply | None:
        asked = self._recording.asked if self._recording is not None else ""
        match handler_of(command.path):
            case Handler.START_RECORDING if asked:
                return Rejected(command, f"{command.path}: {asked} is still being recorded; end it with record/stop")
            case Handler.START_RECORDING:
                path = str(self._new_path("riffengine"))
                self._recording = _Recording(path)
                self.send(StartRecording(path, 60.0 * self._settings.part_minutes))
                return Accepted(command, True, note=f"recording to {path}")
            case Handler.STOP_RECORDING if not asked:
                return Rejected(command, f"{command.path}: nothing is being recorded; begin with record/start")
            case Handler.STOP_RECORDING:
                return Accepted(command, True, note=self._stop())
            case Handler.SAVE_LAST if self._settings.keep_minutes <= 0.0:
                return Rejected(
                    command, f"{command.path}: the last minutes are not kept; set record: keep_minutes: in the preset"
                )
            case Handler.SAVE_LAST:
                path = str(self._new_path("riffengine-last"))
                if not self.send(SaveLast(path, 60.0 * self._settings.keep_minutes)):
                    return Rejected(
                        command,
                        f"{command.path}: the player has ended, and the last minutes with it; save again when the new "
                        "one has played",
                    )
                self._saving = path
                return Accepted(
                    command, True, note=f"the last {self._settings.keep_minutes:g} minutes are saved to {path}"
                )
        return None

    def _stop(self) -> str:
        """Have the recording finished; what to tell."""
        recording = self._recording
        assert recording is not None
        if self.send(StopRecording()):
            recording.stopping = True
            return f"{recording.asked} is being finished"
        self._end_with_player(recording)
        return f"{recording.asked} has ended with the player, which is being started again"

    def _end_with_player(self, recording: _Recording) -> None:
        """The player that wrote ``recording`` is gone, and no other continues it."""
        self._recording = None
        for file in recording.files:
            self._repair(recording.cue_path.with_name(file.name))

    def _repair(self, path: Path) -> None:
        """Give a file of a player that has died its length, in the writer's thread."""
        if path.suffix.lower() == ".flac":
            self._writer.submit(self._repair_file, path)

    def _repair_file(self, path: Path) -> None:
        if remove_empty_recording(path):
            return
        try:
            repair_flac(path)
        except AudioFileError:  # nothing of it can be read
            self.failures += 1

    @property
    def file_name(self) -> str:
        """The file that is being recorded, ``""`` for none."""
        return self._recording.files[-1].name if self._recording is not None and self._recording.files else ""

    @property
    def problem(self) -> str:
        """What has failed last, in a sentence; ``""`` once a recording or a save has succeeded since."""
        return self._problem or self._sheet_problem

    # --- reports of the player ----------------------------------------------------------------------------------------

    def handle(self, news: Recorded) -> None:
        """Handle a report: a file began, continued in another, ended or was saved."""
        path = Path(news.path)
        match news.what:
            case "began" | "part":
                if self._recording is None:  # not asked for here, for example by the command line
                    self._recording = _Recording(news.path)
                if news.what == "began":
                    self._problem = ""
                    self._recording.cue_path = _cue_path(path)
                    self._say(f"recording to {path}")
                self._recording.files.append(CueFile(path.name, news.frame))
                self._write_sheet(news.frame + 1)
            case "ended":
                recording, self._recording = self._recording, None
                if recording is not None and recording.files:
                    self._write(recording.cue_path, recording.files, news.frame)
                self._report(news, f"recorded {news.frames / self._rate:.1f} s to {path}")
            case "saved":
                self._saving = ""
                if news.frames:
                    self._write(_cue_path(path), [CueFile(path.name, news.frame)], news.frame + news.frames)
                self.saves += not news.problem
                self._report(news, f"saved the last {news.frames / self._rate:.1f} s to {path}")

            case "refused":
                self._saving = ""
                self._say(f"{news.problem}; the music continues")

    def _report(self, news: Recorded, success: str) -> None:
        self._problem = news.problem
        if news.problem:
            self.failures += 1
            rest = f"; {news.frames / self._rate:.1f} s are in {news.path}" if news.frames else ""
            self._say(f"{news.problem}{rest}; the music continues")
        else:
            self._say(success)

    # --- what is heard, for the cues ----------------------------------------------------------------------------------

    def deck_landed(self, landed: DeckLanded) -> None:
        """A deck plays another bank."""
        prompt, to = landed.prompt, landed.to
        self._prompts[landed.deck] = title = prompt if to in ("", prompt) else f"{prompt} → {to}"
        seeds = f"seed {landed.seed} → {landed.to_seed}"
        remark = f"beat {landed.beat:.2f} deck {landed.deck}: {title}, {seeds}"
        self._cues.append(Cue(landed.frame, remark, remark=True))
        self._title_at(landed.frame)

    def landed(self, event: ParameterLanded) -> None:
        """A change that had to be rendered is heard; only that of a scene counts here."""
        if handler_of(event.path) is Handler.RECALL_SCENE:
            self._scene = None
            self._began = (event.moment.frame, str(event.value))
            self._title_at(event.moment.frame)

    def replied(self, event: CommandReplied) -> None:
        """A command was answered: remember a scene that was recalled."""
        moment, reply = event.moment, event.reply
        if handler_of(reply.command.path) is Handler.RECALL_SCENE and isinstance(reply, Accepted):
            landing = reply.landing
            self._scene = (str(reply.command.value), landing.beat if landing is not None else moment.beat)

    def landing_moved(self, event: LandingMoved) -> None:
        """A landing has moved: a scene that was recalled lands later."""
        landing = event.landing
        if parse_path(landing.path).is_scene and self._scene is not None:
            self._scene = (self._scene[0], landing.beat)

    def player_restarted(self, frame: int) -> None:
        """The player has died and a new one runs: a recording ends there and continues in a new file.

        One that was being finished is not continued, and what was being saved is lost but for a part.
        """
        if self._saving:
            self.failures += 1
            self._problem = (
                f"the last minutes are not saved: the player has ended; {self._saving} may hold a part of them"
            )
            self._say(self._problem)
            self._repair(Path(self._saving))
            self._saving = ""
        if self._recording is not None:
            if self._recording.files:
                self._write(self._recording.cue_path, self._recording.files, frame)
            if self._recording.stopping:
                self._say(f"recorded to {self._recording.asked}, which ends where the player ended")
                self._end_with_player(self._recording)
                return
            self._recording = _Recording(self._recording.asked)
            self.send(StartRecording(self._recording.asked, 60.0 * self._settings.part_minutes))

    def tick(self, moment: Moment) -> None:
        """Called regularly. A scene that renders nothing reports no landing: it counts as heard a beat later."""
        if self._scene is not None and moment.beat >= self._scene[1] + 1.0:  # else landed() reports it
            self._began = (moment.frame, self._scene[0])
            self._scene = None
            self._title_at(moment.frame)

    def finish(self) -> None:
        """Write the remaining cue sheets; call it after the report of the recording's end."""
        self._writer.shutdown(wait=True)

    # --- cues ---------------------------------------------------------------------------------------------------------

    def _title_at(self, frame: int) -> None:
        """Add a cue with what is heard from ``frame`` on. When decks land together, the last cue names them all."""
        prompts = " | ".join(f"{deck}: {text}" for deck, text in sorted(self._prompts.items()))
        shown = prompts if len(self._prompts) > 1 else prompts[3:]
        if self._began is not None and self._began[0] == frame:
            shown = f"{self._began[1]}: {shown}".removesuffix(": ")
        self._add(Cue(frame, shown))

    def _add(self, cue: Cue) -> None:
        self._cues.append(cue)
        self._write_sheet(cue.frame + 1)

    def _write_sheet(self, end_frame: int) -> None:
        if self._recording is not None and self._recording.files:
            self._write(self._recording.cue_path, self._recording.files, end_frame)

    def _write(self, path: Path, files: list[CueFile], end_frame: int) -> None:
        self._writer.submit(self._write_file, path, tuple(files), end_frame, tuple(self._cues))

    def _write_file(self, path: Path, files: tuple[CueFile, ...], end_frame: int, cues: tuple[Cue, ...]) -> None:
        """Runs in the writer's thread: thousands of cues take milliseconds to sort and format."""
        partial = path.with_name(f".{path.name}.new")
        try:
            partial.write_text(cue_sheet(self._title, self._rate, files, end_frame, cues), encoding="utf-8")
            partial.replace(path)
            self._sheet_problem = ""
        except OSError as error:  # a failed recording is reported by the player; a missing sheet is not said
            self.failures += 1
            self._sheet_problem = f"the cue sheet {path} cannot be written: {error.strerror or error}"
            with contextlib.suppress(OSError):
                partial.unlink()

    def _new_path(self, name: str) -> Path:
        when = datetime.fromtimestamp(self._unix_seconds()).strftime("%Y-%m-%d-%H-%M-%S")
        return self._settings.folder / f"{name}-{when}.{self._settings.ending}"


def _cue_path(path: Path) -> Path:
    """The path of a recording's cue sheet, ``set.flac.cue``."""
    return path.with_name(f"{path.name}.cue")
