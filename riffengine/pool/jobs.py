"""The records of the dispatcher: members, works, attempts and tickets; and the actions that it asks for."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field

from riffengine.processes.render_request import RenderRequest

_BANKS_KEPT = 16


@dataclass(frozen=True)
class Order:
    """What a client wants: ``request`` by ``deadline`` (seconds of the pool's time; ``None``: by no certain time).

    ``local``: it reads a file of this machine, so only members of this machine can make it; ``contents`` is the SHA-256
    of what that held, and orders of one file share a render only where it is the same. ``expires``: it is dropped
    where nobody has begun it by ``deadline``; whoever ordered it decides anew.
    """

    client: str
    job: int
    request: RenderRequest
    deadline: float | None = None
    bank: str = ""
    local: bool = False
    expires: bool = False
    contents: str = ""

    def is_late(self, now: float) -> bool:
        """Whether it shall not be begun any more."""
        return self.expires and self.deadline is not None and now > self.deadline


@dataclass
class Member:
    """A renderer of the pool as the dispatcher knows it. ``local``: it reads this machine's files."""

    name: str
    seats: int
    kind: str
    local: bool
    attempts: dict[int, Attempt] = field(default_factory=dict)
    silent: bool = False  # for too long, with work to do: it gets no more
    ending: bool = False  # its end was asked for
    banks: OrderedDict[str, None] = field(default_factory=OrderedDict)  # whose ends and mels it may still hold

    @property
    def free(self) -> int:
        """How many attempts may begin now."""
        return 0 if self.silent or self.ending else max(0, self.seats - len(self.attempts))

    def remember(self, bank: str) -> None:
        """It has worked on ``bank``."""
        self.banks[bank] = None
        self.banks.move_to_end(bank)
        while len(self.banks) > _BANKS_KEPT:
            self.banks.popitem(last=False)


@dataclass
class Attempt:
    """``work`` is being rendered by ``member``. ``sign`` is when the member was last heard of it."""

    number: int
    work: Work
    member: Member
    began: float
    sign: float
    hedge: bool = False
    stopped: float | None = None  # when its end was asked for
    steps: int = 0
    worked_seconds: float = 0.0
    queued: bool = False  # it waits at a member that is a pool itself

    @property
    def live(self) -> bool:
        """Whether its result may still come in time."""
        return self.stopped is None and not self.member.silent and not self.member.ending


@dataclass
class Work:
    """One loop that is wanted, by one client or several, and the attempts to make it."""

    key: tuple[str, str]  # numeric kind, and request with the contents of its file
    request: RenderRequest
    number: int  # in the order of arrival
    orders: dict[tuple[str, int], Order] = field(default_factory=dict)
    attempts: dict[int, Attempt] = field(default_factory=dict)
    failed_at: set[str] = field(default_factory=set)  # members that failed with it
    losses: int = 0  # members that died with it
    failure: str = ""
    told_waiting: float = -math.inf  # when its clients heard last that it waits

    @property
    def live(self) -> bool:
        """Whether a member renders it whose result may still come in time."""
        return any(attempt.live for attempt in self.attempts.values())

    @property
    def deadline(self) -> float | None:
        """The earliest of its orders."""
        return min((order.deadline for order in self.orders.values() if order.deadline is not None), default=None)

    @property
    def local(self) -> bool:
        """Whether only a member of this machine can make it."""
        return any(order.local for order in self.orders.values())

    @property
    def bank(self) -> str:
        """Of its first order."""
        return next((order.bank for order in self.orders.values()), "")


# --- actions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Begin:
    """Have ``member`` render ``request`` as ``attempt``; ``seconds_left`` until it is needed."""

    member: str
    attempt: int
    request: RenderRequest
    seconds_left: float | None = None
    bank: str = ""


@dataclass(frozen=True)
class Stop:
    """Have ``member`` drop ``attempt``; it answers that it did, or delivers all the same."""

    member: str
    attempt: int


@dataclass(frozen=True)
class EndMember:
    """``member`` hangs: end it and start another in its place."""

    member: str
    reason: str


@dataclass(frozen=True)
class HandOver:
    """The loop that was just delivered is what ``client`` wanted as ``job``."""

    client: str
    job: int


@dataclass(frozen=True)
class Dropped:
    """``job`` of ``client`` ended as it had asked."""

    client: str
    job: int


@dataclass(frozen=True)
class Refused:
    """``job`` of ``client`` could not be made; ``reason`` is for a person."""

    client: str
    job: int
    reason: str
    hopeless: bool = False


@dataclass(frozen=True)
class Progress:
    """``job`` of ``client`` is being rendered: processor seconds of all its attempts, and the most steps of any.

    ``queued``: nobody has begun it; it waits for a seat.
    """

    client: str
    job: int
    worked_seconds: float
    steps: int
    queued: bool = False


PoolAction = Begin | Stop | EndMember | HandOver | Dropped | Refused | Progress
