"""NumericKinds: the numeric kind of each client, so that all loops of a morph bank are of one. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from riffengine.pool.jobs import Member


class NumericKinds:
    """The kinds of all clients. ``members`` is the dispatcher's own, of those that are there now.

    What reads a file of this machine (``local``) has a kind of its own: all loops of a bank read it, or none.
    """

    def __init__(self, members: Mapping[str, Member]) -> None:
        self._members = members
        self._kept: dict[tuple[str, bool], str] = {}

    def of(self, client: str, local: bool = False) -> str:
        """The kind that ``client`` has, or the one with the most room; "" where there is no member."""
        known = self._kept.get((client, local))
        if known is not None:
            return known
        room: dict[str, float] = {}
        for member in self._members.values():
            if member.local or not local:
                room[member.kind] = room.get(member.kind, 0.0) + member.free + member.seats / 1024
        return max(sorted(room), key=lambda kind: room[kind], default="")

    def keep(self, client: str, local: bool) -> str:
        """The kind of ``client``, which it has from now on, as long as there is a member of it."""
        self._kept[client, local] = self.of(client, local)
        return self._kept[client, local]

    def forget(self, client: str) -> None:
        """``client`` has ended."""
        for local in (False, True):
            self._kept.pop((client, local), None)

    def give_up(self) -> list[tuple[str, bool]]:
        """Clients whose last member of their kind has gone while others are there; they have no kind any more."""
        given_up = []
        for (client, local), kind in list(self._kept.items()):
            there = {member.kind for member in self._members.values() if member.local or not local}
            if there and kind not in there:
                del self._kept[client, local]
                given_up.append((client, local))
        return given_up
