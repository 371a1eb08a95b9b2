"""Members on a cluster, without one: the actor itself with its renderer process, behind calls that may fail."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from types import ModuleType
from unittest.mock import Mock

import numpy as np
import pytest

from riffengine.clock import SystemClock, VirtualClock
from riffengine.errors import ControlError, RendererError
from riffengine.pool import ray_cluster, ray_member, render_actor
from riffengine.pool.caches import LoopCaches
from riffengine.pool.finished_loop import FinishedLoop
from riffengine.pool.jobs import Begin
from riffengine.pool.options import RayOptions
from riffengine.pool.ray_actors import RayActors
from riffengine.pool.ray_cluster import RayActorHandle, RayCluster
from riffengine.pool.ray_member import RayMember, RemoteActor
from riffengine.pool.ray_options import LOCAL, check_ray
from riffengine.pool.render_actor import SILENCE_SECONDS, Answer, RenderActor
from riffengine.pool.renderer_pool import RendererPool
from riffengine.pool.scaling import ScalingPolicy
from riffengine.processes.backoff import Backoff, RestartPolicy
from riffengine.processes.render_messages import Alive, Cancelled, Failed, Ready, Render, SeatsChanged
from riffengine.renderer.process import RendererOptions
from tests.pool.test_node import FLOATS, Listener, request
from tools.bench.scripted_member import scripted_main

PATIENCE_SECONDS = 120.0


class Near:
    """An actor in this process. ``dead``: every call fails, until the cluster has started it again.

    Who waits for a loop hears of it only when ``noticed`` is set.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self.dead, self.ended, self.noticed = False, asyncio.Event(), asyncio.Event()
        self.noticed.set()
        self.actor = self._new()

    def _new(self) -> RenderActor:
        return RenderActor(RendererOptions("", 0, FLOATS, self._model), scripted_main, SystemClock(), self.ended.set)

    async def die(self) -> None:
        """As when its machine is gone: what runs in it ends without an answer."""
        self.dead = True
        await self.actor.close()

    async def restart(self) -> None:
        """As when it dies between two questions, and Ray has started it anew before the next."""
        await self.actor.close()
        self.actor = self._new()

    async def _call(self, answer: Awaitable[object]) -> object:
        task = asyncio.ensure_future(answer)
        while not task.done():
            if self.dead:
                task.cancel()
                break
            await asyncio.wait([task], timeout=0.01)
        if self.dead:
            raise RendererError("has died")
        return task.result()

    async def ready(self) -> Ready | Failed:
        if self.dead:
            self.dead, self.actor = False, self._new()
        state = await self._call(self.actor.ready())
        assert isinstance(state, Ready | Failed)
        return state

    async def render(self, begin: Begin) -> Answer:
        try:
            answer = await self._call(self.actor.render(begin))
        except RendererError:
            await self.noticed.wait()
            raise
        assert isinstance(answer, FinishedLoop | Failed | Cancelled)
        return answer

    async def drop(self, attempt: int) -> None:
        await self._call(self.actor.drop(attempt))

    async def life(self, was_ready: bool) -> Alive | None:
        sign = await self._call(self.actor.life(was_ready))
        assert sign is None or isinstance(sign, Alive)
        return sign

    async def end(self, again: bool) -> None:
        await self.die()


class Source:
    """A cluster that has room for every actor; ``refused``: how often it has not."""

    local = False

    def __init__(self, model: str = "scripted?ms=300", refused: Exception | None = None) -> None:
        self._model, self._refused = model, refused
        self.asked = 0
        self.made: list[Near] = []

    async def actor(self, name: str) -> RemoteActor:
        self.asked += 1
        if self._refused is not None:
            raise self._refused
        self.made.append(Near(self._model))
        return self.made[-1]


