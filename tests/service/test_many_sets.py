"""Several sets at once: names and ports that do not collide, and their figures on one page."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import aiohttp
import pytest

from riffengine.cli import main
from riffengine.clock import Clock, VirtualClock
from riffengine.engine import PlayOptions
from riffengine.engine.context import build_context
from riffengine.errors import ServiceError
from riffengine.pool.node import NodeOptions
from riffengine.processes.backoff import RestartPolicy
from riffengine.processes.render_messages import PoolReport
from riffengine.service import many_sets
from riffengine.service.many_sets import ManySets, SetPlan, plan_sets
from riffengine.service.metrics import pool_metrics
from riffengine.service.set_figures import families_of_set, merged, tree_bytes
from riffengine.session.session import Session

ONE, TWO = Path("rooms/one.yaml"), Path("rooms/two.yaml")


def test_every_set_gets_a_name_and_ports_of_its_own() -> None:
    ports = {ONE: {"--osc-port": 9000, "--web": 9466}, TWO: {"--osc-port": 9000}}
    plans = plan_sets([ONE, TWO, ONE], ports, 9464)
    assert [plan.name for plan in plans] == ["one", "two", "one-2"]
    assert [plan.http_port for plan in plans] == [9465, 9466, 9467]
    assert plans[0].options == ("--osc-port", "9000", "--web", "9468")
    assert plans[1].options == ("--osc-port", "9001")
    assert plans[2].options == ("--osc-port", "9002", "--web", "9469")
    with pytest.raises(ServiceError, match="--osc-port"):
        plan_sets([ONE, TWO], {ONE: {"--osc-port": 65535}, TWO: {"--osc-port": 65535}}, 9464)


def test_figures_of_all_sets_are_on_one_page_each_with_its_set() -> None:
    text = "# HELP riff_beat Beats\n# TYPE riff_beat gauge\nriff_beat{} %s\n# TYPE riff_n counter\nriff_n_total 2.0\n"
    families = merged([families_of_set("one", text % "1.5"), families_of_set("two", text % "7.0")])
    found = {(s.name, s.labels["set"]): s.value for family in families for s in family.samples}
    assert found == {
        ("riff_beat", "one"): 1.5, ("riff_beat", "two"): 7.0, ("riff_n_total", "one"): 2.0, ("riff_n_total", "two"): 2.0
    }  # fmt: skip
    with pytest.raises(ValueError, match=r".+"):
        families_of_set("one", "no metric {")


def test_every_figure_of_a_pool_is_a_metric() -> None:
    report = PoolReport(*range(1, 14))
    with_actors = replace(report, runway_seconds=14.0, wanted=15)
    values = [sample.value for metric in pool_metrics(with_actors) for sample in metric.samples]
    assert sorted(values) == list(range(1, 16))
    assert sorted(sample.value for metric in pool_metrics(report) for sample in metric.samples) == list(range(1, 14))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere no process tells its share of memory")
def test_memory_is_that_of_a_process_and_its_children() -> None:
    own = tree_bytes(os.getpid())
    assert own > 10_000_000
    holds = "import sys; held = bytes(range(256)) * 200_000; print(len(held), flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", holds], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert int(child.stdout.readline()) > 50_000_000
        assert tree_bytes(os.getpid()) > own + 40_000_000
        child.communicate()
    assert tree_bytes(2**30) == 0


def test_several_presets_are_checked_and_must_play_one_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, model in (("one", "bundled"), ("two", "bundled"), ("other", "someone/else")):
        (tmp_path / f"{name}.yaml").write_text(f"model: {model}\ndeck: {{a: {{prompt: techno}}}}\n")
    paths = [str(tmp_path / f"{name}.yaml") for name in ("one", "two", "other")]
    assert main(["serve", "--check", *paths[:2]]) == 0
    assert "two.yaml" in capsys.readouterr().out
    assert main(["serve", "--check", *paths]) == 2
    assert "one pool renders one model" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [["--record", "a.flac"], ["--journal", "j"], ["--log", "l"], ["--device", "1"], ["--input"], ["--log-keep", "2"]],
)
def test_an_option_that_several_sets_are_not_given_is_refused(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text("model: bundled\ndeck: {a: {prompt: techno}}\n")
    paths = [str(tmp_path / f"{name}.yaml") for name in ("one", "two")]
    assert main(["serve", "--check", *paths, *options]) == 2
    assert f"{options[0]} cannot be given with several presets" in capsys.readouterr().err


def test_more_presets_than_a_pool_has_clients_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preset = tmp_path / "one.yaml"
    preset.write_text("model: bundled\ndeck: {a: {prompt: techno}}\n")
    assert main(["serve", "--check", *[str(preset)] * 32]) == 0
    assert main(["serve", "--check", *[str(preset)] * 33]) == 2
    assert "33 presets are more than one pool plays; name at most 32" in capsys.readouterr().err


class _Recorded:
    """In place of ManySets: keeps what it was started with."""

    known: ClassVar[dict[str, Any]] = {}

    def __init__(self, plans: list[SetPlan], node: NodeOptions, token_file: Path, write: object, **more: object):
        self.known.update({"options": [plan.options for plan in plans], "node": node, **more})

    async def run(self, monitor_at: object) -> int:
        return 0


def test_the_folder_of_the_cache_that_presets_name_is_that_of_the_pool_and_of_all_web_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(many_sets, "ManySets", _Recorded)
    monkeypatch.chdir(tmp_path)
    sections = {"none": "{}", "one": "{cache: loops, cache_mb: 9}", "two": "{cache: ./loops, cache_mb: 5}"}
    for name, section in {**sections, "other": "{cache: away, cache_mb: 1}"}.items():
        Path(f"{name}.yaml").write_text(f"pool: {section}\ndeck: {{a: {{prompt: techno}}}}\n")
    assert main(["serve", "none.yaml", "one.yaml", "two.yaml", "--no-http"]) == 0
    node: NodeOptions = _Recorded.known["node"]
    assert (node.cache, node.cache_mb, _Recorded.known["remark"]) == ("loops", 5.0, "")
    assert all(options[-2:] == ("--pool-cache=loops", "--pool-cache-mb=5.0") for options in _Recorded.known["options"])
    assert main(["serve", "one.yaml", "other.yaml", "--no-http"]) == 0
    node = _Recorded.known["node"]
    assert (node.cache, node.cache_mb) == ("loops", 9.0)
    assert _Recorded.known["remark"] == "several sets keep their loops in one folder: loops; not in away"
    capsys.readouterr()
    assert main(["serve", "--check", "one.yaml", "other.yaml"]) == 0
    assert "not in away" in capsys.readouterr().out
    assert main(["serve", "none.yaml", "none.yaml", "--no-http"]) == 0
    assert _Recorded.known["node"].cache == ""
    assert not any("--pool-cache" in option for options in _Recorded.known["options"] for option in options)


def test_a_set_on_a_pool_of_several_has_its_folder_for_the_web_server_and_its_own_pool_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played: list[Session] = []

    def play(session: Session, *_: object) -> int:
        played.append(session)
        return 0

    monkeypatch.setattr("riffengine.engine.run_play", play)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    preset = tmp_path / "one.yaml"
    preset.write_text("deck: {a: {prompt: techno}}\n")
    given = ["--pool-node", "ws://127.0.0.1:1", "--pool-cache=loops", "--pool-cache-mb=0.0"]
    assert main(["serve", str(preset), "--no-http", "--no-osc", "--no-midi", *given]) == 0
    pool = played[0].pool
    assert (pool.cache, pool.cache_mb, pool.nodes) == ("loops", 0.0, ("ws://127.0.0.1:1",))
    context = build_context(played[0], PlayOptions(None), VirtualClock(), lambda text: None)
    try:
        options = context.pool_options()
        assert options is not None and options.disk == ""
    finally:
        context.close_memory()


@pytest.mark.parametrize("option", ["--pool-token=t", "--pool-cache=loops", "--pool-cache-mb=10"])
def test_an_option_of_a_node_without_one_is_refused_and_not_ignored(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset = tmp_path / "one.yaml"
    preset.write_text("deck: {a: {prompt: techno}}\n")
    assert main(["serve", "--check", str(preset), option]) == 2
    assert f"{option.split('=')[0]} can only be given with --pool-node" in capsys.readouterr().err


def test_the_figures_of_a_set_are_read_once_however_often_the_page_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    families_of_set = many_sets.families_of_set
    monkeypatch.setattr(
        many_sets, "families_of_set", lambda name, text: (read.append(name), families_of_set(name, text))[1]
    )
    sets, session = _one_set([]), _Answers()
    asked: Any = session
    asyncio.run(sets._ask_one(asked, sets._sets[0]))
    pages = [sets._metrics(None) for _ in range(3)]
    assert read == ["one"]
    assert pages[0] == pages[2] and b'n{set="one"} 1.0' in pages[0]


_LONG_LINE = "print('x' * 3_000_000); print('[' * 100_000); print('{\"kind\": \"last\"}')"


def _one_set(lines: list[str], clock: Clock | None = None) -> ManySets:
    def write(line: str) -> None:
        lines.append(line)
        raise BrokenPipeError

    node = NodeOptions("127.0.0.1", 0, "token", model="bundled", renderers=1, files=True)
    return ManySets([SetPlan("one", ONE, (), 9465)], node, Path("token"), write, clock)


def test_a_set_is_started_again_whatever_goes_wrong_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process can be started, its log has lines without end and without bottom, and nobody reads ours."""
    lines: list[str] = []
    started = 0
    start = asyncio.create_subprocess_exec

    async def start_instead(*command: str, **options: Any) -> asyncio.subprocess.Process:
        nonlocal started
        started += 1
        if started == 1:
            raise OSError("no process is left")
        if started == 3:
            sets._ended.set()
        return await start(sys.executable, "-c", _LONG_LINE, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start_instead)
    monkeypatch.setattr(many_sets, "_RESTARTS", RestartPolicy(pauses_seconds=(0.0,)))
    sets = _one_set(lines)
    server: Any = SimpleNamespace(http=SimpleNamespace(port=1))
    asyncio.run(asyncio.wait_for(sets._keep(sets._sets[0], server), 60))
    assert started == 3
    assert "no process is left" in lines[0]
    assert sum('"kind": "last"' in line for line in lines) == 2
    assert any("is longer than" in line for line in lines)
    assert sum(f'"{"[" * 2000}"' in line for line in lines) == 2


