"""ProcessLink: what the engine does alike with each of its processes. The event loop's thread."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from riffengine.engine.supervisor import Supervisor
from riffengine.processes.child_process import ChildProcess

Process = TypeVar("Process", bound=ChildProcess[Any, Any, Any])


class ProcessLink(Generic[Process]):
    """A process that ``supervisor`` keeps running. ``_was_ready``: whether it has been ready since the set began."""

    def __init__(self, process: Process, supervisor: Supervisor[Any]) -> None:
        self._process, self._supervisor = process, supervisor
        self._was_ready = False

    @property
    def pid(self) -> int:
        """Of the process, 0 while there is none."""
        return self._process.pid or 0

    @property
    def deaths(self) -> int:
        """How often the process has ended unasked, or could not be started."""
        return self._supervisor.deaths

    def start(self) -> None:
        """Start the process and receive from it."""
        self._supervisor.start()

    def check(self) -> None:
        """Notice when the process has ended without a word."""
        self._supervisor.check()
