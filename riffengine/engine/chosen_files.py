"""ChosenFiles: has a file that a command chooses opened in a thread, before the command is submitted.

The engine's event loop waits for no disk: a command that names a file to start from is submitted when the file has been
read, or when it has taken too long, and refused then. The event loop's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from riffengine.errors import RiffError
from riffengine.performance.command import Command, Rejected
from riffengine.performance.parameter_tree import ParameterTree
from riffengine.performance.routing import Handler, handler_of
from riffengine.renderer.file_hash import DiskFileHashes


class ChosenFiles:
    """Opens files ahead by ``hashes``. ``may_open``: whether the sender of a command may have that file opened."""

    def __init__(self, tree: ParameterTree, hashes: DiskFileHashes, may_open: Callable[[Command], bool]) -> None:
        self._tree, self._hashes, self._may_open = tree, hashes, may_open
        self._waiting: set[asyncio.TimerHandle] = set()

    def prepare(self, command: Command, ready: Callable[[], object]) -> bool:
        """Whether ``command`` can be submitted now; if not, ``ready`` is called once when it can."""
        if not command.value or not isinstance(command.value, str) or not self._may_open(command):
            return True
        try:
            if handler_of(command.path) is not Handler.INIT:
                return True
            checked = self._tree.checked(command)
        except RiffError:
            return True
        if isinstance(checked, Rejected):
            return True
        loop = asyncio.get_running_loop()

        def go_on() -> None:
            if file is not None and deadline in self._waiting:
                self._waiting.discard(deadline)
                deadline.cancel()
                with self._hashes.answered(file):
                    ready()

        def read() -> None:
            with contextlib.suppress(RuntimeError):  # the set has ended meanwhile
                loop.call_soon_threadsafe(go_on)

        deadline = loop.call_later(self._hashes.most_seconds, go_on)
        file = self._hashes.begin(str(checked.command.value), read)
        if file is None:
            deadline.cancel()
            return True
        self._waiting.add(deadline)
        return False

    def close(self) -> None:
        """Forget the commands that wait."""
        for deadline in self._waiting:
            deadline.cancel()
        self._waiting.clear()