def test_a_set_whose_keeping_meets_any_fault_is_killed_and_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, killed, lives = list[str](), list[int](), [RecursionError("too deep"), None]
    sets = _one_set(lines)

    async def play(*_: object) -> int:
        fault = lives.pop(0)
        if fault is not None:
            raise fault
        sets._ended.set()
        return 0

    monkeypatch.setattr(sets, "_play", play)
    monkeypatch.setattr(sets, "_signal", lambda each, number: killed.append(number))
    monkeypatch.setattr(many_sets, "_RESTARTS", RestartPolicy(pauses_seconds=(0.0,)))
    server: Any = SimpleNamespace(http=SimpleNamespace(port=1))
    asyncio.run(asyncio.wait_for(sets._keep(sets._sets[0], server), 60))
    assert not lives and killed == [signal.SIGKILL]
    assert "could not be kept running: too deep; it is started again" in lines[0]


def test_an_answer_of_a_set_that_is_nested_without_bottom_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    sets, session = _one_set([]), _Answers()

    async def deep(content_type: None) -> dict[str, object]:
        json.loads("[" * 100_000)
        return {}

    monkeypatch.setattr(session, "json", deep)
    asked: Any = session
    asyncio.run(sets._ask_one(asked, sets._sets[0]))
    assert sets._sets[0].unanswered == 1


