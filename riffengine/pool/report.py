"""What a pool tells of itself: the figures of its dispatcher as one message."""

from __future__ import annotations

import math

from riffengine.pool.dispatcher import Dispatcher
from riffengine.processes.render_messages import PoolReport


def pool_report(dispatcher: Dispatcher, members: int, runway_seconds: float, wanted: int) -> PoolReport:
    """How a pool stands; ``wanted`` is the number of members that it tries to have. On the thread of ``dispatcher``."""
    counts = dispatcher.counts
    return PoolReport(
        members=members,
        seats=dispatcher.seats,
        busy=dispatcher.busy,
        waiting=dispatcher.waiting,
        delivered=counts.delivered,
        hits=counts.hits,
        hedges=counts.hedges,
        retries=counts.retries,
        lost=counts.lost,
        silences=counts.silences,
        disagreements=counts.disagreements,
        worked_seconds=counts.worked_seconds,
        wasted_seconds=counts.wasted_seconds,
        runway_seconds=None if math.isinf(runway_seconds) else round(runway_seconds, 1),
        wanted=wanted,
    )
