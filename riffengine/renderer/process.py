"""The renderer process: it loads one model and renders one job at a time.

It is a separate process, so that torch never shares an interpreter with the audio, and so that a crash of the renderer
does not stop the sound. A thread reads the pipe while the main thread renders: a cancel stops the current job between
two denoising steps.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection

from riffengine.errors import AudioFileError, RenderCancelled, RendererError
from riffengine.notes.loop_notes import pack
from riffengine.processes.child_process import ChildProcess
from riffengine.processes.heap import return_free_memory
from riffengine.processes.loop_store import LoopStore
from riffengine.processes.render_messages import (
    Cancel,
    Cancelled,
    Delivery,
    Failed,
    FromRenderer,
    Ready,
    Render,
    Shutdown,
    ToRenderer,
)
from riffengine.processes.render_request import DEFAULT_MODEL, RenderRequest
from riffengine.renderer.family import Family
from riffengine.renderer.heartbeat import Heartbeat
from riffengine.renderer.numeric_kind import numeric_kind


@dataclass(frozen=True)
class RendererOptions:
    """The options with which the renderer process is started.

    ``threads`` is the number of torch's threads. Two threads beside any other busy process wait for each other: 9 ms
    alone became 430 ms when measured. So the default is one; more are for a machine that does nothing else.
    """

    store: str
    slots: int
    slot_floats: int
    model: str = DEFAULT_MODEL
    threads: int = 1
    niceness: int = 5  # the player and the DAW have priority
    warm: RenderRequest | None = None  # rendered once before Ready, so that the first real loop is not the slow one


class _JobQueue:
    """Jobs that have not started, and cancelled job numbers. The reader thread fills it, the main thread empties it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[Render] = deque()
        self._cancelled: set[int] = set()  # may include the current job
        self._cancelled_waiting: list[int] = []  # removed before they started; not reported yet
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether the process shall end."""
        return self._closed

    def put(self, message: ToRenderer) -> None:
        """Add or cancel a job, or close the queue."""
        with self._changed:
            if isinstance(message, Render):
                self._waiting.append(message)
            elif isinstance(message, Cancel):
                found = [job for job in self._waiting if job.job == message.job]
                for job in found:
                    self._waiting.remove(job)
                    self._cancelled_waiting.append(job.job)
                if not found:
                    self._cancelled.add(message.job)
            elif isinstance(message, Shutdown):
                self._closed = True
            self._changed.notify()

    def close(self) -> None:
        """Let the main loop end."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def wait(self) -> tuple[Render | None, list[int]]:
        """Block until there is something to do. Returns the next job, if any, and the jobs cancelled before they began.

        ``None`` on a closed queue means that the process shall end.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._cancelled_waiting or self._closed)
            cancelled, self._cancelled_waiting = self._cancelled_waiting, []
            return (self._waiting.popleft() if self._waiting else None), cancelled

    def is_cancelled(self, job: int) -> bool:
        """Whether the current ``job`` must stop."""
        return job in self._cancelled or self._closed

    def finished(self, job: int) -> None:
        """Forget cancels of ``job`` and of earlier ones: jobs come in order, so those cancels came too late."""
        with self._changed:
            self._cancelled = {number for number in self._cancelled if number > job}


def _read_messages(connection: Connection, queue: _JobQueue) -> None:
    """Body of the reader thread."""
    try:
        while not queue.closed:
            queue.put(connection.recv())
    except (EOFError, OSError):  # the engine has ended, so this process ends too
        queue.close()
        os._exit(0)


def renderer_main(options: RendererOptions, connection: Connection) -> None:
    """Body of the renderer process. Ends on ``Shutdown``, or when the engine's end of the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the engine handles Ctrl-C: it fades out first
    with contextlib.suppress(OSError):
        os.nice(options.niceness)
    began = time.perf_counter()
    queue = _JobQueue()
    # Before the model is loaded, which may take a minute: without an engine this process ends within it.
    threading.Thread(target=_read_messages, args=(connection, queue), name="pipe", daemon=True).start()
    try:
        store = LoopStore.attach(options.store, options.slots, options.slot_floats)
        family = _load(options)
    except Exception as error:  # noqa: BLE001 (process boundary: the engine must learn the reason of any failure)
        connection.send(Failed(-1, f"{type(error).__name__}: {error}"))
        return
    connection.send(
        Ready(
            model=family.name,
            stems=family.stems,
            channels=family.channels,
            vocabulary=family.vocabulary,
            load_seconds=time.perf_counter() - began,
            weights_digest=family.weights_digest,
            kind=numeric_kind(family),
        )
    )
    send_lock = threading.Lock()

    def send(message: FromRenderer) -> None:
        with send_lock:
            connection.send(message)

    _render_jobs(queue, store, family, send)
    store.close()


def _load(options: RendererOptions) -> Family:
    """The model family, warmed up."""
    import torch

    torch.set_num_threads(options.threads)
    from riffengine.renderer.registry import load_family

    family = load_family(options.model)
    if options.warm is not None:
        with contextlib.suppress(RendererError):  # a silent loop warms up as well as any other
            family.render(options.warm, lambda: None)
    return family


def _render_jobs(queue: _JobQueue, store: LoopStore, family: Family, send: Callable[[FromRenderer], None]) -> None:
    """Render the jobs of ``queue`` until it is closed and empty."""
    heartbeat = Heartbeat(send, time.process_time)
    while True:
        render, cancelled = queue.wait()
        if render is None and queue.closed:
            break
        for job in cancelled:
            send(Cancelled(job))
        if render is not None:
            with heartbeat.during(render.job):
                answer = _render_job(render, queue, store, family, heartbeat)
            send(answer)
            return_free_memory()  # after the answer, which waits for nothing


def _render_job(
    render: Render, queue: _JobQueue, store: LoopStore, family: Family, heartbeat: Heartbeat
) -> FromRenderer:
    """Render one job into its slot of the store; returns the message that answers it."""

    def check() -> None:
        heartbeat.count_step()
        if queue.is_cancelled(render.job):
            raise RenderCancelled(f"job {render.job} was cancelled")

    try:
        rendition = family.render(render.request, check)
        check()
        store.write(render.slot, rendition.audio)
    except RenderCancelled:
        return Cancelled(render.job)
    except AudioFileError as error:
        return Failed(render.job, str(error), hopeless=True)
    except Exception as error:  # noqa: BLE001 (process boundary: one loop that fails must not end the process)
        return Failed(render.job, f"{type(error).__name__}: {error}")
    finally:
        queue.finished(render.job)
    _, frames, channels = rendition.audio.shape
    return Delivery(
        job=render.job,
        slot=render.slot,
        request=render.request,
        frames=frames,
        channels=channels,
        stems=family.stems,
        loudness_lufs=rendition.loudness_lufs,
        peak=rendition.peak,
        cost=rendition.cost,
        unknown_words=rendition.unknown_words,
        notes=pack(rendition.notes),
        remarks=rendition.remarks,
    )


class RendererProcess(ChildProcess[RendererOptions, ToRenderer, FromRenderer]):
    """The engine's handle on a renderer process; ``Ready`` follows ``start``."""

    def __init__(self, options: RendererOptions) -> None:
        super().__init__("riffengine-renderer", renderer_main, options, finishes=False)

    def stop(self, timeout: float = 2.0) -> None:
        """Ask it to end, then make it."""
        self.finish(Shutdown(), timeout)
