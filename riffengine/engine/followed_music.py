"""FollowedMusic: what a deck takes over of the music in captured bars, and when it is sure enough. Pure."""

from __future__ import annotations

from collections import deque
from statistics import fmean

from riffengine.performance.command import Value
from riffengine.performance.state import PerformanceState
from riffengine.processes.listen_messages import HeardBars

FOLLOWED = ("audio", "key", "chords", "energy")
"""What of the input a deck may follow: ``deck/<name>/follow_<what>`` says whether it does."""

KEY_SURE = 0.6
CHORDS_SURE = 0.8
_CAPTURES = 2  # in a row that must agree before the key changes, so that one wrong bar changes nothing
_COMPARED = 16  # captures: energy 0 is the mean drive of so many
_NEWEST = 0.5  # share of the newest bars in the energy that is followed
_LEAST_ENERGY = 0.1  # a smaller change would be a new loop for nothing


def follows(state: PerformanceState, deck: str, what: str) -> bool:
    """Whether ``deck`` follows ``what`` of the input."""
    return bool(state.values.get(f"deck/{deck}/follow_{what}", what == "audio"))


class FollowedMusic:
    """Of one deck: remembers what was heard before, so that a single wrong hearing changes nothing."""

    def __init__(self) -> None:
        self._next_key, self._times = "", 0
        self._drives: deque[float] = deque(maxlen=_COMPARED)
        self._energy = 0.0

    def changes(self, heard: HeardBars, state: PerformanceState, deck: str) -> dict[str, Value]:
        """The parameters that change after ``heard``, by path; only those that the deck follows."""
        found: dict[str, Value] = {}
        key = self._key(heard, str(state["key"]))
        if key and follows(state, deck, "key"):
            found["key"] = key
        chords = f"deck/{deck}/chords"
        sure = heard.chords and heard.chord_certainty >= CHORDS_SURE
        if sure and follows(state, deck, "chords") and state[chords] != heard.chords:
            found[chords] = heard.chords
        energy = f"deck/{deck}/energy"
        self._drives.append(heard.drive)
        present = min(1.0, max(-1.0, heard.drive - fmean(self._drives)))
        self._energy += _NEWEST * (present - self._energy)
        if (
            len(self._drives) > 1
            and follows(state, deck, "energy")
            and abs(self._energy - state.number(energy)) >= _LEAST_ENERGY
        ):
            found[energy] = round(self._energy, 2)
        return found

    def _key(self, heard: HeardBars, present: str) -> str:
        """The key to change to, or ``""``. Bars of no clear key count neither for nor against one."""
        if not heard.key or heard.key_certainty < KEY_SURE:
            return ""
        self._times = self._times + 1 if heard.key == self._next_key else 1
        self._next_key = heard.key
        return heard.key if self._times >= _CAPTURES and heard.key != present else ""
