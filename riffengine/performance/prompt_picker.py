"""PromptPicker: ``deck/<d>/prompts/…``, what a pad of a prompt list asks of its deck. Pure."""

from __future__ import annotations

from random import Random

from riffengine.performance.command import Command
from riffengine.performance.prompt_lists import PromptLists
from riffengine.performance.state import PerformanceState

_STEPS = {"next": 1, "previous": -1}


class PromptPicker:
    """Turns a command of the prompt lists into the prompt it stands for; ``chance`` is for ``random``."""

    def __init__(self, lists: PromptLists, chance: Random) -> None:
        self._lists, self._chance = lists, chance

    def commands(self, command: Command, state: PerformanceState) -> tuple[Command, ...]:
        """The commands that the checked ``command`` stands for; ``OutOfRange`` when a list has no such prompt."""
        deck, name = command.path.split("/")[1::2]
        path = f"deck/{deck}/prompt"
        bank, now = int(state[f"deck/{deck}/prompts/bank"]), state.text(path)
        match name:
            case "bank":
                self._lists.check_bank(int(command.value))
                return ()
            case "pick":
                prompt = self._lists.pick(bank, int(command.value))
            case "random":
                prompt = self._lists.any(bank, now, self._chance)
            case _:
                prompt = self._lists.beside(bank, now, _STEPS[name])
        return (Command(path, prompt, command.source, command.stamp_ns),)
