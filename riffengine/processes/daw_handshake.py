"""The handshake by which a plugin in a DAW gets its ring: one line of JSON each way over the engine's unix socket.

1. A thread of the plugin connects to ``socket_path()`` (a stream socket) and sends one line, a ``Hello``.
2. The engine makes a ring (``DawRing.create``) and answers with one line, an ``Answer``; or with
   ``{"error": "…"}`` (``refusal``), after which it closes the connection, and the plugin asks again after a second.
3. The connection stays open for as long as the plugin uses the ring. Its end tells each side that the other is gone:
   the engine closes the ring; the plugin plays what it has for at most a second, and asks again every 0.1 s.
4. Meanwhile the engine may send more lines: ``{"state": "…"}`` with its own state whenever that has changed, so that
   the plugin can save it with the DAW's project at any time, without asking. The plugin sends nothing more: another
   rate, source or loaded project is a new connection. It first ends its side of the old one
   (``shutdown``) and waits up to a second for the engine to close: so the engine must close at the end of the stream.

A ``Hello`` with the ``instance`` of a plugin that is connected now comes from a duplicated track: the answer names a
new instance. An empty ``instance`` asks for one. A line has at most ``LONGEST_LINE`` bytes, its newline included.
Strings hold ASCII without quotes, backslashes and control characters, so that the C side needs no JSON parser.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from riffengine.errors import DawError, printable

SOCKET_VARIABLE = "RIFFENGINE_DAW_SOCKET"
LONGEST_LINE = 65536
LONGEST_STATE = 60000

_RATES = (8000, 384000)
_INSTANCE = re.compile(r"[A-Za-z0-9-]{0,63}")
_SOURCE = re.compile(r"master|deck/[a-z0-9][a-z0-9_-]*(/stem/[a-z0-9][a-z0-9_-]*)?")
_STATE = re.compile(r"[A-Za-z0-9+/=_-]*")


def socket_path() -> Path:
    """Where engine and plugin meet: ``$RIFFENGINE_DAW_SOCKET``, else ``riffengine/daw.sock`` in ``$XDG_RUNTIME_DIR``.

    Without ``$XDG_RUNTIME_DIR`` it is ``/tmp/riffengine-<uid>/daw.sock``. ``native/engine_socket.c`` has the rule too.
    """
    named = os.environ.get(SOCKET_VARIABLE)
    if named:
        return Path(named)
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime, "riffengine", "daw.sock") if runtime else Path(f"/tmp/riffengine-{os.getuid()}/daw.sock")


@dataclass(frozen=True)
class Hello:
    """What the plugin says first.

    ``wants`` are the sources, two channels each. ``state`` is what the engine sent when the project was saved, base64
    text, empty for a new project: the engine restores it, unless this instance had it from this engine.
    """

    instance: str
    rate: int
    wants: tuple[str, ...]
    channels: int
    state: str = ""

    def line(self) -> bytes:
        """As it crosses the socket."""
        return _line(
            {
                "instance": self.instance,
                "rate": self.rate,
                "wants": ",".join(self.wants),
                "channels": self.channels,
                "state": self.state,
            }
        )

    @classmethod
    def parse(cls, line: bytes) -> Hello:
        """The ``Hello`` of ``line``; ``DawError`` says what is wrong with it."""
        found = _object(line)
        instance, state = _string(found, "instance", _INSTANCE), _string(found, "state", _STATE)
        rate, channels = _number(found, "rate"), _number(found, "channels")
        wants = tuple(str(found.get("wants", "")).split(","))
        for source in wants:
            if not _SOURCE.fullmatch(source):
                raise DawError(
                    f"{printable(source)!r} is no source; use master, deck/<deck> or deck/<deck>/stem/<stem or number>"
                )
        if not _RATES[0] <= rate <= _RATES[1]:
            raise DawError(f"a rate of {rate} Hz is not possible; use {_RATES[0]} to {_RATES[1]}")
        if channels != 2 * len(wants):
            raise DawError(f"{len(wants)} sources have {2 * len(wants)} channels, not {channels}")
        return cls(instance, rate, wants, channels, state)


@dataclass(frozen=True)
class Answer:
    """What the engine answers: the name of the ring (``DawRing.name``) and the plugin's instance from now on."""

    ring: str
    instance: str

    def line(self) -> bytes:
        """As it crosses the socket."""
        return _line({"ring": self.ring, "instance": self.instance})

    @classmethod
    def parse(cls, line: bytes) -> Answer:
        """The ``Answer`` of ``line``; ``DawError`` with the engine's words where it refuses."""
        found = _object(line)
        if "error" in found:
            raise DawError(printable(found["error"]))
        return cls(_string(found, "ring", re.compile(r"[A-Za-z0-9._-]+")), _string(found, "instance", _INSTANCE))


def refusal(reason: str) -> bytes:
    """The line that refuses a plugin, as it crosses the socket."""
    plain = reason.encode("ascii", "replace").decode().replace('"', "'").replace("\\", "/")
    return _line({"error": printable(plain)})


def state_line(state: str) -> bytes:
    """The line that gives the plugin ``state`` to save: base64 text; ``DawError`` where it is too long or not that."""
    if len(state) > LONGEST_STATE or not _STATE.fullmatch(state):
        raise DawError(f"a state for a DAW's project has {LONGEST_STATE} letters of base64 at most, not {len(state)}")
    return _line({"state": state})


def _line(content: dict[str, str | int]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode("ascii") + b"\n"


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > LONGEST_LINE:
        raise DawError(f"a line of {len(line)} bytes is too long; {LONGEST_LINE} are allowed")
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DawError(f"not a line of JSON: {printable(error)}") from None
    if not isinstance(found, dict):
        raise DawError("not a JSON object")
    return found


def _string(found: dict[str, Any], key: str, form: re.Pattern[str]) -> str:
    value = found.get(key, "")
    if not isinstance(value, str) or not form.fullmatch(value):
        raise DawError(f"{key}: {printable(value)!r} does not have the form {form.pattern}")
    return value


def _number(found: dict[str, Any], key: str) -> int:
    value = found.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise DawError(f"{key}: {printable(value)!r} is not a whole number")
    return value