def test_a_set_that_played_for_a_minute_is_started_again_as_soon_as_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        many_sets, "_RESTARTS", RestartPolicy(pauses_seconds=(0.001, 0.002, 0.003), healthy_seconds=60.0)
    )
    lines, clock, lives = list[str](), VirtualClock(), [1, 1, 1, 61, 59]
    sets = _one_set(lines, clock)

    async def play(*_: object) -> int:
        clock.advance_to(clock.now_ns() + lives.pop(0) * 1_000_000_000)
        if not lives:
            sets._ended.set()
        return 1

    monkeypatch.setattr(sets, "_play", play)
    server: Any = SimpleNamespace(http=SimpleNamespace(port=1))
    asyncio.run(asyncio.wait_for(sets._keep(sets._sets[0], server), 60))
    assert [json.loads(line)["text"].rpartition("again in ")[2] for line in lines] == [
        "0.001 s", "0.002 s", "0.003 s", "0.001 s"
    ]  # fmt: skip


class _Answers:
    """A session of which each answer has the same text; ``None``: there is no answer."""

    def __init__(self) -> None:
        self.metrics: str | None = "# TYPE n gauge\nn 1.0\n"

    def get(self, url: str) -> _Answers:
        return self

    async def __aenter__(self) -> _Answers:
        if self.metrics is None:
            raise aiohttp.ClientConnectionError
        return self

    async def __aexit__(self, *error: object) -> None:
        return

    async def text(self) -> str:
        return self.metrics or ""

    async def json(self, content_type: None) -> dict[str, object]:
        return {"state": "ok", "ready": True}


