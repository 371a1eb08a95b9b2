"""PoolModel: which weights a pool plays, and which of its members have them. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from riffengine.processes.render_messages import Ready
from riffengine.renderer.family import NAME_DIGITS


@dataclass
class PoolModel:
    """What clients are told of the model: ``face`` is what a member said of it, ``None`` before the first."""

    face: Ready | None = None
    _players: set[str] = field(default_factory=set)  # members that have played it
    left_out: dict[str, Ready] = field(default_factory=dict)  # members with other weights, and what they said

    def judge(self, name: str, ready: Ready, others: Collection[str]) -> tuple[bool, str]:
        """Whether ``name`` plays along beside ``others``, which are ready, and what is to be said of it ("": nothing).

        Where no other is ready, a member that has played comes back with other weights, of the same stems and
        channels, and so the pool goes over to these: ``face`` changes. One that was left out does not take over,
        since those that it differs from may come back within a second.
        """
        face = self.face
        if face is None or _sound_alike(face, ready):
            self.face = face or ready
            self._admit(name)
            return True, ""
        if others or name not in self._players or (face.stems, face.channels) != (ready.stems, ready.channels):
            self.left_out[name] = ready
            self._players.discard(name)
            return False, (
                f"{name} plays {ready.model} with other weights ({_name(ready)}, not "
                f"{_name(face)}) and is left out; give it the same model"
            )
        self.face, self._players = ready, set()
        self._admit(name)
        return True, (
            f"{name} is back with other weights ({_name(ready)}, not "
            f"{_name(face)}) and no other renderer is there: loops sound different from now on"
        )

    def welcome(self) -> list[str]:
        """Members that were left out and have the weights that are played now; they play along from now on."""
        names = [name for name, ready in self.left_out.items() if self.face and _sound_alike(self.face, ready)]
        for name in names:
            self._admit(name)
        return names

    def gone(self, name: str) -> None:
        """``name`` has ended."""
        self.left_out.pop(name, None)

    def _admit(self, name: str) -> None:
        self.left_out.pop(name, None)
        self._players.add(name)


def _sound_alike(one: Ready, other: Ready) -> bool:
    return (one.weights_digest, one.stems, one.channels) == (other.weights_digest, other.stems, other.channels)


def _name(ready: Ready) -> str:
    """Its weights, for a person."""
    return ready.weights_digest[:NAME_DIGITS] or "unknown"
