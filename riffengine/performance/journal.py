"""Journal: every command, reply and landing of a set with its musical time, in an append-only file of JSON Lines.

People read it as a log; the replay reads it to play the set again. Belongs to the engine process; the moment of every
entry is passed in. One entry is one line, which a thread writes at once: a crash loses the lines of the last moment.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TextIO, get_args

from riffengine.errors import JournalError, printable
from riffengine.files.json_text import parse_json
from riffengine.files.line_file import LineFile
from riffengine.files.regular import open_regular
from riffengine.performance.command import Accepted, Command, Landing, Reply, Value
from riffengine.transport.beat_grid import Moment

FORMAT = "riffengine-journal"
VERSION = 1
MOST_BYTES = 256 << 20  # of a journal that is read; a set of a day has some 100 MB
LONGEST_LINE = 1 << 20
END_SECONDS = 5.0  # for the disk to take what waits at the end
MOST_HOURS = 48  # of a set; an entry beyond them is damaged

EntryKind = Literal["command", "reply", "landing", "event", "player"]


@dataclass(frozen=True)
class JournalHeader:
    """The first line: what a replay must know. ``parameters`` are the initial values by path."""

    preset: str
    model: str
    model_digest: str
    sample_rate: int
    seed: int
    parameters: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class JournalEntry:
    """One line. ``beat``, ``frame`` and ``seconds`` are its moment; for a landing, the moment when it was heard.

    ``value`` of a command or a landing is the parameter's value; of a reply it is the accepted value or, with ``note``
    "rejected: …", the refused one. ``revision`` is the state's revision after the entry. For a message to the player,
    ``path`` is its type, ``facts`` are its fields, and the moment is when it took effect.
    """

    beat: float
    frame: int
    seconds: float
    kind: EntryKind
    path: str
    value: Value | None = None
    source: str = ""
    revision: int = 0
    note: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recording:
    """A journal as read from a file. ``damaged`` has the numbers of invalid lines; a crash may cut the last one."""

    header: JournalHeader
    entries: tuple[JournalEntry, ...]
    damaged: tuple[int, ...] = ()

    def commands(self) -> list[tuple[JournalEntry, Command]]:
        """The accepted commands in order, each with its entry, which has the moment."""
        return [
            (entry, Command(entry.path, entry.value, entry.source))
            for entry in self.entries
            if entry.kind == "command" and entry.value is not None
        ]


class Journal:
    """Writes one set to a new file at a path, or to any text stream. Only ``settle`` and ``close`` wait.

    A failing disk must not stop the music: lines that cannot be written are counted in ``lost``. One that does not
    answer ends the journal, when thousands of lines wait. Both are told to ``tell``, once.
    Raises ``JournalError`` when the file already exists or cannot be created.
    """

    def __init__(
        self, target: TextIO | Path | str, header: JournalHeader, tell: Callable[[str], None] = lambda text: None
    ) -> None:
        self._opened_file = isinstance(target, Path | str)
        self._stream = _create(Path(target)) if isinstance(target, Path | str) else target
        self._lines = LineFile(self._stream)
        self._tell, self._ended = tell, False
        facts = {**asdict(header), "parameters": dict(header.parameters)}
        self._write({"format": FORMAT, "version": VERSION, **facts})

    def record_command(self, moment: Moment, command: Command, value: Value, revision: int) -> None:
        """``command`` was accepted as ``value``; the replay starts from these entries."""
        self._write_entry(moment, "command", command.path, value, command.source, revision)

    def record_reply(self, moment: Moment, reply: Reply, revision: int) -> None:
        """The reply to the sender: when the change will land, or why nothing changed."""
        command = reply.command
        if isinstance(reply, Accepted):
            note = reply.note
            if reply.landing is not None:
                note = _landing_text(reply.landing) + (f"; {note}" if note else "")
            self._write_entry(moment, "reply", command.path, reply.value, command.source, revision, note)
        else:
            note = f"rejected: {reply.reason}"
            self._write_entry(moment, "reply", command.path, _shortened(command.value), command.source, revision, note)

    def record_landing(self, moment: Moment, path: str, value: Value, source: str, revision: int) -> None:
        """``path`` is heard as ``value`` from ``moment`` on, which is the moment of the splice."""
        self._write_entry(moment, "landing", path, value, source, revision, f"landed on beat {moment.beat:.3f}")

    def record_event(self, moment: Moment, path: str, note: str, value: Value | None = None) -> None:
        """An event without a command, such as an underrun, a restart of the renderer, or the end."""
        self._write_entry(moment, "event", path, value, "", 0, note)

    def record_player(self, moment: Moment, kind: str, facts: Mapping[str, Any]) -> None:
        """The player took a message of ``kind``, effective at ``moment``; an exact replay needs it."""
        self._write_entry(moment, "player", kind, None, "", 0, "", facts)

    @property
    def lost(self) -> int:
        """Lines that could not be written."""
        return self._lines.lost

    def settle(self, most_seconds: float = END_SECONDS) -> bool:
        """Wait until everything is written, ``most_seconds`` at most; whether it is."""
        return self._lines.settle(most_seconds)

    def close(self) -> None:
        """Have what waits written, for five seconds at most, and close the file, if the journal opened it."""
        if self._ended:
            return
        self._ended = True
        if self._lines.end(END_SECONDS) and self._opened_file:
            with contextlib.suppress(OSError):  # every line was flushed, or is counted
                self._stream.close()
        if missing := self._lines.unwritten:
            self._tell(
                f"the journal is not complete: the disk did not take all lines, {missing} are missing; is it full?"
            )

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write_entry(
        self,
        moment: Moment,
        kind: EntryKind,
        path: str,
        value: Value | None,
        source: str,
        revision: int,
        note: str = "",
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        moved = (moment.beat, moment.frame, moment.seconds)
        entry = JournalEntry(*moved, kind, path, value, source, revision, note, facts or {})
        line = asdict(entry)
        for name, blank in (("value", None), ("source", ""), ("note", ""), ("facts", {})):
            if line[name] == blank:
                del line[name]
        self._write(line)

    def _write(self, line: Mapping[str, Any]) -> None:
        # NaN or infinity from a refused message is written as text, because JSON has no numbers for them.
        if isinstance(line.get("value"), float) and not abs(line["value"]) < float("inf"):
            line = {**line, "value": str(line["value"])}
        text = json.dumps(line, ensure_ascii=True, allow_nan=False)
        was_full = self._lines.full
        self._lines.write(text)
        if self._lines.full and not was_full:
            self._tell("the journal ends here: its disk does not answer; the music continues")


def read_journal(path: Path | str) -> Recording:
    """The set in ``path``, as far as it was written; incomplete and damaged lines are skipped, and their numbers kept.

    Raises ``JournalError`` when the file cannot be read, is no journal, or has an unknown version.
    """
    path = Path(path)
    entries: list[JournalEntry] = []
    damaged: list[int] = []
    try:
        with open_regular(path, MOST_BYTES) as file:
            header = _header(path, _parsed_object(file.readline(LONGEST_LINE)))
            last_frame = header.sample_rate * 3600 * MOST_HOURS
            number = 1
            while line := file.readline(LONGEST_LINE):
                number += 1
                if not line.strip():
                    continue
                entry = _entry(_parsed_object(line))
                if entry is None or not 0 <= entry.frame <= last_frame:
                    damaged.append(number)
                else:
                    entries.append(entry)
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error.strerror}; give the journal file of a set") from None
    return Recording(header, tuple(entries), tuple(damaged))


def _create(path: Path) -> TextIO:
    try:
        return path.open("x", encoding="utf-8", buffering=1)
    except FileExistsError:
        raise JournalError(f"{path} already exists; a journal never overwrites a set, so choose a new file") from None
    except OSError as error:
        raise JournalError(
            f"{path} cannot be created: {error.strerror}; choose a file in a folder that exists"
        ) from None


def _shortened(value: Value) -> Value:
    """A refused value for the log, shortened: a datagram may hold 64 KiB of text, and the reason is enough."""
    return value[:400] if isinstance(value, str) else value


def _landing_text(landing: Landing) -> str:
    moved = ", moved" if landing.moved else ""
    return f"lands on beat {landing.beat:.3f} in {landing.seconds:.2f} s{moved}"


def _parsed_object(line: bytes) -> dict[str, Any]:
    try:
        found = parse_json(line.decode("utf-8", "replace"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _header(path: Path, line: dict[str, Any]) -> JournalHeader:
    if line.get("format") != FORMAT:
        raise JournalError(f"{path} is not a journal: its first line must say {FORMAT!r}")
    if line.get("version") != VERSION:
        raise JournalError(
            f"{path} is a journal of version {printable(repr(line.get('version')), 40)}; this program reads version "
            f"{VERSION}, so use the version of riffengine that wrote it"
        )
    try:
        header = JournalHeader(**{key: part for key, part in line.items() if key not in ("format", "version")})
        return _checked_header(header)
    except (TypeError, ValueError):
        raise JournalError(f"{path}: the first line has missing or unknown fields; the journal is damaged") from None


def _checked_header(header: JournalHeader) -> JournalHeader:
    """``header``; ``ValueError`` where a field is of another type, or the rate is none of a sound."""
    texts = (header.preset, header.model, header.model_digest)
    numbers = (header.sample_rate, header.seed)
    if not all(isinstance(text, str) for text in texts) or not isinstance(header.parameters, Mapping):
        raise ValueError
    if not all(type(number) is int for number in numbers) or not 100 <= header.sample_rate <= 384_000:
        raise ValueError
    return header


def _entry(line: dict[str, Any]) -> JournalEntry | None:
    try:
        entry = JournalEntry(**line)
    except TypeError:
        return None
    numbers = isinstance(entry.beat, int | float) and isinstance(entry.seconds, int | float)
    if not (numbers and isinstance(entry.frame, int) and isinstance(entry.path, str) and isinstance(entry.facts, dict)):
        return None
    return entry if entry.kind in get_args(EntryKind) else None