@pytest.mark.parametrize("trouble", [None, "no metric {"])
def test_a_set_that_answers_no_longer_is_not_called_healthy(trouble: str | None) -> None:
    lines: list[str] = []
    sets, answers = _one_set(lines), _Answers()
    session: Any = answers

    def ask() -> int:
        asyncio.run(sets._ask_one(session, sets._sets[0]))
        return int(sets._health().status)

    assert ask() == 200
    assert b'n{set="one"} 1.0' in sets._metrics(None)
    assert sets._metrics(None).count(b'n{set="one"} 1.0') == 1  # also the second page of one answer
    answers.metrics = trouble
    assert [ask() for _ in range(3)] == [200, 200, 503]
    assert b"has not answered 3 questions" in sets._health().body
    assert len(lines) == (0 if trouble is None else 1)
    assert b"set_memory_bytes" in sets._metrics(None)  # the page is made all the same
    answers.metrics = _Answers().metrics
    assert ask() == 200


def test_the_figures_go_on_after_a_fault_which_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report is taken on the event loop's thread, under which nothing of the pool changes."""
    lines, threads = list[str](), set[int]()
    sets = _one_set([])
    monkeypatch.setattr(sets, "_write", lines.append)
    monkeypatch.setattr(many_sets, "_ASK_SECONDS", 0.0)
    faults = [RuntimeError("dictionary changed size during iteration")] * 2

    def report() -> PoolReport:
        threads.add(threading.get_ident())
        if faults:
            raise faults.pop()
        return PoolReport(*range(1, 14))

    async def scenario() -> None:
        pool: Any = SimpleNamespace(report=report)
        sets._pool, sets._sets = pool, []
        asking = asyncio.get_running_loop().create_task(sets._ask())
        while not sets._page and not asking.done():
            await asyncio.sleep(0.001)
        assert not asking.done()
        asking.cancel()

    asyncio.run(asyncio.wait_for(scenario(), 60))
    assert b"pool" in sets._page
    assert len(lines) == 1 and "dictionary changed size" in lines[0]
    assert threads == {threading.get_ident()}
