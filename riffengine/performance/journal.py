"""Journal: every command, answer and landing of a set at its musical time, as JSON Lines that only ever grow.

A person reads it as a log, the replay reads it to play the set again. Belongs to the engine process; the moment of
every entry is passed in. One entry is one line and reaches the file at once, so a crash loses at most that line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TextIO, get_args

from riffengine.errors import JournalError
from riffengine.performance.command import Accepted, Command, Landing, Reply, Value
from riffengine.transport.beat_grid import Moment

FORMAT = "riffengine-journal"
VERSION = 1

EntryKind = Literal["command", "reply", "landing", "event", "player"]


@dataclass(frozen=True)
class JournalHeader:
    """The first line: what must be known to play the set again. ``parameters`` are the values at the start, by path."""

    preset: str
    model: str
    model_digest: str
    sample_rate: int
    seed: int
    parameters: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class JournalEntry:
    """One line. ``beat``, ``frame`` and ``seconds`` name the moment; a landing's moment is the one it was heard at.

    ``value`` of a command and of a landing is the parameter's; of a reply the accepted value or, with ``note``
    "rejected: …", the refused one. ``revision`` is the state's after the entry. Of a message to the player ``path`` is
    its kind and ``facts`` its fields; its moment is the one on which it took effect.
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
    """A journal as read back. ``damaged`` holds the numbers of lines that are not entries; a crash tears the last."""

    header: JournalHeader
    entries: tuple[JournalEntry, ...]
    damaged: tuple[int, ...] = ()

    def commands(self) -> list[tuple[JournalEntry, Command]]:
        """The accepted commands in their order, each with the entry that names its moment."""
        return [
            (entry, Command(entry.path, entry.value, entry.source))
            for entry in self.entries
            if entry.kind == "command" and entry.value is not None
        ]


class Journal:
    """Writes one set. Give it a path for a new file, or any text stream.

    A disk that fails must not stop the music: what cannot be written is counted in ``lost`` and the set goes on.
    Raises ``JournalError`` when the file exists already or cannot be made.
    """

    def __init__(self, target: TextIO | Path | str, header: JournalHeader) -> None:
        self.lost = 0
        self._torn = False
        self._owns = isinstance(target, Path | str)
        self._stream = _begin(Path(target)) if isinstance(target, Path | str) else target
        facts = {**asdict(header), "parameters": dict(header.parameters)}
        self._write({"format": FORMAT, "version": VERSION, **facts})

    def record_command(self, moment: Moment, command: Command, value: Value, revision: int) -> None:
        """``command`` was accepted as ``value``; the replay starts from these entries."""
        self._enter(moment, "command", command.path, value, command.source, revision)

    def record_reply(self, moment: Moment, reply: Reply, revision: int) -> None:
        """What the sender was told: when it will land, or why nothing changed."""
        command = reply.command
        if isinstance(reply, Accepted):
            note = reply.note
            if reply.landing is not None:
                note = _promise(reply.landing) + (f"; {note}" if note else "")
            self._enter(moment, "reply", command.path, reply.value, command.source, revision, note)
        else:
            note = f"rejected: {reply.reason}"
            self._enter(moment, "reply", command.path, _short(command.value), command.source, revision, note)

    def record_landing(self, moment: Moment, path: str, value: Value, source: str, revision: int) -> None:
        """``path`` is heard as ``value`` from ``moment`` on, the moment of the splice itself."""
        self._enter(moment, "landing", path, value, source, revision, f"landed on beat {moment.beat:.3f}")

    def record_event(self, moment: Moment, path: str, note: str, value: Value | None = None) -> None:
        """Something that no performer asked for: an underrun, a renderer that died and came back, the end."""
        self._enter(moment, "event", path, value, "", 0, note)

    def record_player(self, moment: Moment, kind: str, facts: Mapping[str, Any]) -> None:
        """The player took a message of ``kind``, effective at ``moment``: what an exact replay needs."""
        self._enter(moment, "player", kind, None, "", 0, "", facts)

    def close(self) -> None:
        """Close the file, if the journal opened it."""
        if self._owns:
            try:
                self._stream.close()
            except OSError:
                self.lost += 1

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _enter(
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
        # A NaN or an infinity from a refused message is written as text: JSON has no word for either.
        if isinstance(line.get("value"), float) and not abs(line["value"]) < float("inf"):
            line = {**line, "value": str(line["value"])}
        text = json.dumps(line, ensure_ascii=True, allow_nan=False)
        try:
            # After a failed write half a line may stand in the file; a line break keeps the next one whole.
            self._stream.write(f"\n{text}\n" if self._torn else f"{text}\n")
            self._stream.flush()
        except OSError:
            self._torn = True
            self.lost += 1
            return
        self._torn = False


def read_journal(path: Path | str) -> Recording:
    """The set in ``path``, as far as it was written; lines that are torn or damaged are skipped and numbered.

    Raises ``JournalError`` when the file cannot be read, is no journal, or is of a version this program does not know.
    """
    path = Path(path)
    try:
        lines = path.read_text("utf-8", errors="replace").split("\n")
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error.strerror}; name the journal file of a set") from None
    header = _header(path, _object(lines[0]))
    entries: list[JournalEntry] = []
    damaged: list[int] = []
    for number, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        entry = _entry(_object(line))
        if entry is None:
            damaged.append(number)
        else:
            entries.append(entry)
    return Recording(header, tuple(entries), tuple(damaged))


def _begin(path: Path) -> TextIO:
    try:
        return path.open("x", encoding="utf-8", buffering=1)
    except FileExistsError:
        raise JournalError(f"{path} exists already; a journal never overwrites a set, so name a new file") from None
    except OSError as error:
        raise JournalError(f"{path} cannot be made: {error.strerror}; name a file in a folder that exists") from None


def _short(value: Value) -> Value:
    """A refused value as the log keeps it: a datagram may hold 64 KiB of text, the reason says enough."""
    return value[:400] if isinstance(value, str) else value


def _promise(landing: Landing) -> str:
    moved = ", moved" if landing.moved else ""
    return f"lands on beat {landing.beat:.3f} in {landing.seconds:.2f} s{moved}"


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _header(path: Path, line: dict[str, Any]) -> JournalHeader:
    if line.get("format") != FORMAT:
        raise JournalError(f"{path} is not a journal: its first line must say {FORMAT!r}")
    if line.get("version") != VERSION:
        raise JournalError(
            f"{path} is a journal of version {line.get('version')!r}; this program reads version {VERSION}, "
            f"so use the version of riffengine that wrote it"
        )
    try:
        return JournalHeader(**{key: part for key, part in line.items() if key not in ("format", "version")})
    except TypeError:
        raise JournalError(f"{path}: the first line lacks session facts or has unknown ones; it is damaged") from None


def _entry(line: dict[str, Any]) -> JournalEntry | None:
    try:
        entry = JournalEntry(**line)
    except TypeError:
        return None
    numbers = isinstance(entry.beat, int | float) and isinstance(entry.seconds, int | float)
    if not (numbers and isinstance(entry.frame, int) and isinstance(entry.path, str) and isinstance(entry.facts, dict)):
        return None
    return entry if entry.kind in get_args(EntryKind) else None
