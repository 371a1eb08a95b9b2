"""Names of MIDI ports, as drivers give them and as people know them, and labels for controllers of one name. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

# What drivers add to a controller's name, in the order in which it is removed.
_ADDED = (
    r"\s+\d+:\d+$",  # ALSA: client and port numbers, new at every plug-in
    r"^a2j:",  # the bridge from ALSA to JACK
    r"\s*\[\d+\]",
    r"\s*\((capture|playback)\)",
    r"-\d\d(?=:)",  # JACK: the second client of a name
)
_DIRECTION = r"[\s:_-]*\b(in|out|input|output)$"  # one controller has one name for input and output


def normalised(name: str) -> str:
    """A port's name in lower case without the client numbers that ALSA changes at every plug-in."""
    return re.sub(_ADDED[0], "", name).strip().lower()


def base_name(name: str) -> str:
    """The controller behind a port: what stays the same over plug-ins, drivers and directions, in lower case."""
    plain = name.strip().lower()
    for added in _ADDED:
        plain = re.sub(added, "", plain).strip()
    client, _, port = plain.partition(":")
    port = port.strip()
    if port.startswith(client):  # "nanoKONTROL2:nanoKONTROL2 MIDI 1"
        plain = port
    return re.sub(_DIRECTION, "", plain).strip() or plain


def label(base: str, slot: int) -> str:
    """What a person calls the ``slot``-th (from 1) of several controllers of one name."""
    return base if slot == 1 else f"{base} #{slot}"


def matches_port(part: str, name: str) -> bool:
    """Whether ``part``, as written in a map or preset, names the controller labelled ``name``.

    ``nano`` names every nanoKONTROL2, ``nano#2`` the second, ``nano#1`` the first.
    """
    wanted, _, number = part.lower().partition("#")
    base, _, slot = name.partition(" #")
    return wanted.strip() in base and (not number.strip() or number.strip() == (slot or "1"))


class PortLabels:
    """Gives controllers of one name different labels: one that comes back gets the label it had. One thread."""

    def __init__(self) -> None:
        # base name → the driver's name in each slot, kept while the controller is disconnected
        self._slots: dict[str, list[str]] = {}

    def assign(self, names: Sequence[str]) -> dict[str, int]:
        """The label of each port in ``names``, and its index there."""
        repeats: Counter[str] = Counter()
        here: dict[str, dict[str, int]] = {}  # base name → driver's name, made unique → number
        for number, name in enumerate(names):
            repeats[name] += 1
            here.setdefault(base_name(name), {})[f"{name}\0{repeats[name]}"] = number
        found = {}
        for base, present in here.items():
            slots = self._slots.setdefault(base, [])
            for name in present:
                if name not in slots:
                    vacant = next((at for at, kept in enumerate(slots) if kept not in present), len(slots))
                    slots[vacant : vacant + 1] = [name]
            found.update({label(base, slots.index(name) + 1): number for name, number in present.items()})
        return found
