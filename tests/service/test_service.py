"""The caretaker over real HTTP and a real socket, on a clock that is moved by hand."""

from __future__ import annotations

import json
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
from riffengine.service.http import Answer, MonitorServer
from riffengine.service.json_log import JsonLog
from riffengine.service.service import ServiceObserver
from riffengine.service.systemd import SystemdNotifier
from tests.service.observations import SECOND, observation


class Gallery:
    def __init__(self, folder: Path) -> None:
        self.latency = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.latency.bind(str(folder / "notify"))
        self.latency.setblocking(False)
        self.clock = VirtualClock()
        self.log_file = folder / "log"
        environment = {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "4000000"}
        log = JsonLog(self.log_file, lambda: 1.8e9)
        self.caretaker = ServiceObserver(log, SystemdNotifier(environment), self.clock, 17.0, ("127.0.0.1", 0))
        self.caretaker.begin(60.0)

    def heard(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self.latency.recv(4096).decode())
            except BlockingIOError:
                return found

    def get(self, path: str, host: str = "") -> tuple[int, str]:
        assert self.caretaker.monitor is not None
        request = urllib.request.Request(self.caretaker.monitor.url + path, headers={"Host": host} if host else {})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def see(self, seconds: float, **changes: object) -> None:
        now_ns = round(seconds * SECOND)
        self.clock.advance_to(now_ns)
        self.caretaker.observed(observation(now_ns, **changes))

    def log(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log_file.read_text("utf-8").splitlines()]


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    made = Gallery(tmp_path)
    yield made
    made.caretaker.closed(0)
    made.latency.close()


def test_from_the_start_to_the_end(gallery: Gallery) -> None:
    assert gallery.get("/health")[0] == 503
    gallery.caretaker.opened(lambda command: None, lambda: None)  # type: ignore[arg-type,return-value]
    gallery.see(1.0, sounding=False)
    assert "READY=1" not in "".join(gallery.heard())
    gallery.see(2.0)
    assert gallery.heard()[-2:][0].startswith("READY=1\nSTATUS=beat 20, 120 bpm")
    status, text = gallery.get("/health")
    facts = json.loads(text)
    assert (status, facts["state"], facts["decks"]["a"]["prompt"]) == (200, "ok", "ambient piano")
    gallery.caretaker.said("hello")
    gallery.caretaker.ending()
    assert gallery.get("/health")[0] == 503 and gallery.get("/health/live")[0] == 200
    assert gallery.heard()[-1].startswith("STOPPING=1\nEXTEND_TIMEOUT_USEC=17000000")
    gallery.caretaker.closed(0)
    events = [line["event"] for line in gallery.log()]
    assert [e for e in events if e in ("opened", "said", "stopping", "closed")] == [
        "opened", "said", "stopping", "closed"
    ]  # fmt: skip


def test_a_player_that_hangs_gets_no_sign_of_life_any_more(gallery: Gallery) -> None:
    for tenth in range(40):
        gallery.see(tenth / 10)
    assert gallery.heard().count("WATCHDOG=1") == 4
    stuck = observation(4 * SECOND).player
    for tenth in range(40, 140):
        gallery.see(tenth / 10, player=stuck)
    assert gallery.heard().count("WATCHDOG=1") == 4  # of ten: until it had been silent for more than 3 s
    assert gallery.get("/health")[0] == 503
    for tenth in range(140, 150):
        gallery.see(tenth / 10)
    assert "WATCHDOG=1" in gallery.heard()


def test_an_engine_that_stands_still_is_seen_from_outside(gallery: Gallery) -> None:
    gallery.see(1.0)
    assert gallery.get("/health/live")[0] == 200
    gallery.clock.advance_to(5 * SECOND)
    assert gallery.get("/health/live")[0] == 503
    assert 'riffengine_health{state="failing"} 1.0' in gallery.get("/metrics")[1]


def test_the_figures_are_what_prometheus_reads(gallery: Gallery) -> None:
    assert gallery.get("/metrics")[0] == 200  # before the first observation too
    gallery.see(1.0)
    families = {family.name: family for family in text_string_to_metric_families(gallery.get("/metrics")[1])}

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
    for family in families.values():
        assert family.documentation, family.name


