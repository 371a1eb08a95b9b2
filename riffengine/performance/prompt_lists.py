"""PromptLists: the prompts of a preset in banks, which pads and ``prompts/next`` choose from. Pure and frozen."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from riffengine.errors import OutOfRange

MOST_BANKS = 16
MOST_PROMPTS = 128  # in one bank, so that pads, a program change or a fader can reach all


@dataclass(frozen=True)
class PromptLists:
    """Named banks of prompts in the preset's order; a preset with one plain list has one bank without a name."""

    banks: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def bank(self, number: int) -> tuple[str, ...]:
        """The prompts of bank ``number`` (from 1); empty when there is no such bank."""
        return self.banks[number - 1][1] if 1 <= number <= len(self.banks) else ()

    def check_bank(self, number: int) -> None:
        """``OutOfRange`` when there is no bank ``number``."""
        if not self.banks:
            raise OutOfRange("the preset has no prompt lists; add prompts under prompts:")
        if not 1 <= number <= len(self.banks):
            names = ", ".join(f"{n} {name}".strip() for n, (name, _) in enumerate(self.banks, 1))
            raise OutOfRange(f"there is no bank {number}; there are: {names}")

    def pick(self, bank: int, number: int) -> str:
        """Prompt ``number`` (from 1) of ``bank``; ``OutOfRange`` names the valid numbers."""
        self.check_bank(bank)
        prompts = self.bank(bank)
        if not 1 <= number <= len(prompts):
            raise OutOfRange(f"bank {bank} has {len(prompts)} prompts, so there is no prompt {number}")
        return prompts[number - 1]

    def neighbour(self, bank: int, prompt: str, steps: int) -> str:
        """The prompt ``steps`` after ``prompt`` in ``bank``, in a circle; the first one if ``prompt`` is not in it."""
        self.check_bank(bank)
        prompts = self.bank(bank)
        return prompts[(prompts.index(prompt) + steps) % len(prompts)] if prompt in prompts else prompts[0]

    def random_other(self, bank: int, prompt: str, rng: Random) -> str:
        """A random prompt of ``bank``, other than ``prompt`` where possible."""
        self.check_bank(bank)
        others = [other for other in self.bank(bank) if other != prompt]
        return rng.choice(others) if others else prompt
