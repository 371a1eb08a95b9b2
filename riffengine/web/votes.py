"""Votes: the prompts that guests ask for, one vote each. Pure; the performer decides."""

from __future__ import annotations

from collections import Counter
from typing import Any

MOST_SHOWN = 12
_LONGEST = 200


class Votes:
    """One prompt for each voter; a new vote replaces the last one."""

    def __init__(self) -> None:
        self._by_voter: dict[str, str] = {}

    def vote(self, voter: str, prompt: str) -> str:
        """Count ``voter`` for ``prompt``; why that is refused, "" when it is not."""
        prompt = " ".join(prompt.split())
        if not prompt or len(prompt) > _LONGEST or not prompt.isprintable():
            return f"a vote is a prompt of 1 to {_LONGEST} printable characters"
        self._by_voter[voter] = prompt
        return ""

    def withdraw(self, voter: str) -> bool:
        """``voter`` has gone; whether there was a vote."""
        return self._by_voter.pop(voter, None) is not None

    def clear(self, prompt: str) -> None:
        """``prompt`` was accepted: its votes have been heard."""
        self._by_voter = {voter: wish for voter, wish in self._by_voter.items() if wish.lower() != prompt.lower()}

    def message(self) -> dict[str, Any]:
        """The prompts with the most votes."""
        counts = Counter(wish.lower() for wish in self._by_voter.values())
        shown = [{"text": text, "votes": votes} for text, votes in counts.most_common(MOST_SHOWN)]
        return {"type": "votes", "prompts": shown, "voters": len(self._by_voter)}
