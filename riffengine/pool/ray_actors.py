"""RayActors: the members that a pool has of a Ray cluster, as many as its scaling wants."""

from __future__ import annotations

from riffengine.pool.ray_member import ActorSource, RayMember
from riffengine.pool.renderer_pool import RendererPool
from riffengine.pool.scaling import Scaling, ScalingPolicy


class RayActors:
    """Hires and dismisses the actors of ``pool``. Event loop's thread."""

    def __init__(self, pool: RendererPool, source: ActorSource, policy: ScalingPolicy) -> None:
        self._pool, self._source, self._scaling = pool, source, Scaling(policy)
        self._members: list[RayMember] = []
        self._asked_at: dict[str, float] = {}  # when the members that were never ready were asked for
        self._made = 0

    def step(self, now: float) -> int:
        """Called ten times a second; returns how many are wanted."""
        for member in self._members:
            if member.ready and member.name in self._asked_at:
                self._scaling.started(now - self._asked_at.pop(member.name))
        ready = sum(member.ready for member in self._members)
        busy = sum(member.busy for member in self._members)
        wanted = self._scaling.step(now, self._pool.runway_seconds(), ready, busy)
        while len(self._members) < wanted:
            self._hire(now)
        if len(self._members) > wanted:
            self._dismiss()
        return wanted

    def _hire(self, now: float) -> None:
        self._made += 1
        member = RayMember(f"actor-{self._made}", self._source, self._pool)
        self._members.append(member)
        self._asked_at[member.name] = now
        self._pool.hire(member)

    def _dismiss(self) -> None:
        """End one that has no job; where all have, a later step does."""
        idle = [member for member in self._members if not member.busy]
        for member in sorted(idle, key=lambda member: member.ready)[:1]:
            self._members.remove(member)
            self._asked_at.pop(member.name, None)
            self._pool.dismiss(member)
