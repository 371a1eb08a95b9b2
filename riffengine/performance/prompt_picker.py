"""PromptPicker: turns ``deck/<d>/prompts/…`` commands into prompt commands. Pure."""

from __future__ import annotations

from random import Random

from riffengine.performance.command import Command
from riffengine.performance.prompt_lists import PromptLists
from riffengine.performance.state import PerformanceState
from riffengine.processes.parameter_path import parse_path

_STEPS = {"next": 1, "previous": -1}


class PromptPicker:
    """Picks prompts from ``lists``; ``rng`` is used by ``prompts/random``."""

    def __init__(self, lists: PromptLists, rng: Random) -> None:
        self._lists, self._rng = lists, rng

    def commands(self, command: Command, state: PerformanceState) -> tuple[Command, ...]:
        """The commands that result from the checked ``command``; ``OutOfRange`` when a list has no such prompt."""
        asked = parse_path(command.path)
        path = f"deck/{asked.deck}/prompt"
        bank, now = int(state[f"deck/{asked.deck}/prompts/bank"]), state.text(path)
        match asked.control:
            case "bank":
                self._lists.check_bank(int(command.value))
                return ()
            case "pick":
                prompt = self._lists.pick(bank, int(command.value))
            case "random":
                prompt = self._lists.random_other(bank, now, self._rng)
            case _:
                prompt = self._lists.neighbour(bank, now, _STEPS[asked.control])
        return (Command(path, prompt, command.source, command.stamp_ns),)
