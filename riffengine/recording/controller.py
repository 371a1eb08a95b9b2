"""RecordingController: starts, stops and saves recordings, names the files and writes their cue sheets.

It lives on the engine's event loop and never touches a disk there: the player writes the sound, and a thread of the
recordist's own writes the cue sheets, anew at every change, so that a crash leaves one that is right so far.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from riffengine.control.surface import CommandReplied, LandingMoved, ParameterLanded, Surface
from riffengine.performance.command import Accepted, Command, Rejected, Reply, Value
from riffengine.processes.player_messages import Recorded, SaveLast, StartRecording, StopRecording, ToRecorder
from riffengine.recording.cue_sheet import Cue, CueFile, cue_sheet
from riffengine.scheduler.actions import Action, DeckLanded
from riffengine.session.recording import RecordingSettings
from riffengine.transport.beat_grid import Moment

MOST_CUES = 4000  # eleven hours of a landing every ten seconds

Send = Callable[[ToRecorder], None]
Say = Callable[[str], None]


@dataclass
class _Take:
    asked: str
    files: list[CueFile] = field(default_factory=list)
    cue_path: Path = Path()


class RecordingController(Surface):
    """One performance's recordist. ``unix_seconds`` is passed in, for the names of files; the zone is the machine's.

    ``first`` is the recording that the player was started with, if any.
    """

    def __init__(
        self,
        title: str,
        plan: RecordingSettings,
        sample_rate: int,
        unix_seconds: Callable[[], float],
        say: Say,
        first: Path | None = None,
    ) -> None:
        self._title, self._plan, self._rate = title, plan, sample_rate
        self._unix_seconds, self._say = unix_seconds, say
        self._cues: deque[Cue] = deque(maxlen=MOST_CUES)
        self._prompts: dict[str, str] = {}
        self._scene: tuple[str, float] | None = None  # on its way: its name and the beat it was promised for
        self._began: tuple[int, str] | None = None  # the scene that is heard, and since when
        self._take = _Take(str(first)) if first is not None else None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="cue-sheets")
        self.send: Send = lambda message: None
        self.failures = 0
        self.saves = 0

    # --- what is asked ------------------------------------------------------------------------------------------------

    def answer(self, command: Command, frame: int) -> tuple[Reply, list[Action]] | None:
        """The reply to ``record/…``; ``None`` where the button was released."""
        reply = self._reply_to(command) if command.value else None
        return None if reply is None else (reply, [])

    def _reply_to(self, command: Command) -> Reply | None:
        asked = self._take.asked if self._take is not None else ""
        match command.path:
            case "record/start" if asked:
                return Rejected(command, f"{command.path}: {asked} is being recorded; record/stop ends it")
            case "record/start":
                path = str(self._named("riffengine"))
                self._take = _Take(path)
                self.send(StartRecording(path, 60.0 * self._plan.part_minutes))
                return Accepted(command, True, note=f"recording to {path}")
            case "record/stop" if not asked:
                return Rejected(command, f"{command.path}: nothing is being recorded; record/start begins")
            case "record/stop":
                self.send(StopRecording())
                return Accepted(command, True, note=f"{asked} is being finished")
            case "record/save_last" if self._plan.keep_minutes <= 0.0:
                return Rejected(command, f"{command.path}: nothing is kept; set record: keep_minutes: in the preset")
            case "record/save_last":
                path = str(self._named("riffengine-last"))
                self.send(SaveLast(path, 60.0 * self._plan.keep_minutes))
                return Accepted(command, True, note=f"the last {self._plan.keep_minutes:g} minutes go to {path}")
        return None

    def facts(self) -> Mapping[str, Value]:
        """For the status: what is being recorded ("" for nothing), how many saves and failures there were."""
        path = self._take.files[-1].name if self._take is not None and self._take.files else ""
        return {"recording": path, "recordings_failed": self.failures, "saves": self.saves}

    # --- what the player says -----------------------------------------------------------------------------------------

    def heed(self, news: Recorded) -> None:
        """A file began, went on, ended or was saved."""
        path = Path(news.path)
        match news.what:
            case "began" | "part":
                if self._take is None:  # asked for by nobody here, but there it is
                    self._take = _Take(news.path)
                if news.what == "began":
                    self._take.cue_path = _beside(path)
                    self._say(f"recording to {path}")
                self._take.files.append(CueFile(path.name, news.frame))
                self._write_take(news.frame + 1)
            case "ended":
                take, self._take = self._take, None
                if take is not None and take.files:
                    self._write(take.cue_path, take.files, news.frame)
                self._tell(news, f"recorded {news.frames / self._rate:.1f} s to {path}")
            case "saved":
                if news.frames:
                    self._write(_beside(path), [CueFile(path.name, news.frame)], news.frame + news.frames)
                self.saves += not news.problem
                self._tell(news, f"saved the last {news.frames / self._rate:.1f} s to {path}")

    def _tell(self, news: Recorded, success: str) -> None:
        if news.problem:
            self.failures += 1
            rest = f"; {news.frames / self._rate:.1f} s are in {news.path}" if news.frames else ""
            self._say(f"{news.problem}{rest}; the music goes on")
        else:
            self._say(success)

    # --- what is heard ------------------------------------------------------------------------------------------------

    def deck_landed(self, landed: DeckLanded) -> None:
        """A deck sounds another bank."""
        prompt, to = landed.prompt, landed.to
        self._prompts[landed.deck] = title = prompt if to in ("", prompt) else f"{prompt} → {to}"
        seeds = f"seed {landed.seed} → {landed.to_seed}"
        remark = f"beat {landed.beat:.2f} deck {landed.deck}: {title}, {seeds}"
        self._cues.append(Cue(landed.frame, remark, remark=True))
        self._title_at(landed.frame)

    def landed(self, event: ParameterLanded) -> None:
        """A scene that had to be rendered is heard."""
        if event.path == "scene/recall":
            self._scene = None
            self._began = (event.moment.frame, str(event.value))
            self._title_at(event.moment.frame)

    def replied(self, event: CommandReplied) -> None:
        """A scene is on its way."""
        moment, reply = event.moment, event.reply
        if reply.command.path == "scene/recall" and isinstance(reply, Accepted):
            landing = reply.landing
            self._scene = (str(reply.command.value), landing.beat if landing is not None else moment.beat)

    def landing_moved(self, event: LandingMoved) -> None:
        """It comes later."""
        landing = event.landing
        if landing.path.startswith("scene/") and self._scene is not None:
            self._scene = (self._scene[0], landing.beat)

    def player_restarted(self, frame: int) -> None:
        """The player has died and a new one runs: a recording ends where it was, and goes on in a new file."""
        if self._take is not None:
            if self._take.files:
                self._write(self._take.cue_path, self._take.files, frame)
            self._take = _Take(self._take.asked)
            self.send(StartRecording(self._take.asked, 60.0 * self._plan.part_minutes))

    def underrun(self, frame: int, count: int) -> None:
        """The device starved ``count`` times just before ``frame``: a place to listen to."""
        self._add(Cue(frame, f"underrun ({count})", remark=True))

    def tick(self, moment: Moment) -> None:
        """Time has passed: a scene that had nothing to be rendered has landed by now."""
        if self._scene is not None and moment.beat >= self._scene[1] + 1.0:  # one that is rendered tells it itself
            self._began = (moment.frame, self._scene[0])
            self._scene = None
            self._title_at(moment.frame)

    def finish(self) -> None:
        """Write what is to be written; the recording's own end comes before, by ``heed``."""
        self._writer.shutdown(wait=True)

    # --- cues ---------------------------------------------------------------------------------------------------------

    def _title_at(self, frame: int) -> None:
        """What is heard from ``frame`` on; of several decks that land together the last one knows all."""
        prompts = " | ".join(f"{deck}: {text}" for deck, text in sorted(self._prompts.items()))
        shown = prompts if len(self._prompts) > 1 else prompts[3:]
        if self._began is not None and self._began[0] == frame:
            shown = f"{self._began[1]}: {shown}".removesuffix(": ")
        self._add(Cue(frame, shown))

    def _add(self, cue: Cue) -> None:
        self._cues.append(cue)
        self._write_take(cue.frame + 1)

    def _write_take(self, end_frame: int) -> None:
        if self._take is not None and self._take.files:
            self._write(self._take.cue_path, self._take.files, end_frame)

    def _write(self, path: Path, files: list[CueFile], end_frame: int) -> None:
        self._writer.submit(self._put, path, tuple(files), end_frame, tuple(self._cues))

    def _put(self, path: Path, files: tuple[CueFile, ...], end_frame: int, cues: tuple[Cue, ...]) -> None:
        """In the writer's thread: thousands of cues take milliseconds to sort and print."""
        partial = path.with_name(f".{path.name}.new")
        try:
            partial.write_text(cue_sheet(self._title, self._rate, files, end_frame, cues), encoding="utf-8")
            partial.replace(path)
        except OSError:  # the recording's own failure is told; a sheet that is missing is counted
            self.failures += 1
            with contextlib.suppress(OSError):
                partial.unlink()

    def _named(self, name: str) -> Path:
        when = datetime.fromtimestamp(self._unix_seconds()).strftime("%Y-%m-%d-%H-%M-%S")
        return self._plan.folder / f"{name}-{when}.{self._plan.ending}"


def _beside(path: Path) -> Path:
    """``set.flac.cue``: a name that no other recording's sheet has."""
    return path.with_name(f"{path.name}.cue")