def test_what_happened_is_in_the_log_once(gallery: Gallery) -> None:
    gallery.see(1.0)
    first = observation().conductor
    for step in range(5):
        gallery.see(2.0 + step, conductor=replace(first, famines=3), renderer_deaths=1)
    gallery.caretaker.closed(1)
    events = [(line["event"], line["level"], line.get("count")) for line in gallery.log()]
    assert events.count(("famine", "warning", 3)) == 1
    assert events.count(("renderer_death", "warning", 1)) == 1
    assert events[-1][:2] == ("closed", "error")


def test_it_only_tells_and_only_to_those_who_know_its_name(gallery: Gallery) -> None:
    assert gallery.caretaker.monitor is not None
    assert gallery.get("/health/live", host="evil.example")[0] == 403
    assert gallery.get("/health/live", host="localhost:9464")[0] == 200
    assert gallery.get("/nothing")[0] == 404 and "/metrics" in gallery.get("/nothing")[1]
    post = urllib.request.Request(gallery.caretaker.monitor.url + "/health", data=b"x", method="POST")
    with pytest.raises(urllib.error.HTTPError, match="405") as refused:
        urllib.request.urlopen(post, timeout=20)
    refused.value.close()


def test_a_port_that_is_taken_is_told_and_left_out(gallery: Gallery, tmp_path: Path) -> None:
    assert gallery.caretaker.monitor is not None
    second = MonitorServer({}, "127.0.0.1", gallery.caretaker.monitor.port)
    assert second.start(60.0)
    with pytest.raises(ServiceError, match=r"cannot listen on .*--http-port"):
        second.settled()
    log = JsonLog(tmp_path / "second", lambda: 1.8e9)
    other = ServiceObserver(
        log, SystemdNotifier({}), gallery.clock, 17.0, ("127.0.0.1", gallery.caretaker.monitor.port)
    )
    other.begin(60.0)
    other.observed(observation(0))
    other.closed(0)
    told = [line for line in (tmp_path / "second").read_text("utf-8").splitlines() if '"http"' in line]
    assert len(told) == 1 and "cannot listen on" in told[0]


def test_music_does_not_wait_for_a_port_that_comes_late(tmp_path: Path) -> None:
    clock = VirtualClock()
    caretaker = ServiceObserver(
        JsonLog(tmp_path / "log", lambda: 1.8e9), SystemdNotifier({}), clock, 17.0, ("127.0.0.1", 0)
    )
    assert caretaker.monitor is not None
    caretaker.begin(0.0)
    caretaker.observed(observation(0))
    deadline = time.perf_counter() + 60.0
    while not caretaker.monitor.settled():
        assert time.perf_counter() < deadline
        time.sleep(0.01)
    for _ in range(3):
        caretaker.observed(observation(0))
    url = caretaker.monitor.url
    caretaker.closed(0)
    told = [line for line in (tmp_path / "log").read_text("utf-8").splitlines() if '"http"' in line]
    assert len(told) == 1 and f"{url}/health" in told[0] and not url.endswith(":0")


def test_an_answer_that_fails_is_counted_and_the_next_one_comes() -> None:
    def broken() -> Answer:
        raise ValueError("broken")

    monitor = MonitorServer({"/broken": broken, "/good": lambda: Answer(b"good")}, port=0)
    assert monitor.start(60.0) and monitor.settled()
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


def test_a_flood_of_questions_takes_no_turn_of_the_engine(gallery: Gallery) -> None:
    gallery.see(1.0)
    assert gallery.caretaker.monitor is not None
    assert threading.current_thread() is threading.main_thread()
    askers = [threading.Thread(target=lambda: [gallery.get("/metrics") for _ in range(25)]) for _ in range(4)]
    for asker in askers:
        asker.start()
    for step in range(100):  # the engine goes on observing meanwhile
        gallery.see(1.0 + step / 100)
    for asker in askers:
        asker.join()
    assert gallery.caretaker.monitor.requests == 100 and gallery.caretaker.monitor.failures == 0