def run(scenario: Callable[[RendererPool, Listener, Source], Awaitable[None]], source: Source, least: int) -> None:
    """A pool that has actors of ``source`` alone, from ``least`` to two."""

    async def body() -> None:
        pool, listener = RendererPool(LoopCaches(0), SystemClock()), Listener()
        pool.join(listener)
        pool.scale_by(RayActors(pool, source, ScalingPolicy(least, 2)).step)
        pool.start()
        try:
            await asyncio.wait_for(scenario(pool, listener, source), PATIENCE_SECONDS)
        finally:
            await pool.close()

    asyncio.run(body())


def ready_times(listener: Listener) -> int:
    return sum(isinstance(told, Ready) for told in listener.told)


def test_an_actor_renders_what_a_member_here_renders_and_another_does_when_it_dies_within_a_job() -> None:
    async def scenario(pool: RendererPool, listener: Listener, source: Source) -> None:
        await listener.until(lambda told: bool(told) and pool.dispatcher.seats == 2)
        for job in (1, 2):
            pool.order("engine", Render(job, request(job), 0))
        await source.made[0].die()
        await listener.until(lambda told: len(listener.loops()) == 2)
        assert (pool.report().lost, pool.report().retries) == (1, 1)
        again = RenderActor(RendererOptions("", 0, FLOATS, "scripted"), scripted_main, SystemClock(), lambda: None)
        assert isinstance(await again.ready(), Ready)
        for job, loop in listener.loops().items():
            here = await again.render(Begin("", 5 + job, request(job)))
            assert isinstance(here, FinishedLoop)
            assert np.array_equal(loop.samples, here.samples) and loop.samples.flags.writeable
        await again.close()
        while pool.dispatcher.seats != 2:  # it has come back
            await asyncio.sleep(0.05)

    run(scenario, Source(), least=2)


def test_a_call_of_an_actors_last_life_that_fails_late_ends_nothing_of_its_next_one() -> None:
    async def scenario(pool: RendererPool, listener: Listener, source: Source) -> None:
        await listener.until(lambda told: bool(told))
        actor = source.made[0]
        pool.order("engine", Render(1, request(1), 0))
        actor.noticed.clear()
        await actor.die()
        while actor.dead or not pool.dispatcher.busy or not pool.report().lost:
            await asyncio.sleep(0.01)
        actor.noticed.set()
        await listener.until(lambda told: 1 in listener.loops())
        assert (pool.report().lost, pool.report().retries) == (1, 1)

    run(scenario, Source("scripted?ms=1000"), least=1)


def test_a_job_is_stopped_between_two_steps_and_one_that_fails_is_told() -> None:
    async def scenario(pool: RendererPool, listener: Listener, source: Source) -> None:
        await listener.until(lambda told: bool(told))
        pool.order("engine", Render(7, request(7), 0))
        await listener.until(lambda told: Failed(7, "RendererError: scripted failure") in told)
        pool.order("engine", Render(1, request(1), 0))
        pool.cancel("engine", 1)
        await listener.until(lambda told: Cancelled(1) in told)
        while pool.dispatcher.busy:
            await asyncio.sleep(0.01)
        assert not listener.loops()

    run(scenario, Source("scripted?ms=200&fail=7"), least=1)


def test_a_renderer_that_ends_within_an_actor_is_started_again_there() -> None:
    async def scenario(pool: RendererPool, listener: Listener, source: Source) -> None:
        await listener.until(lambda told: bool(told))
        pool.order("engine", Render(9, request(9), 0))
        await listener.until(lambda told: any(isinstance(each, Failed) for each in told))
        assert pool.report().lost == 3, "three tries end three renderers"
        pool.order("engine", Render(2, request(2), 0))
        await listener.until(lambda told: 2 in listener.loops())
        assert len(source.made) == 1

    run(scenario, Source("scripted?die=9"), least=1)


def test_an_idle_actor_that_the_cluster_has_restarted_loads_its_model_again_before_it_gets_a_job() -> None:
    async def scenario(pool: RendererPool, listener: Listener, source: Source) -> None:
        await listener.until(lambda told: bool(told))
        await source.made[0].restart()
        await listener.until(lambda told: "has been restarted" in str(told))
        pool.order("engine", Render(1, request(1), 0))
        await listener.until(lambda told: 1 in listener.loops())
        assert (pool.report().lost, len(source.made)) == (0, 1)

    run(scenario, Source("scripted"), least=1)


