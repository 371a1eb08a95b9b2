"""The service over real HTTP and a real systemd socket, on a virtual clock."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from riffengine.clock import VirtualClock
from riffengine.errors import ServiceError
from riffengine.processes.web_figures import WebFigures
from riffengine.service.http import MonitorServer, Response
from riffengine.service.json_log import JsonLog
from riffengine.service.service import ServiceObserver
from riffengine.service.systemd import SystemdNotifier
from tests.service.observations import SECOND, observation


class ServiceHarness:
    """A ServiceObserver with a log file, an HTTP server and a systemd socket in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.notify_socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify_socket.bind(str(folder / "notify"))
        self.notify_socket.setblocking(False)
        self.clock = VirtualClock()
        self.log_file = folder / "log"
        environment = {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "4000000"}
        log = JsonLog(self.log_file, lambda: 1.8e9)
        self.service = ServiceObserver(log, SystemdNotifier(environment), self.clock, 17.0, ("127.0.0.1", 0))
        self.service.start_http(60.0)

    def notifications(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self.notify_socket.recv(4096).decode())
            except BlockingIOError:
                return found

    def get(self, path: str, host: str = "") -> tuple[int, str]:
        assert self.service.monitor is not None
        request = urllib.request.Request(self.service.monitor.url + path, headers={"Host": host} if host else {})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def observe(self, seconds: float, **changes: object) -> None:
        now_ns = round(seconds * SECOND)
        self.clock.advance_to(now_ns)
        self.service.observed(observation(now_ns, **changes))

    def log(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log_file.read_text("utf-8").splitlines()]


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[ServiceHarness]:
    made = ServiceHarness(tmp_path)
    yield made
    made.service.closed(0)
    made.notify_socket.close()


def test_from_the_start_to_the_end(harness: ServiceHarness) -> None:
    assert harness.get("/health")[0] == 503
    harness.service.opened(lambda command: None, lambda: None)  # type: ignore[arg-type,return-value]
    harness.observe(1.0, sounding=False)
    assert "READY=1" not in "".join(harness.notifications())
    harness.observe(2.0)
    assert harness.notifications()[-2:][0].startswith("READY=1\nSTATUS=beat 20, 120 bpm")
    status, text = harness.get("/health")
    facts = json.loads(text)
    assert (status, facts["state"], facts["decks"]["a"]["prompt"]) == (200, "ok", "ambient piano")
    harness.service.notified("hello")
    harness.service.ending()
    assert harness.get("/health")[0] == 503 and harness.get("/health/live")[0] == 200
    assert harness.notifications()[-1].startswith("STOPPING=1\nEXTEND_TIMEOUT_USEC=17000000")
    harness.service.closed(0)
    events = [line["event"] for line in harness.log()]
    assert [e for e in events if e in ("opened", "said", "stopping", "closed")] == [
        "opened", "said", "stopping", "closed"
    ]  # fmt: skip


def test_a_player_that_hangs_stops_the_watchdog_pings(harness: ServiceHarness) -> None:
    for tenth in range(40):
        harness.observe(tenth / 10)
    assert harness.notifications().count("WATCHDOG=1") == 4
    stuck = observation(4 * SECOND).player
    for tenth in range(40, 140):
        harness.observe(tenth / 10, player=stuck)
    assert harness.notifications().count("WATCHDOG=1") == 4  # of ten: until it had been silent for more than 3 s
    assert harness.get("/health")[0] == 503
    for tenth in range(140, 150):
        harness.observe(tenth / 10)
    assert "WATCHDOG=1" in harness.notifications()


def test_an_engine_that_hangs_is_reported_by_health(harness: ServiceHarness) -> None:
    harness.observe(1.0)
    assert harness.get("/health/live")[0] == 200
    harness.clock.advance_to(5 * SECOND)
    assert harness.get("/health/live")[0] == 503
    assert 'riffengine_health{state="failing"} 1.0' in harness.get("/metrics")[1]


def test_prometheus_can_read_the_metrics(harness: ServiceHarness) -> None:
    assert harness.get("/metrics")[0] == 200  # before the first observation too
    harness.observe(1.0)
    families = {family.name: family for family in text_string_to_metric_families(harness.get("/metrics")[1])}

    def value(name: str, **labels: str) -> float:
        return next(s.value for f in families.values() for s in f.samples if s.name == name and s.labels == labels)

    assert value("riffengine_underruns_total") == 2.0
    assert value("riffengine_renders_total", outcome="heard") == 7.0
    assert value("riffengine_runway_seconds", deck="b") == 12.0
    assert value("riffengine_messages_total", surface="MIDI") == 9.0
    assert value("riffengine_health", state="ok") == 1.0
    assert value("riffengine_knob_to_ear_seconds_bucket", **{"class": "immediate", "le": "0.0064"}) == 2.0
    assert value("riffengine_knob_to_ear_seconds_count", **{"class": "immediate"}) == 3.0
    assert value("riffengine_process_resident_bytes", process="engine") > 1e6
    assert not [name for name in families if name.startswith("riffengine_web")]  # there is no web server
    for family in families.values():
        assert family.documentation, family.name


