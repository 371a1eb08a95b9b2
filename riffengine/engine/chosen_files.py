"""ChosenFiles: has the files that a command chooses opened in a thread, before the command is submitted.

The engine's event loop waits for no disk: a command after which decks start from other files, such as a scene, is
submitted when they have been read, or when one has taken too long, which is refused then. Commands for the same
parameter that come meanwhile, from any surface, wait behind it; behind a scene, an undo or a redo everything does but a
panic, since these set many parameters, and they wait for the files that were chosen before them: the last gesture is
the one that counts. The event loop's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from riffengine.errors import RiffError
from riffengine.performance.command import Command, Rejected
from riffengine.performance.parameter_tree import ParameterTree
from riffengine.performance.routing import Handler, handler_of
from riffengine.renderer.file_hash import BegunFile, DiskFileHashes

_RESTORING = "scenes and undo"  # the line of what changes many parameters, and of all that comes after it
_CHOOSE = frozenset(
    {
        *(Handler.INIT, Handler.RECALL_SCENE, Handler.NEXT_SCENE, Handler.PREVIOUS_SCENE),
        *(Handler.STORE_SCENE, Handler.UNDO, Handler.REDO),
    }
)


@dataclass
class _Waiting:
    """A command that waits for ``files``, or only for those before it; ``begun``: its files are being opened."""

    command: Command
    submit: Callable[[], object]
    begun: bool = False
    files: list[BegunFile] = field(default_factory=list)
    deadline: asyncio.TimerHandle | None = None
    unread: int = 0  # of its files, unless they were given up


class ChosenFiles:
    """Opens files ahead by ``hashes``.

    ``may_open``: whether the sender of a command may have its file opened; ``files_of``: the files that a command which
    was checked would have decks start from.
    """

    def __init__(
        self,
        tree: ParameterTree,
        hashes: DiskFileHashes,
        may_open: Callable[[Command], bool],
        files_of: Callable[[Command], tuple[str, ...]],
    ) -> None:
        self._tree, self._hashes, self._may_open, self._files_of = tree, hashes, may_open, files_of
        self._lines: dict[str, deque[_Waiting]] = {}  # in the order in which they came; none is empty

    def prepare(self, command: Command, submit: Callable[[], object]) -> bool:
        """Call ``submit`` once ``command`` can be submitted; whether that was at once."""
        if self._waits(command, submit):
            return False
        submit()
        return True

    def _waits(self, command: Command, submit: Callable[[], object]) -> bool:
        """Whether ``command`` waits for files, or for those before it; ``submit`` then follows."""
        restoring = _RESTORING in self._lines
        try:
            handler = handler_of(command.path)
            waits = handler in _CHOOSE or (restoring and handler is not Handler.PANIC)
            if not waits or not self._may_open(command):
                return False
            checked = self._tree.checked(command)
        except RiffError:
            return False
        if isinstance(checked, Rejected):
            return False
        waiting = _Waiting(checked.command, submit)
        line = command.path if handler is Handler.INIT and not restoring else _RESTORING
        if line != _RESTORING or not self._lines:  # else those before it come first
            self._begin(line, waiting)
            refused = handler is Handler.INIT and checked.command.value  # at once, and changes nothing
            if not waiting.files and (refused or line not in self._lines):
                return False
        self._lines.setdefault(line, deque()).append(waiting)
        return True

    def close(self) -> None:
        """Forget the commands that wait."""
        for line in self._lines.values():
            for waiting in line:
                if waiting.deadline is not None:
                    waiting.deadline.cancel()
        self._lines.clear()

    def _begin(self, line: str, waiting: _Waiting) -> None:
        """Have the files of ``waiting`` opened, but for those that would be refused at once."""
        waiting.begun = True
        files = self._files_of(waiting.command) if waiting.command.value else ()
        loop = asyncio.get_running_loop()

        def go_on(read: int) -> None:
            waiting.unread -= read
            self._submit_first(line)

        def one_read() -> None:
            with contextlib.suppress(RuntimeError):  # the set has ended meanwhile
                loop.call_soon_threadsafe(go_on, 1)

        begun = [self._hashes.begin(file, one_read) for file in files]
        waiting.files = [file for file in begun if file is not None]
        waiting.unread = len(waiting.files)
        if waiting.files:
            waiting.deadline = loop.call_later(self._hashes.most_seconds, go_on, len(files))

    def _submit_first(self, name: str) -> None:
        """Submit the first command in the line ``name`` if its files have been read, and see to the next one soon."""
        line = self._lines.get(name)
        if not line or (name == _RESTORING and len(self._lines) > 1):  # the other lines came before it
            return
        if not line[0].begun:  # which files a scene brings back depends on the commands before it
            self._begin(name, line[0])
        if line[0].unread > 0:
            return
        first = line.popleft()
        if line:
            asyncio.get_running_loop().call_soon(self._submit_first, name)
        else:
            del self._lines[name]
            asyncio.get_running_loop().call_soon(self._submit_first, _RESTORING)
        if first.deadline is not None:
            first.deadline.cancel()
        with self._hashes.answered(*first.files):
            first.submit()
