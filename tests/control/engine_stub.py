"""EngineStub: the engine as a surface sees it: one tree, one state, and the commands that were submitted."""

from __future__ import annotations

from collections.abc import Callable

from riffengine.clock import Clock, VirtualClock
from riffengine.control.surface import Schedule, SurfaceContext
from riffengine.performance.command import Accepted, Command, Landing, Reply
from riffengine.performance.parameter_tree import ControlClass, ParameterTree
from riffengine.performance.parameters import standard_tree


class EngineStub:
    def __init__(self, tree: ParameterTree | None = None) -> None:
        self.tree = tree or standard_tree(("a", "b"))
        self.state = self.tree.initial_state()
        self.commands: list[Command] = []
        self.waiting: list[Callable[[], object]] | None = None  # what waits for files; None: nothing waits

    def submit(self, command: Command) -> Reply:
        self.commands.append(command)
        self.state, reply = self.tree.apply(self.state, command)
        if isinstance(reply, Accepted) and self.tree[command.path].control is ControlClass.QUANTISED:
            return Accepted(command, reply.value, Landing(command.path, 16.0, 1.25), reply.clipped, reply.note)
        return reply

    def prepare(self, command: Command, submit: Callable[[], object]) -> bool:
        if self.waiting is None or not command.path.endswith("/init"):
            submit()
            return True
        self.waiting.append(submit)
        return False

    def context(
        self,
        clock: Clock | None = None,
        schedule: Schedule | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> SurfaceContext:
        """What a surface is opened with; time stands still without a ``clock``."""
        return SurfaceContext(
            self.tree,
            clock or VirtualClock(),
            self.submit,
            lambda: self.state,
            prepare=self.prepare,
            schedule=schedule,
            say=say,
        )