def test_a_runway_that_is_short_has_an_actor_hired() -> None:
    async def scenario(pool: RendererPool, listener: Listener, source: Source) -> None:
        await listener.until(lambda told: bool(told))
        assert len(source.made) == 1
        pool.order("engine", Render(1, request(1), 0, runway_seconds=1.0))
        while pool.dispatcher.seats != 2:
            await asyncio.sleep(0.05)
        assert pool.report().wanted == 2

    run(scenario, Source("scripted?ms=2000"), least=1)


@pytest.mark.parametrize("refused", [ControlError("asks for no token"), RendererError("cannot be joined")])
def test_a_cluster_that_cannot_be_used_is_told_in_one_line(refused: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(pool: RendererPool, listener: Listener, source: Source) -> None:
        while source.asked < 8:  # of two members
            await asyncio.sleep(0.01)
        said = [told for told in listener.told if str(refused) in str(told)]
        assert said == listener.told
        if isinstance(refused, ControlError):
            assert said[0] == SeatsChanged(1, f"actor-1: {refused}"), "another member may do"
            assert said[1:] == [Failed(-1, str(refused))], "none ever will: this ends the set"

    monkeypatch.setattr(ray_member, "_RESTARTS", RestartPolicy((0.01,)))
    run(scenario, Source(refused=refused), least=2)


class ShortLived:
    """An actor that is ready at once, and dies as many seconds later as ``lives`` says next; and its source."""

    local = False

    def __init__(self, clock: VirtualClock, lives: list[int]) -> None:
        self._clock, self._lives = clock, lives

    async def actor(self, name: str) -> RemoteActor:
        return self

    async def ready(self) -> Ready | Failed:
        return Ready("scripted", ("mix",), 1, (), 0.0, "")

    async def render(self, begin: Begin) -> Answer:
        raise AssertionError("it has no job")

    async def drop(self, attempt: int) -> None:
        return

    async def life(self, was_ready: bool) -> Alive | None:
        self._clock.advance_to(self._clock.now_ns() + self._lives.pop(0) * 1_000_000_000)
        raise RendererError("has died")

    async def end(self, again: bool) -> None:
        return


def test_one_that_dies_as_soon_as_it_is_ready_is_asked_again_ever_later(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses, done = list[float](), asyncio.Event()

    class Recorded(Backoff):
        def pause(self, now_ns: int) -> float:
            pauses.append(super().pause(now_ns))
            if len(pauses) == 6:
                done.set()
            return 0.0 if len(pauses) < 6 else PATIENCE_SECONDS

    async def scenario() -> None:
        clock = VirtualClock()
        member = RayMember("actor-1", ShortLived(clock, [0, 1, 0, 2, 6, 0]), Mock(), clock)
        member.start()
        await asyncio.wait_for(done.wait(), PATIENCE_SECONDS)
        await member.close()

    monkeypatch.setattr(ray_member, "Backoff", Recorded)
    asyncio.run(scenario())
    assert pauses == [0.1, 0.5, 1.0, 2.0, 0.1, 0.5]


class PassingClock(VirtualClock):
    """A clock on which ``step_ns`` pass with every look, so that a look that is late in real time changes nothing."""

    step_ns, looks = 0, 0

    def now_ns(self) -> int:
        self.looks += 1
        self.advance_to(super().now_ns() + self.step_ns)
        return super().now_ns()


def test_an_actor_that_nobody_asks_ends_with_its_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        left, clock = asyncio.Event(), PassingClock()
        actor = RenderActor(RendererOptions("", 0, FLOATS, "scripted"), scripted_main, clock, left.set)
        assert isinstance(await actor.ready(), Ready)
        clock.step_ns = 500_000_000
        looks = clock.looks
        while clock.looks < looks + 30:
            await asyncio.sleep(0.01)
        assert await actor.life(was_ready=True) is None
        looks = clock.looks
        await asyncio.wait_for(left.wait(), PATIENCE_SECONDS)
        assert clock.looks - looks >= SILENCE_SECONDS / 0.5
        await actor.close()

    monkeypatch.setattr(render_actor, "_CHECK_SECONDS", 0.01)
    asyncio.run(scenario())


def test_an_actor_that_was_stopped_for_an_hour_is_not_taken_for_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        left, clock = asyncio.Event(), PassingClock()
        actor = RenderActor(RendererOptions("", 0, FLOATS, "scripted"), scripted_main, clock, left.set)
        assert isinstance(await actor.ready(), Ready)
        clock.advance_to(3_600_000_000_000)
        looks = clock.looks
        while clock.looks < looks + 10 and not left.is_set():
            await asyncio.sleep(0.01)
        assert not left.is_set()
        assert await actor.life(was_ready=True) is None
        await actor.close()

    monkeypatch.setattr(render_actor, "_CHECK_SECONDS", 0.01)
    asyncio.run(scenario())


def test_what_is_missing_is_said_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ControlError, match=r"pip install 'riffengine\[cluster\]'"):
        check_ray(RayOptions(LOCAL))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setenv("HOME", "/nonexistent")
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ControlError, match="needs a token"):
        check_ray(RayOptions("10.0.0.7:6379"))
    check_ray(RayOptions("10.0.0.7:6379", token="a token"))
    check_ray(RayOptions(LOCAL))


