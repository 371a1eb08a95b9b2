"""Renditions: a renderer of the web server's own, for loops that are asked for over HTTP, and a cache of what it made.

It is not the set's renderer: a loop for a web client must not stand in front of a loop that the music needs, and one
that fails must not count as a fault of the set. It has a lower priority, is started by the first request, is started
again when it dies or hangs, and ends when nothing was asked for a while. It costs the memory of the model once more.
Where the set's pool keeps loops in a folder, they are shared.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from riffengine.clock import Clock
from riffengine.errors import LoopStoreError, RendererError
from riffengine.processes.audio import Samples
from riffengine.processes.backoff import Backoff, RestartPolicy
from riffengine.processes.loop_store import LoopStore
from riffengine.processes.render_messages import Alive, Delivery, Failed, FromRenderer, Ready, Render
from riffengine.processes.render_request import RenderRequest
from riffengine.processes.silence import Silence
from riffengine.renderer.process import RendererOptions, RendererProcess
from riffengine.renderer.registry import model_shape
from riffengine.web.rendition_cache import RenditionCache

_NICENESS = 5  # on top of the server's own 2: below the set's renderer, but a busy machine must not starve it
_MOST_KEPT = 96  # loops of some 1 MB,
_MOST_KEPT_BYTES = 200 << 20  # which are longer at a slow tempo
_MOST_AHEAD = 3
_MOST_LEFT = 8  # loops that nobody waits for any more; who has asked may ask again
_IDLE_SECONDS = 600.0
_RESTARTS = RestartPolicy(pauses_seconds=(0.0, 1.0, 3.0, 10.0), healthy_seconds=5.0)  # after it was ready
_MOST_DEATHS = 3  # over one loop, which is then given up
_CHECK_SECONDS = 0.25
_HANGS_SECONDS = 20.0  # of a loop without progress
_WORKS_SECONDS = 0.05  # of a processor, told as its work: progress
_LOADS_SECONDS = 300.0  # of a model: a large one from a slow disk


@dataclass
class _Job:
    request: RenderRequest
    ahead: bool  # nobody waits for it, yet or any more
    waiting: int = 0  # clients
    deaths: int = 0  # of renderers that worked at it
    done: asyncio.Future[Samples] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Renditions:
    """Renders ``RenderRequest``s one after the other. Belongs to the server's event loop.

    ``frames`` is how long a loop is at most. Errors are ``RendererError``.
    """

    def __init__(
        self,
        model: str,
        frames: int,
        clock: Clock,
        start: Callable[[RendererOptions], RendererProcess] = RendererProcess,
        cache: RenditionCache | None = None,
    ) -> None:
        self.deaths = 0
        self._cache = cache
        self._model, self._frames, self._clock, self._start = model, frames, clock, start
        self._kept: OrderedDict[RenderRequest, Samples] = OrderedDict()
        self._kept_bytes = 0
        self._jobs: deque[_Job] = deque()
        self._running: _Job | None = None
        self._number = 0
        self._store: LoopStore | None = None
        self._process: RendererProcess | None = None
        self._ready: Ready | None = None
        self._backoff, self._pause_seconds = Backoff(_RESTARTS), 0.0
        self._used_ns = clock.now_ns()
        self._silence = Silence(self._used_ns)
        self._worked: tuple[float, int] = 0.0, 0  # processor seconds and steps of what is rendered, as last told
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Of the renderer, ``None`` while there is none."""
        return self._process.pid if self._process is not None else None

    def kept(self, request: RenderRequest) -> Samples | None:
        """The mix ``(frames, channels) float32`` of ``request`` if it was rendered before."""
        samples = self._kept.get(request.canonical())
        if samples is not None:
            self._kept.move_to_end(request.canonical())
        return samples

    def nearest(self, request: RenderRequest) -> Samples | None:
        """The newest loop with the prompt that ``request`` is nearest to, else the newest of the same length."""
        wanted = request.end.prompt if request.alpha >= 0.5 else request.start.prompt
        others = [(asked, samples) for asked, samples in reversed(self._kept.items()) if _as_long(asked, request)]
        for asked, samples in others:
            if wanted in (asked.start.prompt, asked.end.prompt):
                return samples
        return others[0][1] if others else None

    async def render(self, request: RenderRequest, seconds: float) -> Samples:
        """The mix of ``request``; ``TimeoutError`` after ``seconds``, ``RendererError`` when it cannot be rendered."""
        request = request.canonical()
        found = self.kept(request)
        if found is not None:
            return found
        job = self._job(request, ahead=False)
        job.waiting += 1
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(job.done)
        finally:
            job.waiting -= 1
            if not job.waiting:
                self._leave(job)

    def render_ahead(self, requests: tuple[RenderRequest, ...]) -> None:
        """Render ``requests`` when nobody waits for anything; what was to be rendered ahead before is forgotten."""
        self._jobs = deque(job for job in self._jobs if not job.ahead)
        for request in requests[:_MOST_AHEAD]:
            if request.canonical() not in self._kept:
                self._job(request.canonical(), ahead=True)

    async def close(self) -> None:
        """End the renderer."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._end_process()
        if self._cache is not None:
            self._cache.close()

    # --- jobs ------------------------------------------------------------------------------------------------------

    def _job(self, request: RenderRequest, ahead: bool) -> _Job:
        for job in (*self._jobs, *([self._running] if self._running else [])):
            if job.request == request:
                job.ahead = job.ahead and ahead
                return job
        job = _Job(request, ahead)
        job.done.add_done_callback(lambda done: done.cancelled() or done.exception())  # perhaps nobody waits any more
        self._jobs.append(job)
        self._used_ns = self._clock.now_ns()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())
        return job

    def _leave(self, job: _Job) -> None:
        """Nobody waits for ``job`` any more: others come first, and of many that are left the oldest are forgotten."""
        job.ahead = True
        left = [job for job in self._jobs if job.ahead]
        for old in left[: max(0, len(left) - _MOST_LEFT)]:
            self._jobs.remove(old)

    def _next_job(self) -> _Job | None:
        urgent = next((job for job in self._jobs if not job.ahead), None)
        job = urgent or (self._jobs[0] if self._jobs else None)
        if job is not None:
            self._jobs.remove(job)
        return job

    async def _work(self) -> None:
        """Keep the renderer busy, and end it when nothing was asked for a while."""
        while (self._clock.now_ns() - self._used_ns) / 1e9 < _IDLE_SECONDS:
            process = self._process
            if process is None:
                pause, self._pause_seconds = self._pause_seconds, 0.0  # a start long after a death waits for nothing
                await asyncio.sleep(pause)
                self._start_process()
                continue
            messages, connected = process.receive()
            for message in messages:
                await self._handle(message)
            if not connected or not process.alive:
                self._died()
                continue
            if self._hangs():
                process.kill()
            if self._ready and self._running is None and (job := self._next_job()) is not None:
                await self._begin(process, self._ready, job)
                if self._running is None:
                    continue
            await self._readable(process)
        self._end_process()

    def _hangs(self) -> bool:
        """Whether the renderer has come no further for too long, with a loop or with its model."""
        now_ns = self._clock.now_ns()
        if self._ready is not None and self._running is None:
            self._silence.heard(now_ns)
        limit = _HANGS_SECONDS if self._ready is not None else _LOADS_SECONDS
        if self._silence.seconds(now_ns) <= limit:
            return False
        self._silence.heard(now_ns)
        return True

    async def _readable(self, process: RendererProcess) -> None:
        """Wait for a message, or for a moment."""
        loop, wake = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(process.fileno(), wake.set)
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await wake.wait()
        except TimeoutError:
            pass
        finally:
            loop.remove_reader(process.fileno())

    async def _begin(self, process: RendererProcess, ready: Ready, job: _Job) -> None:
        self._running, self._number = job, self._number + 1
        self._used_ns = self._clock.now_ns()
        found = await self._cache.find(job.request, ready) if self._cache is not None else None
        if found is not None:
            self._running = None
            self._finish(job, found)
            return
        self._worked = 0.0, 0
        process.send(Render(self._number, job.request, 0))

    async def _handle(self, message: FromRenderer) -> None:
        match message:
            case Alive():
                if message.steps > self._worked[1] or message.worked_seconds >= self._worked[0] + _WORKS_SECONDS:
                    self._worked = message.worked_seconds, message.steps
                    self._silence.heard(self._clock.now_ns())
            case Ready():
                self._ready = message
                self._backoff.started(self._clock.now_ns())
            case Delivery():
                await self._delivered(message)
            case Failed(-1, reason):
                self._fail_all(reason)
            case Failed(_, reason):
                job, self._running = self._running, None
                if job is not None and not job.done.done():
                    job.done.set_exception(RendererError(reason))

    async def _delivered(self, message: Delivery) -> None:
        job, self._running = self._running, None
        if job is None or self._store is None:
            return
        stems = self._store.view(message.slot, len(message.stems), message.frames, message.channels).copy()
        self._finish(job, np.asarray(stems.sum(axis=0, dtype=np.float32)))
        if self._cache is not None and self._ready is not None:
            await self._cache.keep(job.request, self._ready, message, stems)

    def _finish(self, job: _Job, samples: Samples) -> None:
        self._keep(job.request, samples)
        if not job.done.done():
            job.done.set_result(samples)

    def _keep(self, request: RenderRequest, samples: Samples) -> None:
        self._kept[request] = samples
        self._kept_bytes += samples.nbytes
        while len(self._kept) > _MOST_KEPT or (self._kept_bytes > _MOST_KEPT_BYTES and len(self._kept) > 1):
            self._kept_bytes -= self._kept.popitem(last=False)[1].nbytes

    # --- the process -------------------------------------------------------------------------------------------------

    def _start_process(self) -> None:
        shape = model_shape(self._model)
        floats = self._frames * shape.channels * len(shape.stems)
        try:
            if self._store is None:
                self._store = LoopStore.create(1, floats)
            options = RendererOptions(self._store.name, 1, floats, self._model, niceness=_NICENESS)
            self._process = self._start(options)
            self._process.start()
            self._silence.heard(self._clock.now_ns())
        except (OSError, LoopStoreError) as error:
            self._process = None
            self._pause_seconds = self._backoff.pause(self._clock.now_ns())
            self._fail_all(f"no renderer for web clients: {error}")

    def _died(self) -> None:
        """It has ended unasked: what it worked at is begun again by the next one, unless that has ended three."""
        self.deaths += 1
        self._pause_seconds = self._backoff.pause(self._clock.now_ns())
        job, self._running = self._running, None
        if job is not None:
            job.deaths += 1
            if job.deaths >= _MOST_DEATHS:
                job.done.set_exception(RendererError("the renderer has died of this loop three times; ask for another"))
            elif not job.ahead:
                self._jobs.appendleft(job)
        self._close_process()

    def _close_process(self) -> None:
        self._ready = None
        if self._process is not None:
            self._process.close()
        self._process = None

    def _end_process(self) -> None:
        self._close_process()
        if self._store is not None:
            self._store.close()
        self._store = None

    def _fail_all(self, reason: str) -> None:
        jobs = [*self._jobs, *([self._running] if self._running else [])]
        self._jobs.clear()
        self._running = None
        for job in jobs:
            if not job.done.done():
                job.done.set_exception(RendererError(reason))


def _as_long(one: RenderRequest, other: RenderRequest) -> bool:
    return (one.bpm, one.beats, one.sample_rate) == (other.bpm, other.beats, other.sample_rate)
