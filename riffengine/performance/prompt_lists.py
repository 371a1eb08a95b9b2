"""PromptLists: the prompts of a preset, in banks, from which pads pick and ``prompts/next`` walks. Pure and frozen."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from riffengine.errors import OutOfRange

MOST_BANKS = 16
MOST_PROMPTS = 128  # of one bank: a row of pads, a program change or a fader reaches every one


@dataclass(frozen=True)
class PromptLists:
    """Banks of prompts by name, in the preset's order; a preset with one plain list has one bank without a name."""

    banks: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def bank(self, number: int) -> tuple[str, ...]:
        """The prompts of bank ``number`` (from 1); none where there is no such bank."""
        return self.banks[number - 1][1] if 1 <= number <= len(self.banks) else ()

    def check_bank(self, number: int) -> None:
        """``OutOfRange`` when there is no bank ``number``."""
        if not self.banks:
            raise OutOfRange("there are no prompts to pick from; list some under prompts: in the preset")
        if not 1 <= number <= len(self.banks):
            names = ", ".join(f"{n} {name}".strip() for n, (name, _) in enumerate(self.banks, 1))
            raise OutOfRange(f"there is no bank {number}; there are: {names}")

    def pick(self, bank: int, number: int) -> str:
        """Prompt ``number`` (from 1) of ``bank``; ``OutOfRange`` names what is there."""
        self.check_bank(bank)
        prompts = self.bank(bank)
        if not 1 <= number <= len(prompts):
            raise OutOfRange(f"bank {bank} has {len(prompts)} prompts, there is no prompt {number}")
        return prompts[number - 1]

    def beside(self, bank: int, prompt: str, steps: int) -> str:
        """The prompt ``steps`` after ``prompt`` in ``bank``, round and round; else the first one."""
        self.check_bank(bank)
        prompts = self.bank(bank)
        return prompts[(prompts.index(prompt) + steps) % len(prompts)] if prompt in prompts else prompts[0]

    def any(self, bank: int, prompt: str, chance: Random) -> str:
        """A prompt of ``bank`` by ``chance``, another one than ``prompt`` where there is one."""
        self.check_bank(bank)
        others = [other for other in self.bank(bank) if other != prompt]
        return chance.choice(others) if others else prompt
