"""ServiceObserver: log, systemd notifications, health and metrics of an unattended performance.

The engine's event loop calls it ten times a second and never waits for it; other threads write to disk and network.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus

from riffengine.clock import Clock
from riffengine.errors import ServiceError
from riffengine.processes.process_stats import read_process_stats
from riffengine.service.health import Health, examine
from riffengine.service.http import MonitorServer, Response
from riffengine.service.json_log import JsonLog
from riffengine.service.metrics import Metrics
from riffengine.service.systemd import SystemdNotifier
from riffengine.telemetry.observation import Observation, Observer, Submit
from riffengine.transport.beat_grid import rounded

STATUS_SECONDS = 5.0  # between two status texts for systemd
REPORT_SECONDS = 60.0  # between two status lines in the log

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class ServiceObserver(Observer):
    """The observer of ``riffengine serve``. ``end_seconds``: how long a fade-out and finishing a recording may take.

    ``monitor_at`` is host and port of the HTTP server, ``None`` for no server.
    """

    def __init__(
        self,
        log: JsonLog,
        systemd: SystemdNotifier,
        clock: Clock,
        end_seconds: float,
        monitor_at: tuple[str, int] | None = ("127.0.0.1", 9464),
    ) -> None:
        self._log, self._systemd, self._clock, self._end_seconds = log, systemd, clock, end_seconds
        self._latest: Observation | None = None
        self._health = Health("starting", live=True, ready=False)
        self._stopping = False
        self._ready_sent = self._http_logged = False
        self._next_status_ns = self._next_report_ns = 0
        self._metrics = Metrics(lambda: self._latest, self._examine, lambda: log.lost)
        self._metrics_cache: tuple[int, bytes] = (0, b"")
        self.monitor: MonitorServer | None = None
        if monitor_at is not None:
            paths = {
                "/health": self._health_response,
                "/health/live": self._live_response,
                "/metrics": self._metrics_response,
            }
            self.monitor = MonitorServer(paths, *monitor_at)

    def start_http(self, http_seconds: float = 5.0) -> None:
        """Open the port and wait up to ``http_seconds`` for it; a port that cannot be opened is logged and left out."""
        if self.monitor is not None:
            self.monitor.start(http_seconds)
            self._log_http_state()

    def _log_http_state(self) -> None:
        """Log once where the server is, or why there is none. On a busy machine the music may start first."""
        if self.monitor is None or self._http_logged:
            return
        try:
            self._http_logged = self.monitor.is_listening()
        except ServiceError as error:
            self.monitor = None
            self._log.write("http", str(error), "warning")
        else:
            if self._http_logged:
                self._log.write("http", f"{self.monitor.url}/health and {self.monitor.url}/metrics")

    # --- calls from the engine ----------------------------------------------------------------------------------------

    def opened(self, submit: Submit, stop: Callable[[], None]) -> None:
        """The performance starts."""
        self._log.write("opened")
        self._systemd.status("loading the model")

    def notified(self, text: str) -> None:
        """A message that a performer would read on the screen."""
        self._log.write("said", text)

    def observed(self, observation: Observation) -> None:
        """Update health, log, metrics and systemd from the current state."""
        before, self._latest = self._latest, observation
        now_ns = self._clock.now_ns()
        health = self._examine()
        if health.state != "failing":
            self._systemd.ping(now_ns)  # without it systemd restarts the service: wanted when the player hangs
        if health.ready and not self._ready_sent:
            self._ready_sent = True
            self._systemd.ready(_status_text(observation))
        if (health.state, health.problems) != (self._health.state, self._health.problems):
            level = {"ok": "info", "starting": "info", "stopping": "info", "failing": "error"}.get(
                health.state, "warning"
            )
            self._log.write("health", "; ".join(health.problems), level, {"state": health.state})
        self._health = health
        self._log_changes(before, observation)
        self._log_http_state()
        if now_ns >= self._next_status_ns and self._ready_sent:
            self._next_status_ns = now_ns + round(STATUS_SECONDS * 1e9)
            self._systemd.status(_status_text(observation))
        if now_ns >= self._next_report_ns:
            self._next_report_ns = now_ns + round(REPORT_SECONDS * 1e9)
            self._log.write("status", facts=_facts(observation))

    def ending(self) -> None:
        """The fade-out starts."""
        self._stopping = True
        self._log.write("stopping", facts=_facts(self._latest) if self._latest is not None else None)
        self._systemd.stopping(self._end_seconds)

    def closed(self, status: int) -> None:
        """The performance has ended."""
        self._log.write("closed", level="error" if status else "info", facts={"status": status})
        if self.monitor is not None:
            self.monitor.close()
        self._systemd.close()
        self._log.close()

    def _log_changes(self, before: Observation | None, now: Observation) -> None:
        """Log the beat of every underrun, famine, death of a process and fault."""
        if before is None:
            return
        counts = {
            "underrun": (_underruns(before), _underruns(now)),
            "famine": (before.conductor.famines, now.conductor.famines),
            "renderer_death": (before.renderer_deaths, now.renderer_deaths),
            "player_death": (before.player_deaths, now.player_deaths),
            "web_death": (_web_deaths(before), _web_deaths(now)),
            "fault": (before.faults, now.faults),
        }
        for event, (then, count) in counts.items():
            if count > then:
                self._log.write(
                    event, level="warning", facts={"beat": round(now.conductor.moment.beat, 2), "count": count}
                )

    # --- HTTP responses (the server's thread) -------------------------------------------------------------------------

    def _examine(self) -> Health:
        return examine(self._latest, self._clock.now_ns(), self._stopping)

    def _health_response(self) -> Response:
        health = self._examine()
        facts = {**asdict(health), **(_facts(self._latest) if self._latest is not None else {})}
        status = HTTPStatus.OK if health.ready else HTTPStatus.SERVICE_UNAVAILABLE
        return Response((json.dumps(facts, ensure_ascii=False) + "\n").encode(), status=status)

    def _live_response(self) -> Response:
        health = self._examine()
        status = HTTPStatus.OK if health.live else HTTPStatus.SERVICE_UNAVAILABLE
        return Response((json.dumps({"state": health.state, "live": health.live}) + "\n").encode(), status=status)

    def _metrics_response(self) -> Response:
        stamp = self._latest.host_ns if self._latest is not None else 0
        if not self._metrics_cache[1] or stamp != self._metrics_cache[0]:  # at most ten times a second
            self._metrics_cache = (stamp, self._metrics.text())
        return Response(self._metrics_cache[1], _METRICS_TYPE)


def _underruns(observation: Observation) -> int:
    return observation.player.underruns if observation.player is not None else 0


def _web_deaths(observation: Observation) -> int:
    return observation.web.deaths if observation.web is not None else 0


def _status_text(o: Observation) -> str:
    decks = "; ".join(f"{d.deck}: {d.prompt}" + (f" → {d.to}" if d.to else "") for d in o.conductor.decks)
    return (
        f"beat {o.conductor.moment.beat:.0f}, {rounded(o.conductor.moment.bpm)} bpm, {_underruns(o)} underruns; {decks}"
    )


def _facts(o: Observation) -> dict[str, object]:
    status, player = o.conductor, o.player
    runway = min((deck.runway_seconds for deck in status.decks), default=0.0)
    stats = read_process_stats(o.renderer_pid) if o.renderer_pid else None
    return {
        "beat": round(status.moment.beat, 2),
        "bpm": status.moment.bpm,
        "decks": {d.deck: {"prompt": d.prompt, "to": d.to, "alpha": round(d.alpha, 3)} for d in status.decks},
        "scene": o.scene,
        "runway_seconds": None if runway == float("inf") else round(runway, 1),
        "underruns": _underruns(o),
        "famines": status.famines,
        "renders_heard": status.jobs_heard,
        "render_seconds": round(status.full_p50_seconds, 3) if status.full_measured else None,
        "renderer_deaths": o.renderer_deaths,
        "player_deaths": o.player_deaths,
        "renderer_mb": stats.resident_bytes // 1_000_000 if stats else None,
        "load": round(player.load, 4) if player is not None else None,
        "output": o.output,
        "recording": o.recording,
    }
