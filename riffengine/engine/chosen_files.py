"""ChosenFiles: has a file that a command chooses opened in a thread, before the command is submitted.

The engine's event loop waits for no disk: a command that names a file to start from is submitted when the file has been
read, or when it has taken too long, and refused then. Commands for the same parameter that come meanwhile, from any
surface, wait behind it: the last gesture is the one that counts. The event loop's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from riffengine.errors import RiffError
from riffengine.performance.command import Command, Rejected
from riffengine.performance.parameter_tree import ParameterTree
from riffengine.performance.routing import Handler, handler_of
from riffengine.renderer.file_hash import BegunFile, DiskFileHashes


@dataclass
class _Waiting:
    """A command that waits for ``file``, or only for those before it."""

    submit: Callable[[], object]
    file: BegunFile | None = None
    deadline: asyncio.TimerHandle | None = None
    read: bool = True  # or given up


class ChosenFiles:
    """Opens files ahead by ``hashes``. ``may_open``: whether the sender of a command may have that file opened."""

    def __init__(self, tree: ParameterTree, hashes: DiskFileHashes, may_open: Callable[[Command], bool]) -> None:
        self._tree, self._hashes, self._may_open = tree, hashes, may_open
        self._lines: dict[str, deque[_Waiting]] = {}  # by path, in the order in which they came; none is empty

    def prepare(self, command: Command, submit: Callable[[], object]) -> bool:
        """Call ``submit`` once ``command`` can be submitted; whether that was at once."""
        if self._waits(command, submit):
            return False
        submit()
        return True

    def _waits(self, command: Command, submit: Callable[[], object]) -> bool:
        """Whether ``command`` waits for a file, or for those before it; ``submit`` then follows."""
        path = command.path
        try:
            if handler_of(path) is not Handler.INIT or not self._may_open(command):
                return False
            checked = self._tree.checked(command)
        except RiffError:
            return False
        if isinstance(checked, Rejected):
            return False
        waiting = _Waiting(submit)
        if checked.command.value:
            if not self._begin(str(checked.command.value), path, waiting):
                return False  # it is refused at once, and changes nothing
        elif path not in self._lines:
            return False
        self._lines.setdefault(path, deque()).append(waiting)
        return True

    def close(self) -> None:
        """Forget the commands that wait."""
        for line in self._lines.values():
            for waiting in line:
                if waiting.deadline is not None:
                    waiting.deadline.cancel()
        self._lines.clear()

    def _begin(self, file: str, path: str, waiting: _Waiting) -> bool:
        """Have ``file`` opened for ``waiting``; false where it would be refused at once."""
        loop = asyncio.get_running_loop()

        def go_on() -> None:
            waiting.read = True
            self._submit_first(path)

        def read() -> None:
            with contextlib.suppress(RuntimeError):  # the set has ended meanwhile
                loop.call_soon_threadsafe(go_on)

        waiting.read = False
        waiting.file = self._hashes.begin(file, read)
        if waiting.file is not None:
            waiting.deadline = loop.call_later(self._hashes.most_seconds, go_on)
        return waiting.file is not None

    def _submit_first(self, path: str) -> None:
        """Submit the first command in the line of ``path`` if its file has been read, and see to the next one soon."""
        line = self._lines.get(path)
        if not line or not line[0].read:
            return
        first = line.popleft()
        if line:
            asyncio.get_running_loop().call_soon(self._submit_first, path)
        else:
            del self._lines[path]
        if first.deadline is not None:
            first.deadline.cancel()
        with self._hashes.answered(first.file) if first.file is not None else contextlib.nullcontext():
            first.submit()
