"""One member to many: renders per second, the same samples, and what a loop costs that was rendered before.

    python -m tools.bench.pool [--ms 200] [--jobs 10] [--most 8]      scripted renderers: more members than cores
    python -m tools.bench.pool --bundled --most 2                    the bundled model: as many as there are cores

A pool process as the engine starts it; the last row has a render-node on loopback as one of its members. For each
number of members the same jobs are first rendered by as many renderer processes side by side without a pool: what
this machine allows. ``efficiency`` is against one member, ``of no pool`` against those.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from riffengine.pool.local_member import RendererMain
from riffengine.pool.node import NodeOptions, running_node
from riffengine.pool.options import NodeAddress, PoolOptions
from riffengine.pool.process import PoolProcess
from riffengine.processes.child_process import ChildProcess
from riffengine.processes.loop_store import LoopStore
from riffengine.processes.render_messages import (
    Delivery,
    FromRenderer,
    PoolReport,
    Ready,
    Render,
    SeatsChanged,
    Shutdown,
    ToRenderer,
)
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.process import RendererOptions, renderer_main
from tools.bench.scripted_member import scripted_main

_FLOATS = 6 * 44100 * 4
_TOKEN = "a-token-for-the-bench"


def request(seed: int) -> RenderRequest:
    """A loop of 8 beats at 120 bpm, all at 8 steps."""
    end = MorphEnd("dub techno", seed)
    return RenderRequest(end, end)


class OneRenderer(ChildProcess[RendererOptions, ToRenderer, FromRenderer]):
    """A renderer as the engine starts it where there is no pool, with a body of our choice."""

    def __init__(self, options: RendererOptions, body: RendererMain) -> None:
        super().__init__("renderer", body, options, finishes=False)

    def stop(self) -> None:
        self.finish(Shutdown(), 2.0)


class Pool:
    """A process that renders a list of requests: a pool, ``seats`` at a time, or one renderer."""

    def __init__(self, process: PoolProcess | OneRenderer, store: LoopStore, seats: int) -> None:
        self._store, self._seats = store, seats
        self._process = process
        self._process.start()
        self._job = 0
        self.report: PoolReport | None = None
        self._until_seats()

    def _until_seats(self) -> None:
        while True:
            for message in self._messages():
                if isinstance(message, Ready | SeatsChanged) and message.seats == self._seats:
                    return

    def _messages(self) -> list[object]:
        select.select([self._process.fileno()], [], [], 120.0)
        messages, connected = self._process.receive()
        assert messages or connected, "the pool has ended"
        for message in messages:
            if isinstance(message, PoolReport):
                self.report = message
        return list(messages)

    def render(self, seeds: list[int], most_open: int) -> tuple[float, dict[int, bytes]]:
        """Seconds for all of ``seeds``, and their samples."""
        began, waiting, open_jobs, found = time.perf_counter(), list(seeds), dict[int, int](), dict[int, bytes]()
        slots = list(range(self._store.slots))
        while waiting or open_jobs:
            while waiting and len(open_jobs) < most_open:
                self._job += 1
                open_jobs[self._job] = waiting.pop(0)
                self._process.send(Render(self._job, request(open_jobs[self._job]), slots.pop()))
            for message in self._messages():
                if isinstance(message, Delivery):
                    view = self._store.view(message.slot, len(message.stems), message.frames, message.channels)
                    found[open_jobs.pop(message.job)] = view.tobytes()
                    slots.append(message.slot)
        return time.perf_counter() - began, found

    def stop(self) -> None:
        self._process.stop()


@contextmanager
def node(model: str, body: RendererMain) -> Iterator[str]:
    """A render node of one renderer on loopback; its address."""
    started, address, ended = threading.Event(), [""], threading.Event()

    async def serve() -> None:
        options = NodeOptions("127.0.0.1", 0, _TOKEN, model=model, main=body)
        async with running_node(options) as (_, server):
            address[0] = f"ws://127.0.0.1:{server.http.port}"
            started.set()
            while not ended.is_set():
                await asyncio.sleep(0.05)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    started.wait()
    try:
        yield address[0]
    finally:
        ended.set()
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ms", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=10, help="for each member")
    parser.add_argument("--most", type=int, default=8)
    parser.add_argument("--bundled", action="store_true")
    arguments = parser.parse_args()
    store = LoopStore.create(arguments.most + 4, _FLOATS)
    model, body = ("bundled", renderer_main) if arguments.bundled else (f"scripted?ms={arguments.ms}", scripted_main)
    load = os.getloadavg()[0]
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f}, {model}, {arguments.jobs} jobs for each member"
    )
    print(
        "| members | renders/s without a pool | renders/s | efficiency | of no pool | samples equal to one member's "
        "| again, ms each |"
    )
    print("|---|---|---|---|---|---|---|")
    one_rate, known = 0.0, dict[int, bytes]()

    def alone(members: int) -> float:
        """Renders per second of as many renderers side by side, without a pool, each with slots of its own."""
        stores = [LoopStore.create(4, _FLOATS) for _ in range(members)]
        renderers = [
            Pool(OneRenderer(RendererOptions(own.name, own.slots, _FLOATS, model), body), own, 1) for own in stores
        ]
        seeds, together = list(range(arguments.jobs)), threading.Barrier(members + 1)

        def work(one: Pool) -> None:
            one.render([9000], 1)  # warm
            together.wait()
            one.render(seeds, 2)  # the next job waits at the renderer, as the scheduler has it
            together.wait()

        threads = [threading.Thread(target=work, args=(one,)) for one in renderers]
        for thread in threads:
            thread.start()
        together.wait()
        began = time.perf_counter()
        together.wait()
        seconds = time.perf_counter() - began
        for one, own in zip(renderers, stores, strict=True):
            one.stop()
            own.close()
        return members * arguments.jobs / seconds

    def row(name: str, members: int, options: PoolOptions) -> None:
        nonlocal one_rate
        limit = alone(members)
        pool = Pool(PoolProcess(options), store, members)
        pool.render([9000 + number for number in range(members)], members)  # warm
        seeds = list(range(arguments.jobs * members))
        seconds, found = pool.render(seeds, members)
        again, second = pool.render(seeds, 1)
        pool.stop()
        rate = len(seeds) / seconds
        one_rate = one_rate or rate
        equal = all(known.setdefault(seed, found[seed]) == found[seed] == second[seed] for seed in seeds)
        each = again / len(seeds) * 1000
        print(
            f"| {name} | {limit:.2f} | {rate:.2f} | {rate / one_rate / members:.2f} | {rate / limit:.2f} "
            f"| {'yes' if equal else 'NO'} | {each:.1f} |",
            flush=True,
        )

    members = 1
    while members <= arguments.most:
        row(
            str(members),
            members,
            PoolOptions(RendererOptions(store.name, store.slots, _FLOATS, model), members, main=body),
        )
        members *= 2
    with node(model, body) as url:
        options = RendererOptions(store.name, store.slots, _FLOATS, model)
        local = 1 if arguments.bundled else 2  # with the node as many as there are cores here
        row(f"{local} and a node", local + 1, PoolOptions(options, local, (NodeAddress(url, _TOKEN),), main=body))
    store.close()


if __name__ == "__main__":
    main()
