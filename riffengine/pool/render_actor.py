"""RenderActor: a renderer process behind methods that another machine calls; what Ray runs for a pool.

The model is in a process of its own here too, as that of every other member: the code is the same, and a model that
crashes or hangs takes nothing of Ray's with it. This module imports no Ray.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from riffengine.clock import AwakeClock, Clock
from riffengine.errors import RendererError
from riffengine.pool.finished_loop import FinishedLoop
from riffengine.pool.jobs import Begin
from riffengine.pool.local_member import LocalMember, RendererMain
from riffengine.pool.member_link import MemberLink
from riffengine.processes.render_messages import Alive, Cancelled, Failed, Ready
from riffengine.renderer.process import RendererOptions

Answer = FinishedLoop | Failed | Cancelled

SILENCE_SECONDS = 20.0
"""Without a question of the pool, after which an actor ends: the pool has been killed, or its machine is gone."""

_CHECK_SECONDS = 1.0


class RenderActor:
    """One seat. All methods run on one event loop; ``leave`` ends the actor for good."""

    def __init__(
        self,
        options: RendererOptions,
        main: RendererMain,
        clock: Clock,
        leave: Callable[[], None],
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._options, self._main, self._leave = options, main, leave
        self._clock = AwakeClock(clock)  # a process that was stopped has not been forgotten
        self._silence_seconds = silence_seconds
        self._renderer: _Renderer | None = None
        self._watch: asyncio.Task[None] | None = None
        self._asked_ns = 0

    async def ready(self) -> Ready | Failed:
        """Load the model, if that has not been done; what it is, or why it cannot be loaded."""
        self._hear()
        if self._renderer is None:
            self._renderer = _Renderer(self._options, self._main)
            self._watch = asyncio.get_running_loop().create_task(self._until_silence())
        return await self._renderer.state()

    async def render(self, begin: Begin) -> Answer:
        """The loop of ``begin``. ``RendererError`` when the renderer process ends within it."""
        self._hear()
        return await self._at_work().render(begin)

    async def drop(self, attempt: int) -> None:
        """Stop ``attempt`` between two steps; its ``render`` returns ``Cancelled``."""
        self._hear()
        if self._renderer is not None:
            self._renderer.member.drop(attempt)

    async def life(self, was_ready: bool) -> Alive | None:
        """The last sign of the job at work, once. ``RendererError`` where it ``was_ready`` and is not any more."""
        self._hear()
        return self._at_work().sign() if was_ready else None

    async def close(self) -> None:
        """End the renderer process."""
        if self._watch is not None:
            self._watch.cancel()
        if self._renderer is not None:
            await self._renderer.member.close()

    def _at_work(self) -> _Renderer:
        """The renderer, once it is ready; Ray restarts an actor that has died, without what it had loaded."""
        if self._renderer is None or not self._renderer.known:
            raise RendererError("has been restarted")
        return self._renderer

    def _hear(self) -> None:
        self._asked_ns = self._clock.now_ns()

    async def _until_silence(self) -> None:
        while self._clock.now_ns() - self._asked_ns < self._silence_seconds * 1e9:
            await asyncio.sleep(_CHECK_SECONDS)
        if self._renderer is not None:
            await self._renderer.member.close()
        self._leave()


class _Renderer:
    """The renderer process of an actor. It is its ``MemberEvents``: what it says answers those who wait for it."""

    def __init__(self, options: RendererOptions, main: RendererMain) -> None:
        self.member = LocalMember("actor", options, main, self)
        self._state = self._new_state()
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._sign: Alive | None = None
        self.member.start()

    @property
    def known(self) -> bool:
        """Whether its state is known: it has not ended since it told it."""
        return self._state.done()

    async def state(self) -> Ready | Failed:
        """What it says when it has loaded its model, or could not."""
        return await asyncio.shield(self._state)

    async def render(self, begin: Begin) -> Answer:
        """The answer to ``begin``."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[begin.attempt] = answer
        try:
            self.member.begin(begin)
            return await answer
        finally:
            del self._answers[begin.attempt]

    def sign(self) -> Alive | None:
        """The last sign of life that was not asked for yet."""
        sign, self._sign = self._sign, None
        return sign

    def _new_state(self) -> asyncio.Future[Ready | Failed]:
        return asyncio.get_running_loop().create_future()

    def _answer(self, attempt: int, answer: Answer) -> None:
        waiting = self._answers.get(attempt)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    # --- MemberEvents ------------------------------------------------------------------------------------------------

    def ready(self, link: MemberLink, ready: Ready) -> None:
        """It takes jobs."""
        self._tell(ready)

    def unusable(self, link: MemberLink, reason: str) -> None:
        """It cannot load its model; it is started again by itself."""
        self._tell(Failed(-1, reason))

    def _tell(self, state: Ready | Failed) -> None:
        if self._state.done():
            self._state = self._new_state()
        self._state.set_result(state)

    def lost(self, link: MemberLink, reason: str) -> None:
        """It has ended; who waits for a loop is told, who asks for its state waits for the next one."""
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(RendererError(f"its renderer {reason}"))
        if self._state.done():
            self._state = self._new_state()

    def seats(self, link: MemberLink, seats: int) -> None:
        """A renderer process has one seat for ever."""

    def heard(self, link: MemberLink) -> None:
        """Nothing that a process sends comes in parts."""

    def alive(self, link: MemberLink, attempt: int, worked_seconds: float, steps: int, queued: bool = False) -> None:
        """A sign of life."""
        self._sign = Alive(attempt, worked_seconds, steps)

    def finished(self, link: MemberLink, attempt: int, loop: FinishedLoop) -> None:
        """The loop is there."""
        self._answer(attempt, loop)

    def failed(self, link: MemberLink, attempt: int, reason: str, hopeless: bool) -> None:
        """The loop could not be made."""
        self._answer(attempt, Failed(attempt, reason, hopeless))

    def dropped(self, link: MemberLink, attempt: int) -> None:
        """It ended as asked."""
        self._answer(attempt, Cancelled(attempt))
