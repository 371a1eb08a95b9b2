"""RendererPool: the members, the dispatcher and the caches put together, and the clients that they work for.

A client is an engine at the other end of a pipe, or of a connection from another machine. Event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace

from riffengine.clock import AwakeClock, Clock
from riffengine.errors import AudioFileError
from riffengine.pool.caches import LoopCaches
from riffengine.pool.content_key import content_key
from riffengine.pool.dispatcher import Dispatcher
from riffengine.pool.finished_loop import FinishedLoop
from riffengine.pool.jobs import (
    Begin,
    Dropped,
    EndMember,
    HandOver,
    Order,
    PoolAction,
    Progress,
    Refused,
    Stop,
)
from riffengine.pool.loop_shape import misfit
from riffengine.pool.member_link import MemberLink
from riffengine.pool.policy import PoolPolicy
from riffengine.pool.pool_client import PoolClient
from riffengine.pool.pool_model import PoolModel
from riffengine.pool.report import pool_report
from riffengine.pool.scaling import Runways
from riffengine.processes.render_messages import PoolReport, Ready, Render
from riffengine.processes.render_request import RenderRequest

TICK_SECONDS = 0.1
_REPORT_SECONDS = 1.0


@dataclass
class _Waiting:
    """A job of a client that is not answered yet; ``contents`` of the file that it starts from, ``None``: not known."""

    render: Render
    contents: str | None = ""
    expires: bool = False


class RendererPool:
    """One pool. ``links`` are added by ``add`` before ``start``; ``clock`` tells the pool's time.

    That stands still while this process does: a set that was stopped and goes on must not take its members for hung.
    """

    def __init__(self, caches: LoopCaches, clock: Clock, policy: PoolPolicy | None = None) -> None:
        self.dispatcher = Dispatcher(policy)
        self._caches, self._clock = caches, AwakeClock(clock)
        self._links: dict[str, MemberLink] = {}
        self._kinds: dict[str, str] = {}  # of members that are ready
        self._unusable: dict[str, str] = {}  # members that could not load their model, and why
        self._model = PoolModel()
        self.faults = 0  # loops that could not be looked for, and were rendered, or could not be kept
        self._gave_misfits: set[str] = set()  # members, and the cache, that gave a loop of another shape: told once
        self._clients: dict[str, PoolClient] = {}
        self._told_seats: dict[str, int] = {}
        self._told_kinds: dict[str, str] = {}
        self._waiting: dict[tuple[str, int], _Waiting] = {}
        self._runways = Runways()
        self._scale: Callable[[float], int] | None = None
        self._wanted = 0
        self._looking: set[asyncio.Task[None]] = set()
        self._tick: asyncio.TimerHandle | None = None
        self._report: PoolReport | None = None
        self._next_report = 0.0

    def add(self, link: MemberLink) -> None:
        """A member more."""
        self._links[link.name] = link

    def hire(self, link: MemberLink) -> None:
        """A member more, while the pool works."""
        self.add(link)
        link.start()

    def dismiss(self, link: MemberLink) -> None:
        """A member less; a job that it has is rendered elsewhere."""
        del self._links[link.name]
        self._kinds.pop(link.name, None)
        self._unusable.pop(link.name, None)
        self._model.gone(link.name)
        self._carry_out(self.dispatcher.member_lost(link.name, self._now()))
        self._in_background(link.close())

    def scale_by(self, scale: Callable[[float], int]) -> None:
        """Call ``scale`` with the time at every tick: it hires and dismisses, and returns how many it wants."""
        self._scale = scale

    def runway_seconds(self) -> float:
        """Until the first of the sets that wait for loops has nothing new to play; infinite where none waits."""
        return self._runways.least({client for client, _ in self._waiting}, self._now())

    def start(self) -> None:
        """Start all members."""
        for link in self._links.values():
            link.start()
        self._tick = asyncio.get_running_loop().call_later(TICK_SECONDS, self._on_tick)

    async def close(self) -> None:
        """End everything."""
        if self._tick is not None:
            self._tick.cancel()
        for task in self._looking:
            task.cancel()
        for link in self._links.values():
            await link.close()
        self._caches.close()

    def report(self) -> PoolReport:
        """How the pool stands."""
        return pool_report(self.dispatcher, len(self._kinds), self.runway_seconds(), self._wanted)

    # --- clients -----------------------------------------------------------------------------------------------------

    def join(self, client: PoolClient) -> None:
        """Work for ``client``; it is told ``ready`` as soon as a member is."""
        self._clients[client.name] = client
        if self._kinds:
            self._tell_ready(client)

    def leave(self, name: str) -> None:
        """Work for this client no more."""
        self._clients.pop(name, None)
        self._told_seats.pop(name, None)
        self._told_kinds.pop(name, None)
        self._runways.forget(name)
        for key in [key for key in self._waiting if key[0] == name]:
            del self._waiting[key]
        self._carry_out(self.dispatcher.client_gone(name, self._now()))

    def order(self, client: str, render: Render, expires: bool = False) -> None:
        """``client`` wants a loop: from a cache, or rendered; ``expires``: not where it is begun too late."""
        waiting = self._waiting[client, render.job] = _Waiting(render, expires=expires)
        self._runways.tell(client, render.runway_seconds, self._now())
        request = render.request
        if request.init and not any(link.local for link in self._links.values()):
            del self._waiting[client, render.job]
            reason = "only a renderer of this machine reads its files; add renderers: 1 to the section pool"
            self._clients[client].failed(render.job, reason, hopeless=True)
            return
        if not request.init:
            loop = self._caches.now(self._key(client, waiting))
            if loop is not None:
                self._hit(client, render.job, loop)
                return
            if self._caches.disk is None:
                self._dispatch(client, waiting)
                return
        self._in_background(self._look(client, waiting))

    def cancel(self, client: str, job: int) -> None:
        """``client`` wants ``job`` no more."""
        waiting = self._waiting.pop((client, job), None)
        if waiting is None:
            return
        if self.dispatcher.holds(client, job):
            self._carry_out(self.dispatcher.cancel(client, job, self._now()))
        else:  # it is being looked for on the disk
            self._clients[client].dropped(job)

    async def _look(self, client: str, waiting: _Waiting) -> None:
        """Read what the request starts from, and look for the loop in the caches."""
        job, loop = waiting.render.job, None
        try:
            if waiting.render.request.init:
                waiting.contents = None
                waiting.contents = await self._caches.contents(waiting.render.request.init)
            key = self._key(client, waiting)
            loop = self._caches.now(key) or await self._caches.later(key)
            if loop is not None and self._refuses("the folder of the cache", loop, waiting.render.request):
                self._caches.drop(key)
                loop = None
        except AudioFileError as error:
            if self._waiting.pop((client, job), None) is waiting:
                self._clients[client].failed(job, str(error), hopeless=True)
            return
        except Exception:  # noqa: BLE001 (whatever a cache cannot do, a renderer can: the loop is made)
            self.faults += 1
        if self._waiting.get((client, job)) is not waiting:  # cancelled meanwhile
            return
        if loop is not None:
            self._hit(client, job, loop)
        else:
            self._dispatch(client, waiting)

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    def _dispatch(self, client: str, waiting: _Waiting) -> None:
        render, now = waiting.render, self._now()
        deadline = None if render.seconds_left is None else now + render.seconds_left
        local = bool(render.request.init)
        bank, contents = render.bank, waiting.contents or ""
        order = Order(client, render.job, render.request, deadline, bank, local, waiting.expires, contents)
        self._carry_out(self.dispatcher.order(order, now))

    def _hit(self, client: str, job: int, loop: FinishedLoop) -> None:
        self.dispatcher.counts.hits += 1
        self._clients[client].finished(self._waiting.pop((client, job)).render, loop)

    def _key(self, client: str, waiting: _Waiting, kind: str | None = None) -> str:
        weights = self._model.face.weights_digest if self._model.face is not None else ""
        kind = self.dispatcher.kind_of(client, bool(waiting.render.request.init)) if kind is None else kind
        return content_key(waiting.render.request, weights, kind, waiting.contents or "")

    # --- members -----------------------------------------------------------------------------------------------------

    def ready(self, link: MemberLink, ready: Ready) -> None:
        """A member takes jobs, if it plays what the others do."""
        before, others = self._model.face, self._kinds.keys() - {link.name}
        plays, remark = self._model.judge(link.name, ready, others)
        if remark:
            self._say(remark)
        if not plays or remark:  # a node may come to other weights within one connection
            self._withdraw(link)
        if not plays:
            return
        admitted = {link.name: ready}
        if before is not self._model.face:
            left_out = dict(self._model.left_out)
            admitted |= {name: left_out[name] for name in self._model.welcome()}
        for name, told in admitted.items():
            self._kinds[name] = told.kind
            self._unusable.pop(name, None)
            local = self._links[name].local
            self._carry_out(self.dispatcher.member_ready(name, told.seats, told.kind, local, self._now()))
        for client in self._clients.values():
            if client.name not in self._told_seats or self._model.face is not before:
                self._tell_ready(client)
        self._tell_seats(f"{link.name} is ready")

    def _withdraw(self, link: MemberLink) -> bool:
        """Count on a member no more; whether it was counted on."""
        was_ready = self._kinds.pop(link.name, None) is not None
        self._carry_out(self.dispatcher.member_lost(link.name, self._now()))
        return was_ready

    def seats(self, link: MemberLink, seats: int) -> None:
        """A node has more renderers than before, or fewer."""
        self._carry_out(self.dispatcher.member_seats(link.name, seats, self._now()))
        self._tell_seats(f"{link.name} changes")

    def lost(self, link: MemberLink, reason: str) -> None:
        """A member has ended; what it rendered is rendered elsewhere."""
        self._model.gone(link.name)
        if self._withdraw(link):
            if not self._kinds:
                self._say(f"{link.name} {reason}; nothing is rendered until a renderer is there again")
            self._tell_seats(f"{link.name} {reason}" if self._kinds else "")
        elif not link.local:
            self._say(f"{link.name} {reason}; it is tried again")

    def unusable(self, link: MemberLink, reason: str) -> None:
        """A member cannot load its model; where none ever could, the clients are told as of a single renderer.

        Otherwise they are told once, however many members it is true of, and however often these are tried again.
        """
        known = reason in self._unusable.values()
        self._unusable[link.name] = reason
        if self._model.face is None and self._unusable.keys() >= self._links.keys():
            for client in self._clients.values():
                client.failed(-1, reason, hopeless=False)
        elif not known:
            self._say(f"{link.name}: {reason}")

    def alive(self, link: MemberLink, attempt: int, worked_seconds: float, steps: int, queued: bool = False) -> None:
        """A sign of life."""
        self._carry_out(self.dispatcher.sign(link.name, attempt, worked_seconds, steps, self._now(), queued))

    def heard(self, link: MemberLink) -> None:
        """Something has come from a member."""
        self.dispatcher.heard(link.name, self._now())

    def finished(self, link: MemberLink, attempt: int, loop: FinishedLoop) -> None:
        """A loop is there: hand it to everyone who wants it, and keep it; one of another shape is a failure."""
        wanted = self.dispatcher.request_of(link.name, attempt)
        refusal = "" if wanted is None else self._refuses(link.name, loop, wanted)
        if refusal:
            self.failed(link, attempt, refusal, hopeless=False)
            return
        actions = self.dispatcher.delivered(link.name, attempt, loop.fingerprint(), self._now())
        for action in actions:
            if isinstance(action, HandOver):
                waiting = self._waiting.pop((action.client, action.job), None)
                if waiting is not None:
                    self._keep(self._key(action.client, waiting, self._kinds.get(link.name, "")), waiting, loop)
                    self._clients[action.client].finished(waiting.render, loop)
        self._carry_out([action for action in actions if not isinstance(action, HandOver)])

    def _keep(self, key: str, waiting: _Waiting, loop: FinishedLoop) -> None:
        """Keep ``loop`` in the caches, unless it may be of other contents of a file than ``key``."""
        if not waiting.render.request.init:
            self._caches.put(key, loop)
        elif waiting.contents is not None:
            self._in_background(self._keep_if_unchanged(key, waiting, loop))

    async def _keep_if_unchanged(self, key: str, waiting: _Waiting, loop: FinishedLoop) -> None:
        """The renderer read the file after its contents were asked for: keep ``loop`` where these have not changed."""
        try:
            if await self._caches.contents(waiting.render.request.init) == waiting.contents:
                self._caches.put(key, loop)
        except Exception:  # noqa: BLE001 (the file is gone, or cannot be read in time: the loop is not kept)
            self.faults += 1

    def _refuses(self, giver: str, loop: FinishedLoop, request: RenderRequest) -> str:
        """Why ``loop`` is not what ``request`` asks for, "" where it is; told of ``giver`` once."""
        wrong = misfit(loop, request, self._model.face) if self._model.face is not None else ""
        if wrong and giver not in self._gave_misfits:
            self._gave_misfits.add(giver)
            self._say(f"{giver} gives {wrong}; such loops are refused, and rendered by another where there is one")
        return f"{giver} gives {wrong}" if wrong else ""

    def failed(self, link: MemberLink, attempt: int, reason: str, hopeless: bool) -> None:
        """A loop could not be made there."""
        self._carry_out(self.dispatcher.failed(link.name, attempt, reason, hopeless, self._now()))

    def dropped(self, link: MemberLink, attempt: int) -> None:
        """An attempt ended as it was asked to."""
        self._carry_out(self.dispatcher.stopped(link.name, attempt, self._now()))

    # --- actions -----------------------------------------------------------------------------------------------------

    def _now(self) -> float:
        return self._clock.now_ns() / 1e9

    def _on_tick(self) -> None:
        self._tick = asyncio.get_running_loop().call_later(TICK_SECONDS, self._on_tick)
        self.tick()

    def tick(self) -> None:
        """Time has passed; called ten times a second after ``start``."""
        self._carry_out(self.dispatcher.tick(self._now()))
        if self._scale is not None:
            self._wanted = self._scale(self._now())
        self._tell_seats("")
        report = self.report()
        if report != self._report and self._now() >= self._next_report:
            self._report, self._next_report = report, self._now() + _REPORT_SECONDS
            for client in self._clients.values():
                client.report(report)

    def _carry_out(self, actions: Sequence[PoolAction]) -> None:
        for action in actions:
            match action:
                case Begin():
                    self._links[action.member].begin(action)
                case Stop():
                    self._links[action.member].drop(action.attempt)
                case EndMember():
                    self._say(f"{action.member} {action.reason}; it is ended and started again")
                    self._links[action.member].end()
                case Progress():
                    client = self._clients[action.client]
                    client.alive(action.job, action.worked_seconds, action.steps, action.queued)
                case Dropped():
                    self._waiting.pop((action.client, action.job), None)
                    self._clients[action.client].dropped(action.job)
                case Refused():
                    self._waiting.pop((action.client, action.job), None)
                    self._clients[action.client].failed(action.job, action.reason, action.hopeless)
                case HandOver():
                    raise AssertionError("only a finished loop is handed over")

    def _tell_ready(self, client: PoolClient) -> None:
        assert self._model.face is not None
        kind = self._told_kinds[client.name] = self.dispatcher.bind(client.name)
        seats = self._told_seats[client.name] = self.dispatcher.seats_of(client.name)
        client.ready(replace(self._model.face, seats=seats, kind=kind))

    def _tell_seats(self, reason: str) -> None:
        """Tell each client its seats where they changed, after its numeric kind where it has gone over to another."""
        for name, told in self._told_seats.items():
            if self.dispatcher.kind_of(name) != self._told_kinds[name]:
                self._tell_ready(self._clients[name])
            seats = self.dispatcher.seats_of(name)
            if seats != told:
                self._told_seats[name] = seats
                self._clients[name].seats(seats, f"{reason}: {seats} renders at a time" if reason else "")

    def _say(self, text: str) -> None:
        for name, client in self._clients.items():
            client.seats(self._told_seats.get(name, 1), text)
