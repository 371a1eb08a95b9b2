"""RayMember: an actor of a Ray cluster as a member of a pool; asked again, and made again, whenever it has died."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from dataclasses import replace
from typing import Protocol

import numpy as np

from riffengine.clock import Clock, SystemClock
from riffengine.errors import ControlError, RendererError
from riffengine.pool.finished_loop import FinishedLoop
from riffengine.pool.jobs import Begin
from riffengine.pool.member_link import MemberEvents
from riffengine.pool.render_actor import Answer
from riffengine.processes.backoff import Backoff, RestartPolicy
from riffengine.processes.render_messages import Alive, Cancelled, Failed, Ready

_RESTARTS = RestartPolicy(pauses_seconds=(0.1, 0.5, 1.0, 2.0, 5.0), healthy_seconds=5.0)  # after it was ready
_LIFE_SECONDS = 1.0  # between two questions for signs of life
_TRIES = 2  # questions that a dead actor may leave unanswered before another is made in its place


class RemoteActor(Protocol):
    """A ``RenderActor`` elsewhere. Every call may raise ``RendererError`` with one line: it could not be asked."""

    async def ready(self) -> Ready | Failed:
        """Its model, as soon as that is loaded."""

    async def render(self, begin: Begin) -> Answer:
        """A loop."""

    async def drop(self, attempt: int) -> None:
        """Stop it."""

    async def life(self, was_ready: bool) -> Alive | None:
        """A sign of life; the question itself keeps the actor alive. It fails where the actor has been restarted."""

    async def end(self, again: bool) -> None:
        """End it by force; ``again``: the cluster starts it anew."""


class ActorSource(Protocol):
    """Where actors come from: a cluster."""

    local: bool  # they read the files of this machine

    async def actor(self, name: str) -> RemoteActor:
        """A new one. ``RendererError``: not now. ``ControlError``: not with these settings, or never yet."""


class RayMember:
    """One seat on a cluster. Event loop's thread."""

    def __init__(self, name: str, source: ActorSource, events: MemberEvents, clock: Clock | None = None) -> None:
        self.name, self.local = name, source.local
        self.ready = False  # it takes jobs
        self._source, self._events = source, events
        self._backoff, self._clock = Backoff(_RESTARTS), clock or SystemClock()
        self._actor: RemoteActor | None = None
        self._running: asyncio.Task[None] | None = None
        self._down: asyncio.Future[str] | None = None  # while there is an actor; why there is none any more
        self._asking: set[asyncio.Task[None]] = set()
        self.busy = 0  # jobs that it has

    def start(self) -> None:
        """Have an actor made, and another whenever it dies."""
        self._running = asyncio.get_running_loop().create_task(self._run())

    def begin(self, begin: Begin) -> None:
        """Send the job."""
        if self._actor is not None and self._down is not None:
            self.busy += 1
            self._ask(self._render(self._actor, begin, self._down))

    def drop(self, attempt: int) -> None:
        """Have it stop the job between two steps."""
        if self._actor is not None:
            self._ask(self._actor.drop(attempt))

    def end(self) -> None:
        """End it by force; the cluster starts it anew."""
        if self._actor is not None:
            self._ask(self._actor.end(again=True))

    async def close(self) -> None:
        """End it for good."""
        tasks = [*self._asking, *([] if self._running is None else [self._running])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._actor is not None:
            with contextlib.suppress(RendererError):
                await self._actor.end(again=False)

    async def _run(self) -> None:
        failures, told = 0, ""
        while True:
            reason, usable = await self._serve()
            was_ready, self.ready = self.ready, False
            failures = 0 if was_ready else failures + 1
            if not usable and reason != told:
                self._events.unusable(self, reason)
            elif usable and (was_ready or failures == 1):  # once for each row of failures
                self._events.lost(self, reason)
            told = reason
            if failures >= _TRIES and self._actor is not None:
                self._ask(self._actor.end(again=False))
                self._actor = None
            await asyncio.sleep(self._backoff.pause(self._clock.now_ns()))

    async def _serve(self) -> tuple[str, bool]:
        """Work with the actor until it fails; returns why it did, and whether its model could be used."""
        life: asyncio.Task[None] | None = None
        try:
            if self._actor is None:
                self._actor = await self._source.actor(self.name)
            loop = asyncio.get_running_loop()
            down: asyncio.Future[str] = loop.create_future()
            self._down = down
            life = loop.create_task(self._listen(self._actor, down))  # from now on: a model may take minutes to load
            state = await self._actor.ready()
            if isinstance(state, Failed):
                return state.reason, False
            self.ready = True
            self._backoff.started(self._clock.now_ns())
            self._events.ready(self, state)
            return await down, True
        except ControlError as error:
            return str(error), False
        except RendererError as error:
            return str(error), True
        except Exception as error:  # noqa: BLE001 (one answer that trips us must not cost the member for good)
            return f"is left after an unexpected {type(error).__name__}: {error}", True
        finally:
            self._down = None
            if life is not None:
                life.cancel()

    async def _listen(self, actor: RemoteActor, down: asyncio.Future[str]) -> None:
        """Ask for signs of life. One that does not answer is noticed by the dispatcher, if it has a job."""
        try:
            while True:
                sign = await actor.life(self.ready)
                if sign is not None:
                    self._events.alive(self, sign.job, sign.worked_seconds, sign.steps)
                await asyncio.sleep(_LIFE_SECONDS)
        except RendererError as error:
            _fail(down, str(error))
        except Exception as error:  # noqa: BLE001 (the same)
            _fail(down, f"is left after an unexpected {type(error).__name__}: {error}")

    async def _render(self, actor: RemoteActor, begin: Begin, down: asyncio.Future[str]) -> None:
        events, attempt = self._events, begin.attempt
        try:
            answer = await actor.render(begin)
        except RendererError as error:
            _fail(down, str(error))
            return
        except Exception as error:  # noqa: BLE001 (the same)
            _fail(down, f"is left after an unexpected {type(error).__name__}: {error}")
            return
        finally:
            self.busy -= 1
        match answer:
            case FinishedLoop():  # its samples lie in the cluster's memory, which a cache must not hold
                events.finished(self, attempt, replace(answer, samples=np.array(answer.samples, copy=True)))
            case Failed():
                events.failed(self, attempt, answer.reason, answer.hopeless)
            case Cancelled():
                events.dropped(self, attempt)

    def _ask(self, question: Awaitable[None]) -> None:
        async def ask() -> None:
            with contextlib.suppress(RendererError):  # whoever listens for life hears of it
                await question

        task = asyncio.get_running_loop().create_task(ask())
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)


def _fail(down: asyncio.Future[str], reason: str) -> None:
    """The actor has failed for whoever waits for ``down``; a later failure of the same life, or of one before, is none.

    A call to an actor that has died may fail seconds later, when Ray has started it anew and it is at work again.
    """
    if not down.done():
        down.set_result(reason)
