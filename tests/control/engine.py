"""The state behind the adapters: one tree, one state, one writer, as the engine process has it."""

from __future__ import annotations

from riffengine.performance.command import Accepted, Command, Landing, Reply
from riffengine.performance.parameters import ControlClass, ParameterTree, standard_tree


class Stage:
    def __init__(self, tree: ParameterTree | None = None) -> None:
        self.tree = tree or standard_tree(("a", "b"))
        self.state = self.tree.initial_state()
        self.commands: list[Command] = []

    def submit(self, command: Command) -> Reply:
        self.commands.append(command)
        self.state, reply = self.tree.apply(self.state, command)
        if isinstance(reply, Accepted) and self.tree[command.path].control is ControlClass.QUANTISED:
            return Accepted(command, reply.value, Landing(command.path, 16.0, 1.25), reply.clipped, reply.note)
        return reply
