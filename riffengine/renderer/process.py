"""The renderer process: one model, one job at a time, newest intent wins.

Runs in a process of its own, so that torch never shares an interpreter with the audio, and so that it may die. A thread
reads the pipe while the main thread renders: a cancel reaches the job in hand between two denoising steps.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections import deque
from dataclasses import dataclass
from multiprocessing.connection import Connection

from riffengine.errors import AudioFileError, RenderCancelled, RendererError
from riffengine.notes.loop_notes import pack
from riffengine.processes.child_process import ChildProcess
from riffengine.processes.loop_store import LoopStore
from riffengine.processes.render_messages import (
    Cancel,
    Cancelled,
    Delivery,
    Failed,
    FromRenderer,
    Ready,
    Render,
    RenderRequest,
    Shutdown,
    ToRenderer,
)
from riffengine.renderer.family import Family
from riffengine.renderer.heartbeat import Heartbeat


@dataclass(frozen=True)
class RendererOptions:
    """What the renderer process is started with.

    ``threads`` is torch's. Two threads next to any other busy process wait for each other: measured 9 ms alone became
    430 ms, so one is the rule and more is for a machine that does nothing else.
    """

    store: str
    slots: int
    slot_floats: int
    model: str = "bundled"
    threads: int = 1
    warm: RenderRequest | None = None  # rendered once before Ready, so that the first real loop is not the slow one


class _Inbox:
    """Jobs not yet begun and the cancels that may concern the one in hand; filled by the reader thread."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.jobs: deque[Render] = deque()
        self.cancelled: set[int] = set()
        self.dropped: list[int] = []
        self.closed = False

    def put(self, message: ToRenderer) -> None:
        with self.condition:
            if isinstance(message, Render):
                self.jobs.append(message)
            elif isinstance(message, Cancel):
                waiting = [job for job in self.jobs if job.job == message.job]
                for job in waiting:
                    self.jobs.remove(job)
                    self.dropped.append(job.job)
                if not waiting:
                    self.cancelled.add(message.job)
            elif isinstance(message, Shutdown):
                self.closed = True
            self.condition.notify()

    def close(self) -> None:
        with self.condition:
            self.closed = True
            self.condition.notify()


def _read(connection: Connection, inbox: _Inbox) -> None:
    try:
        while not inbox.closed:
            inbox.put(connection.recv())
    except (EOFError, OSError):  # the engine has ended: so do we
        inbox.close()
        os._exit(0)


def renderer_main(options: RendererOptions, connection: Connection) -> None:
    """Body of the renderer process. Ends when told to, or when the engine's end of the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the engine's to answer: it fades out first
    with contextlib.suppress(OSError):  # the player and the DAW go first
        os.nice(5)
    inbox = _Inbox()
    began = time.perf_counter()
    try:
        store = LoopStore.attach(options.store, options.slots, options.slot_floats)
        import torch

        torch.set_num_threads(options.threads)
        from riffengine.renderer.registry import load_family

        family = load_family(options.model)
        if options.warm is not None:
            with contextlib.suppress(RendererError):  # a warm loop that is silent has warmed as well as any
                family.render(options.warm, lambda: None)
    except Exception as error:  # noqa: BLE001 (the border of the process: whatever it is, the engine is told why)
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
        )
    )
    threading.Thread(target=_read, args=(connection, inbox), name="pipe", daemon=True).start()
    one_at_a_time = threading.Lock()

    def tell(message: FromRenderer) -> None:
        with one_at_a_time:
            connection.send(message)

    signs = Heartbeat(tell, time.process_time)
    while True:
        with inbox.condition:
            inbox.condition.wait_for(lambda: inbox.jobs or inbox.dropped or inbox.closed)
            dropped, inbox.dropped = inbox.dropped, []
            render = inbox.jobs.popleft() if inbox.jobs else None
            if inbox.closed and render is None:
                break
        for job in dropped:
            tell(Cancelled(job))
        if render is not None:
            with signs.of(render.job):
                answer = _work(render, inbox, store, family, signs)
            tell(answer)
    store.close()


def _work(render: Render, inbox: _Inbox, store: LoopStore, family: Family, signs: Heartbeat) -> FromRenderer:
    def check() -> None:
        signs.stepped()
        if render.job in inbox.cancelled or inbox.closed:
            raise RenderCancelled(f"job {render.job} was cancelled")

    try:
        rendition = family.render(render.request, check)
        check()
        store.write(render.slot, rendition.audio)
    except RenderCancelled:
        return Cancelled(render.job)
    except AudioFileError as error:
        return Failed(render.job, str(error), hopeless=True)
    except Exception as error:  # noqa: BLE001 (the border of the process: one loop that fails must not end it)
        return Failed(render.job, f"{type(error).__name__}: {error}")
    finally:
        with inbox.condition:
            # Jobs come in order, so a cancel of this one or an earlier one came too late and concerns nobody.
            inbox.cancelled = {job for job in inbox.cancelled if job > render.job}
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
        super().__init__("riffengine-renderer", renderer_main, options)

    def stop(self, timeout: float = 2.0) -> None:
        """Ask it to end, then make it."""
        self.send(Shutdown())
        if not self.join(timeout):
            self.kill()
            self.join(timeout)
        self.close()
