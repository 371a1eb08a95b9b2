"""ServiceObserver: looks after a performance that nobody looks at: log, supervisor, health and figures.

The engine's event loop calls it ten times a second and never waits for it; disk and network are other threads' work.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus

from riffengine.clock import Clock
from riffengine.errors import ServiceError
from riffengine.service.health import Health, examine
from riffengine.service.http import Answer, MonitorServer
from riffengine.service.json_log import JsonLog
from riffengine.service.metrics import Metrics
from riffengine.service.process_stats import holding
from riffengine.service.systemd import SystemdNotifier
from riffengine.telemetry.observation import Observation, Observer, Submit

STATUS_SECONDS = 5.0  # of the supervisor's line
REPORT_SECONDS = 60.0  # of the log's

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class ServiceObserver(Observer):
    """The attendant of ``riffengine serve``. ``end_seconds`` is how long a fade and the rest of a recording may take.

    ``monitor_at`` is host and port, ``None`` for no HTTP.
    """

    def __init__(
        self,
        log: JsonLog,
        supervisor: SystemdNotifier,
        clock: Clock,
        end_seconds: float,
        monitor_at: tuple[str, int] | None = ("127.0.0.1", 9464),
    ) -> None:
        self._log, self._supervisor, self._clock, self._end_seconds = log, supervisor, clock, end_seconds
        self._latest: Observation | None = None
        self._health = Health("starting", live=True, ready=False)
        self._stopping = False
        self._ready_told = self._http_told = False
        self._next_status_ns = self._next_report_ns = 0
        self._metrics = Metrics(lambda: self._latest, self._examine, lambda: log.lost)
        self._metrics_made: tuple[int, bytes] = (0, b"")
        self.monitor: MonitorServer | None = None
        if monitor_at is not None:
            paths = {"/health": self._tell_health, "/health/live": self._tell_live, "/metrics": self._tell_metrics}
            self.monitor = MonitorServer(paths, *monitor_at)

    def begin(self, http_seconds: float = 5.0) -> None:
        """Open the port, and wait so long for it before anything plays; what cannot be had is logged and left out."""
        if self.monitor is not None:
            self.monitor.start(http_seconds)
            self._tell_http()

    def _tell_http(self) -> None:
        """Once: where it is, or why not. On a busy machine the music may begin before."""
        if self.monitor is None or self._http_told:
            return
        try:
            self._http_told = self.monitor.settled()
        except ServiceError as error:
            self.monitor = None
            self._log.write("http", str(error), "warning")
        else:
            if self._http_told:
                self._log.write("http", f"{self.monitor.url}/health and {self.monitor.url}/metrics")

    # --- what the engine tells ----------------------------------------------------------------------------------------

    def opened(self, submit: Submit, stop: Callable[[], None]) -> None:
        """The performance begins."""
        self._log.write("opened")
        self._supervisor.status("loading the model")

    def said(self, text: str) -> None:
        """What a performer would read on the screen."""
        self._log.write("said", text)

    def observed(self, observation: Observation) -> None:
        """How it stands."""
        before, self._latest = self._latest, observation
        now_ns = self._clock.now_ns()
        health = self._examine()
        if health.state != "failing":
            self._supervisor.alive(now_ns)  # a player that hangs is a service that hangs: no word, a new start
        if health.ready and not self._ready_told:
            self._ready_told = True
            self._supervisor.ready(_line(observation))
        if (health.state, health.problems) != (self._health.state, self._health.problems):
            level = {"ok": "info", "starting": "info", "stopping": "info", "failing": "error"}.get(
                health.state, "warning"
            )
            self._log.write("health", "; ".join(health.problems), level, {"state": health.state})
        self._health = health
        self._changes(before, observation)
        self._tell_http()
        if now_ns >= self._next_status_ns and self._ready_told:
            self._next_status_ns = now_ns + round(STATUS_SECONDS * 1e9)
            self._supervisor.status(_line(observation))
        if now_ns >= self._next_report_ns:
            self._next_report_ns = now_ns + round(REPORT_SECONDS * 1e9)
            self._log.write("status", facts=_report(observation))

    def ending(self) -> None:
        """The fade-out begins."""
        self._stopping = True
        self._log.write("stopping", facts=_report(self._latest) if self._latest is not None else None)
        self._supervisor.stopping(self._end_seconds)

    def closed(self, status: int) -> None:
        """It is over."""
        self._log.write("closed", level="error" if status else "info", facts={"status": status})
        if self.monitor is not None:
            self.monitor.close()
        self._supervisor.close()
        self._log.close()

    def _changes(self, before: Observation | None, now: Observation) -> None:
        """What nobody says but somebody will ask: when did that happen?"""
        if before is None:
            return
        counts = {
            "underrun": (_underruns(before), _underruns(now)),
            "famine": (before.conductor.famines, now.conductor.famines),
            "renderer_death": (before.renderer_deaths, now.renderer_deaths),
            "player_death": (before.player_deaths, now.player_deaths),
            "fault": (before.faults, now.faults),
        }
        for event, (then, count) in counts.items():
            if count > then:
                self._log.write(
                    event, level="warning", facts={"beat": round(now.conductor.moment.beat, 2), "count": count}
                )

    # --- what is asked over HTTP (the monitor's thread) ---------------------------------------------------------------

    def _examine(self) -> Health:
        return examine(self._latest, self._clock.now_ns(), self._stopping)

    def _tell_health(self) -> Answer:
        health = self._examine()
        facts = {**asdict(health), **(_report(self._latest) if self._latest is not None else {})}
        status = HTTPStatus.OK if health.ready else HTTPStatus.SERVICE_UNAVAILABLE
        return Answer((json.dumps(facts, ensure_ascii=False) + "\n").encode(), status=status)

    def _tell_live(self) -> Answer:
        health = self._examine()
        status = HTTPStatus.OK if health.live else HTTPStatus.SERVICE_UNAVAILABLE
        return Answer((json.dumps({"state": health.state, "live": health.live}) + "\n").encode(), status=status)

    def _tell_metrics(self) -> Answer:
        stamp = self._latest.host_ns if self._latest is not None else 0
        if not self._metrics_made[1] or stamp != self._metrics_made[0]:  # ten times a second at most
            self._metrics_made = (stamp, self._metrics.text())
        return Answer(self._metrics_made[1], _METRICS_TYPE)


def _underruns(observation: Observation) -> int:
    return observation.player.underruns if observation.player is not None else 0


def _line(o: Observation) -> str:
    decks = "; ".join(f"{d.deck}: {d.prompt}" + (f" → {d.to}" if d.to else "") for d in o.conductor.decks)
    return f"beat {o.conductor.moment.beat:.0f}, {o.conductor.moment.bpm:g} bpm, {_underruns(o)} underruns; {decks}"


def _report(o: Observation) -> dict[str, object]:
    status, player = o.conductor, o.player
    runway = min((deck.runway_seconds for deck in status.decks), default=0.0)
    held = holding(o.renderer_pid) if o.renderer_pid else None
    return {
        "beat": round(status.moment.beat, 2),
        "bpm": status.moment.bpm,
        "decks": {d.deck: {"prompt": d.prompt, "to": d.to, "alpha": round(d.alpha, 3)} for d in status.decks},
        "scene": o.scene,
        "runway_seconds": None if runway == float("inf") else round(runway, 1),
        "underruns": _underruns(o),
        "famines": status.famines,
        "renders_heard": status.jobs_heard,
        "render_seconds": round(status.full_p50_seconds, 3),
        "renderer_deaths": o.renderer_deaths,
        "player_deaths": o.player_deaths,
        "renderer_mb": held.resident_bytes // 1_000_000 if held else None,
        "load": round(player.load, 4) if player is not None else None,
        "output": o.output,
        "recording": o.recording,
    }