def test_a_cluster_that_cannot_be_joined_is_told_in_one_line_and_nothing_that_ray_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def init(*_: object, **__: object) -> None:
        print("(raylet) Raylet is terminated. Last 20 lines of its logs:")
        raise ConnectionError("no running Ray instance\nand how to start one")

    ray, services = ModuleType("ray"), ModuleType("ray._private.services")
    vars(ray).update(init=init, shutdown=lambda: None)
    vars(services).update(canonicalize_bootstrap_address=lambda address: address)
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray._private.services", services)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    for check in ("require_listener", "require_token", "require_welcome"):
        monkeypatch.setattr(ray_cluster, check, lambda address: None)
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_USAGE_STATS_ENABLED"):
        monkeypatch.setenv(name, "")

    async def join() -> None:
        cluster = RayCluster(
            RayOptions("10.0.0.7:6379", token="a token"), RendererOptions("", 0, FLOATS, "scripted"), scripted_main
        )
        with pytest.raises(RendererError, match=r"^cannot join the cluster at 10\.0\.0\.7:6379: no running Ray[^\n]*$"):
            await cluster.actor("actor-1")
        await cluster.close()

    asyncio.run(join())
    assert capsys.readouterr().out == ""


def test_an_actor_that_cannot_be_reached_is_told_in_words_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    class RayError(Exception):
        pass

    class RayTaskError(RayError):
        pass

    class ActorDiedError(RayError):
        pass

    class ActorUnavailableError(RayError):
        pass

    class Lost:
        """The handle of an actor: asked for a sign of life, it fails."""

        def __init__(self) -> None:
            self.life = self

        async def remote(self, was_ready: bool) -> None:
            raise ActorUnavailableError("The actor 7d14 is unavailable: RpcError: Socket closed rpc_code: 14.")

    ray, exceptions = ModuleType("ray"), ModuleType("ray.exceptions")
    kinds = (RayError, RayTaskError, ActorDiedError, ActorUnavailableError)
    vars(exceptions).update({kind.__name__: kind for kind in kinds})
    vars(ray)["exceptions"] = exceptions
    monkeypatch.setitem(sys.modules, "ray", ray)
    with pytest.raises(RendererError, match=r"^is unavailable: its process or its machine has ended, or is only being"):
        asyncio.run(RayActorHandle(Lost()).life(was_ready=True))