def test_the_web_server_has_metrics_and_its_death_is_logged(harness: ServiceHarness) -> None:
    harness.observe(1.0, web=WebFigures(pid=os.getpid(), listeners=7, lag_seconds=0.25, icecast=True))
    text = harness.get("/metrics")[1]
    for line in (
        "riffengine_web_up 1.0",
        "riffengine_web_listeners 7.0",
        "riffengine_web_lag_seconds 0.25",
        "riffengine_web_icecast 1.0",
        "riffengine_web_deaths_total 0.0",
        'riffengine_process_private_bytes{process="web"}',
    ):
        assert line in text
    harness.observe(2.0, web=WebFigures(deaths=1))
    text = harness.get("/metrics")[1]
    assert "riffengine_web_up 0.0" in text and 'process="web"' not in text and "web_icecast" not in text
    harness.service.closed(0)
    assert ("web_death", 1) in [(line["event"], line.get("count")) for line in harness.log()]


def test_what_happened_is_in_the_log_once(harness: ServiceHarness) -> None:
    harness.observe(1.0)
    first = observation().conductor
    for step in range(5):
        harness.observe(2.0 + step, conductor=replace(first, famines=3), renderer_deaths=1)
    harness.service.closed(1)
    events = [(line["event"], line["level"], line.get("count")) for line in harness.log()]
    assert events.count(("famine", "warning", 3)) == 1
    assert events.count(("renderer_death", "warning", 1)) == 1
    assert events[-1][:2] == ("closed", "error")


def test_it_only_answers_get_requests_to_its_own_host_name(harness: ServiceHarness) -> None:
    assert harness.service.monitor is not None
    assert harness.get("/health/live", host="evil.example")[0] == 403
    assert harness.get("/health/live", host="localhost:9464")[0] == 200
    assert harness.get("/nothing")[0] == 404 and "/metrics" in harness.get("/nothing")[1]
    post = urllib.request.Request(harness.service.monitor.url + "/health", data=b"x", method="POST")
    with pytest.raises(urllib.error.HTTPError, match="405") as refused:
        urllib.request.urlopen(post, timeout=20)
    refused.value.close()


def test_a_port_that_is_taken_is_logged_and_left_out(harness: ServiceHarness, tmp_path: Path) -> None:
    assert harness.service.monitor is not None
    second = MonitorServer({}, "127.0.0.1", harness.service.monitor.port)
    assert second.start(60.0)
    with pytest.raises(ServiceError, match=r"cannot listen on .*--http-port"):
        second.is_listening()
    log = JsonLog(tmp_path / "second", lambda: 1.8e9)
    other = ServiceObserver(log, SystemdNotifier({}), harness.clock, 17.0, ("127.0.0.1", harness.service.monitor.port))
    other.start_http(60.0)
    other.observed(observation(0))
    other.closed(0)
    logged = [line for line in (tmp_path / "second").read_text("utf-8").splitlines() if '"http"' in line]
    assert len(logged) == 1 and "cannot listen on" in logged[0]


def test_music_does_not_wait_for_a_port_that_comes_late(tmp_path: Path) -> None:
    clock = VirtualClock()
    service = ServiceObserver(
        JsonLog(tmp_path / "log", lambda: 1.8e9), SystemdNotifier({}), clock, 17.0, ("127.0.0.1", 0)
    )
    assert service.monitor is not None
    service.start_http(0.0)
    service.observed(observation(0))
    deadline = time.perf_counter() + 60.0
    while not service.monitor.is_listening():
        assert time.perf_counter() < deadline
        time.sleep(0.01)
    for _ in range(3):
        service.observed(observation(0))
    url = service.monitor.url
    service.closed(0)
    logged = [line for line in (tmp_path / "log").read_text("utf-8").splitlines() if '"http"' in line]
    assert len(logged) == 1 and f"{url}/health" in logged[0] and not url.endswith(":0")


def test_a_response_that_fails_is_counted_and_the_next_request_is_answered() -> None:
    def broken() -> Response:
        raise ValueError("broken")

    monitor = MonitorServer({"/broken": broken, "/good": lambda: Response(b"good")}, port=0)
    assert monitor.start(60.0) and monitor.is_listening()
    statuses = []
    for path in ("/broken", "/good"):
        try:
            with urllib.request.urlopen(monitor.url + path, timeout=20) as answer:
                statuses.append(answer.status)
        except urllib.error.HTTPError as error:
            statuses.append(error.code)
            error.close()
    monitor.close()
    assert statuses == [500, 200] and monitor.failures == 1


def test_an_answer_that_takes_long_does_not_delay_the_engine(
    harness: ServiceHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, observed, in_time = threading.Event(), threading.Event(), list[bool]()

    def slow() -> bytes:
        begun.set()
        in_time.append(observed.wait(10.0))
        return b""

    harness.observe(1.0)
    monkeypatch.setattr(harness.service._metrics, "text", slow)
    client = threading.Thread(target=harness.get, args=("/metrics",))
    client.start()
    assert begun.wait(60.0)
    harness.observe(2.0)
    observed.set()
    client.join()
    assert in_time == [True]


def test_a_flood_of_requests_is_answered_while_the_engine_goes_on(harness: ServiceHarness) -> None:
    harness.observe(1.0)
    assert harness.service.monitor is not None
    assert threading.current_thread() is threading.main_thread()
    clients = [threading.Thread(target=lambda: [harness.get("/metrics") for _ in range(25)]) for _ in range(4)]
    for client in clients:
        client.start()
    for step in range(100):  # the engine continues to send observations
        harness.observe(1.0 + step / 100)
    for client in clients:
        client.join()
    assert harness.service.monitor.requests == 100 and harness.service.monitor.failures == 0
