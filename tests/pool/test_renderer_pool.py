"""A pool on simulated time, with members that do as the test says: whose weights are played, and who counts as hung."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from riffengine.clock import VirtualClock
from riffengine.pool.caches import LoopCaches
from riffengine.pool.finished_loop import FinishedLoop
from riffengine.pool.jobs import Begin
from riffengine.pool.pipe_service import PipeClient
from riffengine.pool.renderer_pool import RendererPool
from riffengine.processes.render_messages import Delivery, PoolReport, Ready, Render, RenderCost, SeatsChanged
from riffengine.processes.render_request import MorphEnd, RenderRequest

FRAMES = 400  # of eight beats at 120 bpm and 100 Hz
READY = Ready("bundled", ("mix",), 1, ("techno",), 1.0, "weights-1", 1, "cpu")
OTHER = replace(READY, weights_digest="weights-2")


@dataclass
class Link:
    """A member of which the test says what it does."""

    name: str
    local: bool = False
    begun: list[Begin] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    ended: int = 0

    def start(self) -> None:
        return

    def begin(self, begin: Begin) -> None:
        self.begun.append(begin)

    def drop(self, attempt: int) -> None:
        self.dropped.append(attempt)

    def end(self) -> None:
        self.ended += 1

    async def close(self) -> None:
        return


@dataclass
class Client:
    """A client that keeps what it is told."""

    name: str = "engine"
    readies: list[Ready] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    seats_told: list[int] = field(default_factory=list)
    loops: dict[int, FinishedLoop] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)
    signs: list[tuple[int, bool]] = field(default_factory=list)

    def ready(self, ready: Ready) -> None:
        self.readies.append(ready)

    def seats(self, seats: int, reason: str) -> None:
        self.remarks.append(reason)
        self.seats_told.append(seats)

    def finished(self, render: Render, loop: FinishedLoop) -> None:
        self.loops[render.job] = loop

    def failed(self, job: int, reason: str, hopeless: bool) -> None:
        self.failures[job] = reason

    def dropped(self, job: int) -> None:
        return

    def alive(self, job: int, worked_seconds: float, steps: int, queued: bool) -> None:
        self.signs.append((job, queued))

    def report(self, report: PoolReport) -> None:
        return


class Simulation:
    """A pool with members ``names`` and one client."""

    def __init__(self, *names: str, caches: LoopCaches | None = None) -> None:
        self.clock, self.client = VirtualClock(), Client()
        self.pool = RendererPool(caches or LoopCaches(10_000_000), self.clock)
        self.links = {name: Link(name) for name in names}
        for link in self.links.values():
            self.pool.add(link)
        self.pool.join(self.client)

    def ready(self, name: str, ready: Ready = READY) -> None:
        self.pool.ready(self.links[name], ready)

    def lose(self, *names: str) -> None:
        for name in names:
            self.pool.lost(self.links[name], "ended")

    def order(self, job: int) -> None:
        end = MorphEnd("techno", job)
        self.pool.order("engine", Render(job, RenderRequest(end, end, sample_rate=100), 0))

    def deliver(self, name: str, frames: int = FRAMES, stems: tuple[str, ...] = ("mix",), channels: int = 1) -> None:
        """The last that ``name`` has begun is finished; the unknown words say by whom."""
        begin = self.links[name].begun[-1]
        cost, samples = RenderCost(), np.zeros((len(stems), frames, channels), np.float32)
        delivery = Delivery(begin.attempt, 0, begin.request, frames, channels, stems, -14.0, 0.5, cost, (name,))
        self.pool.finished(self.links[name], begin.attempt, FinishedLoop(delivery, samples))

    def live(self, seconds: float, *signs: str) -> None:
        """Time passes, and ``signs`` say every tick that they work."""
        for _ in range(round(seconds * 10)):
            self.clock.advance_to(self.clock.now_ns() + 100_000_000)
            for name in signs:
                self.pool.alive(self.links[name], self.links[name].begun[-1].attempt, 0.1, 1)
            self.pool.tick()

    def stand_still(self, seconds: float) -> None:
        self.clock.advance_to(self.clock.now_ns() + round(seconds * 1e9))
        self.pool.tick()


def test_a_member_with_other_weights_is_left_out_and_told() -> None:
    sim = Simulation("m1", "m2")
    sim.ready("m1")
    sim.ready("m2", OTHER)
    assert any("m2 plays bundled with other weights (weights-2, not weights-1)" in said for said in sim.client.remarks)
    sim.order(1)
    sim.order(2)
    assert len(sim.links["m1"].begun) == 1 and not sim.links["m2"].begun


def test_one_that_was_left_out_does_not_take_over_while_the_others_start_again() -> None:
    sim = Simulation("m1", "m2")
    sim.ready("m1")
    sim.ready("m2", OTHER)
    sim.lose("m1")
    sim.lose("m2")
    sim.ready("m2", OTHER)
    sim.order(1)
    assert not sim.links["m2"].begun
    sim.ready("m1")
    assert len(sim.links["m1"].begun) == 1
    assert [ready.weights_digest for ready in sim.client.readies] == ["weights-1"]


def test_a_pool_without_a_renderer_has_no_seat_and_one_that_is_back_is_told_by_its_seats_alone() -> None:
    sim = Simulation("m1", "m2")
    sim.ready("m1")
    sim.ready("m2")
    sim.lose("m1", "m2")
    assert sim.client.seats_told[-1] == 0
    assert sum("until a renderer is there again" in remark for remark in sim.client.remarks) == 1
    sim.ready("m2")
    assert sim.client.seats_told[-1] == 1 and sim.client.remarks[-1] == "m2 is ready: 1 renders at a time"
    assert len(sim.client.readies) == 1, "what it loaded once is not said again"


def test_another_numeric_kind_is_told_anew_before_its_seats() -> None:
    sim = Simulation("m1", "m2")
    sim.ready("m1")
    sim.lose("m1")
    sim.ready("m1", replace(READY, kind="cuda"))
    assert [(ready.kind, ready.seats) for ready in sim.client.readies] == [("cpu", 1), ("cuda", 1)]
    assert sim.client.remarks[-1] == "m1 is ready: 1 renders at a time"
    sim.ready("m2", replace(READY, seats=4))  # more room, but a client is kept at the kind that it was told
    sim.order(1)
    assert len(sim.client.readies) == 2 and len(sim.links["m1"].begun) == 1
    sim.lose("m1")
    assert [ready.kind for ready in sim.client.readies] == ["cpu", "cuda", "cpu"]
    assert len(sim.links["m2"].begun) == 1 and sim.client.seats_told[-1] == 4


def test_an_engine_is_not_told_again_that_the_model_is_loaded_where_the_kind_alone_changes() -> None:
    ours, theirs = Pipe()
    unused: Any = None
    client = PipeClient(theirs, unused)
    for ready in (READY, replace(READY, kind="cuda", seats=3), replace(OTHER, kind="cuda")):
        client.ready(ready)
    assert [ours.recv() for _ in range(3)] == [READY, SeatsChanged(3), replace(OTHER, kind="cuda")]
    ours.close()
    theirs.close()


def test_when_all_come_back_with_other_weights_these_are_played_and_told() -> None:
    sim = Simulation("m1", "m2")
    sim.ready("m1")
    sim.ready("m2")
    sim.order(1)
    sim.deliver("m1" if sim.links["m1"].begun else "m2")
    sim.lose("m1", "m2")
    sim.ready("m2", OTHER)
    assert [ready.weights_digest for ready in sim.client.readies] == ["weights-1", "weights-2"]
    assert any("m2 is back with other weights" in said for said in sim.client.remarks)
    sim.order(1)  # the loop that the old weights made is not it
    assert sim.links["m2"].begun[-1].request.start.seed == 1
    sim.ready("m1")  # the old weights are the others now
    assert any("m1 plays bundled with other weights (weights-1, not weights-2)" in said for said in sim.client.remarks)
    assert sim.pool.report().members == 1


def test_one_that_was_left_out_plays_along_as_soon_as_its_weights_are_played() -> None:
    sim = Simulation("m1", "m2")
    sim.ready("m1")
    sim.ready("m2", OTHER)
    sim.lose("m1")
    sim.ready("m1", OTHER)
    assert sim.pool.report().members == 2
    sim.order(1)
    sim.order(2)
    assert len(sim.links["m1"].begun) == len(sim.links["m2"].begun) == 1


def test_one_that_was_left_out_and_dismissed_does_not_come_back() -> None:
    async def scenario() -> None:
        sim = Simulation("m1", "m2")
        sim.ready("m1")
        sim.ready("m2", OTHER)
        sim.pool.dismiss(sim.links["m2"])
        sim.lose("m1")
        sim.ready("m1", OTHER)
        assert sim.pool.report().members == 1
        await sim.pool.close()

    asyncio.run(scenario())


def test_the_loss_of_the_only_member_is_told() -> None:
    sim = Simulation("m1")
    sim.ready("m1")
    sim.lose("m1")
    assert sum("m1 ended; nothing is rendered until" in said for said in sim.client.remarks) == 1


def test_other_stems_are_never_played_in_a_set_that_has_begun() -> None:
    sim = Simulation("m1")
    sim.ready("m1")
    sim.lose("m1")
    sim.ready("m1", replace(OTHER, stems=("drums", "bass")))
    assert len(sim.client.readies) == 1 and sim.pool.report().members == 0


def test_a_node_that_changes_its_weights_while_connected_is_judged_again() -> None:
    sim = Simulation("m1", "m2")
    sim.ready("m1")
    sim.ready("m2")
    sim.order(1)
    sim.order(2)
    sim.ready("m2", OTHER)
    assert sim.pool.report().members == 1
    sim.deliver("m1")
    sim.deliver("m1")
    assert set(sim.client.loops) == {1, 2}


def test_a_node_that_is_ready_again_keeps_what_it_was_given() -> None:
    sim = Simulation("m1")
    sim.ready("m1", replace(READY, seats=2))
    sim.order(1)
    sim.order(2)
    sim.ready("m1", replace(READY, seats=2))
    sim.order(3)
    assert [begin.request.start.seed for begin in sim.links["m1"].begun] == [1, 2]


def test_a_loop_that_cannot_be_looked_for_is_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def get(key: str) -> None:
        raise MemoryError

    async def scenario() -> None:
        caches = LoopCaches(0, str(tmp_path), 10_000_000)
        monkeypatch.setattr(caches.disk, "get", get)
        sim = Simulation("m1", caches=caches)
        sim.ready("m1")
        sim.order(1)
        while not sim.links["m1"].begun:
            await asyncio.sleep(0.001)
        sim.deliver("m1")
        assert 1 in sim.client.loops and sim.pool.faults == 1
        await sim.pool.close()

    asyncio.run(asyncio.wait_for(scenario(), 60))


@pytest.mark.parametrize("still_seconds", [25.0, 3600.0])
def test_a_set_that_stood_still_does_not_take_its_members_for_hung(still_seconds: float) -> None:
    sim = Simulation("m1", "m2")
    sim.ready("m1")
    sim.ready("m2")
    sim.order(1)
    sim.order(2)
    sim.live(2.0, "m1", "m2")
    sim.stand_still(still_seconds)
    sim.live(2.0)
    assert sim.pool.report().silences == 0
    sim.live(30.0, "m1")
    assert (sim.links["m1"].ended, sim.links["m2"].ended) == (0, 1)  # it says nothing although time passes


@pytest.mark.parametrize("wrong", [{"frames": FRAMES - 2}, {"stems": ("drums",)}, {"channels": 2}])
def test_a_loop_of_another_shape_is_a_failure_and_told_once(wrong: dict[str, Any]) -> None:
    sim = Simulation("m1", "m2")
    sim.ready("m1")
    sim.order(1)
    sim.ready("m2")
    sim.deliver("m1", **wrong)
    assert not sim.client.loops and len(sim.links["m2"].begun) == 1
    sim.deliver("m2")
    assert sim.client.loops[1].delivery.unknown_words == ("m2",)
    sim.lose("m2")
    sim.order(2)
    sim.deliver("m1", **wrong)
    assert f"{FRAMES} frames, stems mix, channels 1 are needed" in sim.client.failures[2]
    assert sum("m1 gives a loop of" in said for said in sim.client.remarks) == 1
    assert any("rendered by another where there is one" in said for said in sim.client.remarks)
    sim.order(1)
    assert sim.client.loops[1].delivery.unknown_words == ("m2",)  # the one that fitted was kept, the others not
    sim.order(2)
    assert len(sim.links["m1"].begun) == 3


def test_a_loop_of_another_shape_in_the_folder_is_removed_and_rendered(tmp_path: Path) -> None:
    async def scenario() -> None:
        sim = Simulation("m1", caches=LoopCaches(0, str(tmp_path), 10_000_000))
        sim.ready("m1")
        sim.order(1)
        while not sim.links["m1"].begun:
            await asyncio.sleep(0.001)
        sim.deliver("m1")
        await sim.pool.close()
        (facts,) = tmp_path.glob("*.json")
        facts.write_text(facts.read_text().replace('"stems": ["mix"]', '"stems": ["drums"]'))
        again = Simulation("m1", caches=LoopCaches(10_000_000, str(tmp_path), 10_000_000))
        again.ready("m1")
        again.order(1)
        while not again.links["m1"].begun:
            await asyncio.sleep(0.001)
        assert not again.client.loops
        assert sum("the folder of the cache gives" in said for said in again.client.remarks) == 1
        again.deliver("m1")
        await again.pool.close()
        assert '"stems": ["mix"]' in facts.read_text()

    asyncio.run(asyncio.wait_for(scenario(), 60))


@pytest.mark.parametrize("rewritten", ["no", "before the render", "between two orders"])
def test_a_loop_is_not_kept_under_contents_of_a_file_that_it_may_not_have_read(rewritten: str, tmp_path: Path) -> None:
    sound, end = tmp_path / "a.wav", MorphEnd("techno", 1)
    wanted = RenderRequest(end, end, sample_rate=100, init=str(sound))

    async def scenario() -> None:
        sim = Simulation("m1", "m2")
        link = sim.links["m1"]
        link.local = sim.links["m2"].local = True
        sim.ready("m1")
        sim.ready("m2")

        async def ordered(job: int, contents: str) -> None:
            sound.write_text(contents)
            sim.pool.order("engine", Render(job, wanted, 0))
            while sim.pool._looking:
                await asyncio.sleep(0.001)

        await ordered(1, "old")
        if rewritten == "between two orders":
            await ordered(2, "newer")
            assert sim.links["m2"].begun  # what m1 has read may be the old sound
        elif rewritten == "before the render":
            sound.write_text("newer")
        sim.deliver("m1")
        while sim.pool._looking:
            await asyncio.sleep(0.001)
        assert set(sim.client.loops) == {1}
        await ordered(3, "old" if rewritten != "between two orders" else "newer")
        assert (3 in sim.client.loops) == (rewritten == "no")
        await sim.pool.close()

    asyncio.run(asyncio.wait_for(scenario(), 60))
