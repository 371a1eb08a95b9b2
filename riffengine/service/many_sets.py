"""ManySets: several presets at once on one pool of renderers, as an installation with several rooms plays them.

This process has the renderers. Each set is ``riffengine serve`` in a process of its own, with its own player, and uses
the pool by a socket on loopback, so that the sets get equal shares and cannot disturb one another. A set that ends
unasked is started again; it resumes where it was. If this process is killed, its sets end with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import aiohttp
from prometheus_client.core import Metric

from riffengine.clock import Clock, SystemClock
from riffengine.errors import ServiceError
from riffengine.files.user_folders import user_state
from riffengine.pool.node import NodeOptions, running_node
from riffengine.pool.node_server import NodeServer
from riffengine.pool.renderer_pool import RendererPool
from riffengine.processes.backoff import Backoff, RestartPolicy
from riffengine.processes.render_messages import PoolReport
from riffengine.service.http import MonitorServer, Response
from riffengine.service.metrics import MetricsPage, pool_metrics
from riffengine.service.set_figures import families_of_set, memory_metric, merged

_ASK_SECONDS = 2.0  # between two questions to every set
_ASK_TIMEOUT_SECONDS = 2.0
_MOST_UNANSWERED = 3  # questions; from then on the last answer of a set says nothing about it
_RESTARTS = RestartPolicy(pauses_seconds=(0.5, 2.0, 5.0, 10.0), healthy_seconds=60.0)  # of a set
_END_SECONDS = 20.0  # for a set to fade out and to finish its recording
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_MOST_LINE_BYTES = 1 << 20


@dataclass(frozen=True)
class SetPlan:
    """One set: its name (unique), its preset, further options of ``serve``, and the port of its own figures."""

    name: str
    preset: Path
    options: tuple[str, ...]
    http_port: int


@dataclass
class _Running:
    """A set that runs, and what it said of itself last."""

    plan: SetPlan
    process: asyncio.subprocess.Process | None = None
    backoff: Backoff = field(default_factory=lambda: Backoff(_RESTARTS))
    deaths: int = 0
    families: list[Metric] = field(default_factory=list)  # of its figures, with its label
    health: dict[str, object] = field(default_factory=dict)
    unanswered: int = 0  # questions, since its last answer


class ManySets:
    """Plays ``plans`` on a pool of ``node``; ``write`` gets every line of every log, with the name of its set.

    ``remark`` is said at the start, "" for nothing.
    """

    def __init__(
        self,
        plans: Sequence[SetPlan],
        node: NodeOptions,
        token_file: Path,
        write: Callable[[str], None],
        clock: Clock | None = None,
        remark: str = "",
    ) -> None:
        self._clock = clock or SystemClock()
        self._sets = [_Running(plan) for plan in plans]
        self._node, self._token_file, self._write, self._remark = node, token_file, write, remark
        self._ended = asyncio.Event()
        self._signals = 0
        self._pool: RendererPool | None = None
        self._page = b""

    async def run(self, monitor_at: tuple[str, int] | None) -> int:
        """Play until SIGTERM or SIGINT: every set fades out, and a second signal ends them at once."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        monitor = self._monitor(monitor_at)
        async with running_node(self._node) as (pool, server):
            self._pool = pool
            self._say(f"{len(self._sets)} sets, {self._node.renderers} renderers of {self._node.model}")
            if self._remark:
                self._say(self._remark)
            playing = [loop.create_task(self._keep(each, server)) for each in self._sets]
            asking = loop.create_task(self._ask())
            await self._ended.wait()
            for each in self._sets:
                self._signal(each, signal.SIGTERM)
            await asyncio.wait(playing, timeout=_END_SECONDS)
            for each in self._sets:
                self._signal(each, signal.SIGKILL)
            for task in (*playing, asking):
                task.cancel()
            await asyncio.gather(*playing, asking, return_exceptions=True)
        if monitor is not None:
            monitor.close()
        return 0

    # --- sets --------------------------------------------------------------------------------------------------------

    async def _keep(self, each: _Running, server: NodeServer) -> None:
        """Run one set, and again when it ends unasked."""
        plan = each.plan
        command = [
            *(sys.executable, "-m", "riffengine", "serve", str(plan.preset), *plan.options, "--end-with-stdin"),
            *("--http-port", str(plan.http_port)),
            *("--pool-node", f"ws://127.0.0.1:{server.http.port}", "--pool-token", str(self._token_file)),
        ]
        environment = {**os.environ, "XDG_STATE_HOME": str(user_state(os.environ) / "riffengine-sets" / plan.name)}
        environment.pop("NOTIFY_SOCKET", None)  # systemd is told by nobody here
        while not self._ended.is_set():
            each.backoff.started(self._clock.now_ns())
            try:
                end = f"ended with status {await self._play(each, command, environment)}"
            except Exception as error:  # noqa: BLE001 (a set that nobody reads or starts again would be lost for good)
                self._signal(each, signal.SIGKILL)
                end = f"could not be kept running: {error or type(error).__name__}"
            each.families, each.health, each.unanswered = [], {}, 0
            if self._ended.is_set():
                return
            each.deaths += 1
            pause = each.backoff.pause(self._clock.now_ns())
            self._say(f"the set {plan.name} {end}; it is started again in {pause:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), pause)

    async def _play(self, each: _Running, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run one set until it ends; its status."""
        each.process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            stdin=asyncio.subprocess.PIPE,  # which nobody writes to: it ends with this process
            stdout=asyncio.subprocess.PIPE,
            limit=_MOST_LINE_BYTES,
            start_new_session=True,
        )
        assert each.process.stdout is not None
        while True:
            try:
                line = await each.process.stdout.readline()
            except ValueError:  # the set goes on
                self._say(f"a line of the set {each.plan.name} is longer than {_MOST_LINE_BYTES} bytes, and left out")
                continue
            if not line:
                return await each.process.wait()
            self._log(each.plan.name, line.decode("utf-8", "replace"))

    def _on_signal(self) -> None:
        self._signals += 1
        self._ended.set()
        if self._signals > 1:
            for each in self._sets:
                self._signal(each, signal.SIGTERM)

    @staticmethod
    def _signal(each: _Running, number: int) -> None:
        if each.process is not None and each.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                each.process.send_signal(number)

    def _log(self, name: str, line: str) -> None:
        """Write a line of a set; the beginning of one that is no JSON, or too deeply nested, as text."""
        try:
            facts = json.loads(line)
            if isinstance(facts, dict):
                self._write_line({"set": name, **facts})
        except (ValueError, RecursionError):
            self._write_line({"set": name, "text": line.strip()[:2000]})

    def _say(self, text: str) -> None:
        self._write_line({"kind": "sets", "text": text})

    def _write_line(self, facts: Mapping[str, object]) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody reads the log any longer: the sets go on
            self._write(json.dumps(facts, ensure_ascii=False))

    # --- figures -----------------------------------------------------------------------------------------------------

    def _monitor(self, monitor_at: tuple[str, int] | None) -> MonitorServer | None:
        if monitor_at is None:
            return None
        paths = {"/health": self._health, "/metrics": lambda: Response(self._page, _METRICS_TYPE)}
        monitor = MonitorServer(paths, *monitor_at)
        monitor.start()
        monitor.is_listening()  # ``ServiceError`` where the port cannot be opened
        return monitor

    def _health(self) -> Response:
        """Asked in the monitor's thread."""
        states = {each.plan.name: each.health or {"state": "starting", "ready": False} for each in self._sets}
        ready = all(facts.get("ready") for facts in states.values())
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        deaths = {each.plan.name: each.deaths for each in self._sets}
        return Response((json.dumps({"ready": ready, "sets": states, "deaths": deaths}) + "\n").encode(), status=status)

    async def _ask(self) -> None:
        """Ask every set for its figures, again and again; the pages are made of the last answers."""
        timeout = aiohttp.ClientTimeout(total=_ASK_TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            told = ""
            while True:
                try:
                    await asyncio.gather(*(self._ask_one(session, each) for each in self._sets))
                    # Taken here: what the pool counts changes under any other thread.
                    report = self._pool.report() if self._pool is not None else None
                    self._page, problem = await asyncio.to_thread(self._metrics, report), ""
                except Exception as error:  # noqa: BLE001 (one answer that trips us must not end the figures of all)
                    problem = f"{type(error).__name__}: {error}"
                if problem and problem != told:
                    self._say(f"the page of figures could not be made: {problem}; it is tried again")
                told = problem
                await asyncio.sleep(_ASK_SECONDS)

    async def _ask_one(self, session: aiohttp.ClientSession, each: _Running) -> None:
        """Ask one set; where it starts or is busy, its last answer stays for a few questions."""
        url = f"http://127.0.0.1:{each.plan.http_port}"
        try:
            async with session.get(f"{url}/metrics") as answer:
                metrics = await answer.text()
            async with session.get(f"{url}/health") as answer:
                health = await answer.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RecursionError):
            self._not_answered(each)
            return
        try:
            families, health = families_of_set(each.plan.name, metrics), dict(health)
        except Exception as error:  # noqa: BLE001 (whatever the parser makes of it, the other sets are asked on)
            if not each.unanswered:
                self._say(f"the figures of the set {each.plan.name} cannot be read: {error}")
            self._not_answered(each)
            return
        each.families, each.health, each.unanswered = families, health, 0

    @staticmethod
    def _not_answered(each: _Running) -> None:
        each.unanswered += 1
        if each.unanswered >= _MOST_UNANSWERED:
            each.families = []
            if each.health:  # else it starts
                problems = [f"the set has not answered {each.unanswered} questions for its health"]
                each.health = {"state": "failing", "live": False, "ready": False, "problems": problems}

    def _metrics(self, report: PoolReport | None) -> bytes:
        """The page, with what the pool reported; made in a thread."""
        trees = {each.plan.name: each.process.pid for each in self._sets if each.process is not None}
        own = pool_metrics(report) if report is not None else ()
        sets = merged(each.families for each in self._sets)
        families = {family.name: family for family in (*sets, memory_metric(trees))}
        for family in own:
            known = families.setdefault(family.name, family)
            if known is not family:
                known.samples += [sample._replace(labels={"set": ""}) for sample in family.samples]
        return MetricsPage(families.values()).text()


def plan_sets(presets: Sequence[Path], ports: Mapping[Path, Mapping[str, int]], first_http_port: int) -> list[SetPlan]:
    """A name and ports for each preset: a port that an earlier set has is replaced by the next free one.

    ``ports`` are those each preset asks for, by the option that sets another. The same preset may be named twice.
    """
    plans: list[SetPlan] = []
    taken: set[int] = set(range(first_http_port, first_http_port + len(presets) + 1))
    for number, preset in enumerate(presets, 1):
        options: list[str] = []
        for option, wanted in ports[preset].items():
            port = next((port for port in range(wanted, 65536) if port not in taken), None)
            if port is None:
                raise ServiceError(f"there is no free port from {wanted} on for {preset}; name another with {option}")
            taken.add(port)
            options += [option, str(port)]
        same = sum(1 for other in presets[: number - 1] if other.stem == preset.stem)
        name = preset.stem if not same else f"{preset.stem}-{same + 1}"
        plans.append(SetPlan(name, preset, tuple(options), first_http_port + number))
    return plans
