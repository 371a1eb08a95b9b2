"""NumericKinds: the numeric kind of each client, so that all loops of a morph bank are of one. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from riffengine.pool.jobs import Member


class NumericKinds:
    """The kinds of all clients. ``members`` is the dispatcher's own, of those that are there now.

    A kind whose members have had no seat for ``bare_seconds`` is given up, as one without members is at once.

    What reads a file of this machine (``local``) has a kind of its own: all loops of a bank read it, or none.
    """

    def __init__(self, members: Mapping[str, Member], bare_seconds: float) -> None:
        self._members, self._bare_seconds = members, bare_seconds
        self._bare: dict[tuple[str, bool], float] = {}  # kinds without a seat, and since when
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
        """The kind of ``client``, which it has from now on, as long as there is a seat of it."""
        self._kept[client, local] = self.of(client, local)
        return self._kept[client, local]

    def forget(self, client: str) -> None:
        """``client`` has ended."""
        for local in (False, True):
            self._kept.pop((client, local), None)

    def give_up(self, now: float) -> list[tuple[str, bool]]:
        """Clients whose kind has no member or has long had no seat, while others are there; they have no kind any more.

        ``now`` in seconds of the pool's time.
        """
        given_up, bare = [], dict[tuple[str, bool], float]()
        for local in (False, True):
            seats: dict[str, int] = {}
            for member in self._members.values():
                if member.local or not local:
                    seats[member.kind] = seats.get(member.kind, 0) + member.seats
            for kind in [kind for kind, number in seats.items() if number == 0]:
                bare[kind, local] = self._bare.get((kind, local), now)
                if any(seats.values()) and now - bare[kind, local] >= self._bare_seconds:
                    del seats[kind]
            lost = [client for (client, of), kind in self._kept.items() if of == local and kind not in seats]
            for client in lost if seats else ():
                del self._kept[client, local]
                given_up.append((client, local))
        self._bare = bare
        return given_up
