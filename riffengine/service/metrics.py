"""Metrics: the figures of a performance in Prometheus' text format, built from the last observation on request.

Belongs to the thread that serves them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import get_args

from prometheus_client.core import (
    CollectorRegistry,
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from riffengine import __version__
from riffengine.processes.process_stats import read_process_stats, shared_segments
from riffengine.processes.render_messages import PoolReport
from riffengine.processes.web_figures import WebFigures
from riffengine.scheduler.actions import DeckStatus
from riffengine.service.health import Health, State
from riffengine.telemetry.observation import Observation

PREFIX = "riffengine"
_STATES: tuple[str, ...] = get_args(State)


class Metrics(Collector):
    """``latest`` returns the last observation, ``health`` the current health, ``lost`` the number of lost log lines."""

    def __init__(
        self,
        latest: Callable[[], Observation | None],
        health: Callable[[], Health],
        lost: Callable[[], int] = lambda: 0,
    ) -> None:
        self._latest, self._health, self._lost = latest, health, lost
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return bytes(generate_latest(self._registry))

    def describe(self) -> Iterable[Metric]:
        """No metric is known in advance (called by the registry)."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every metric (called by the registry)."""
        health = self._health()
        yield InfoMetricFamily(PREFIX, "The program", {"version": __version__})
        state = GaugeMetricFamily(f"{PREFIX}_health", "1 for the current state of health", labels=["state"])
        for name in _STATES:
            state.add_metric([name], float(health.state == name))
        yield state
        yield _counter("log_lines_lost", "Log lines that could not be written", self._lost())
        observation = self._latest()
        yield from _processes(observation)
        if observation is not None:
            yield from _sound(observation)
            yield from _renders(observation)
            yield from _decks(observation)
            yield from _knob_to_ear(observation)
            if observation.pool is not None:
                yield from pool_metrics(observation.pool)
            if observation.web is not None:
                yield from _web(observation.web)


class MetricsPage(Collector):
    """Metrics that are there already, as one page."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        registry = CollectorRegistry()
        registry.register(self)
        return bytes(generate_latest(registry))

    def describe(self) -> Iterable[Metric]:
        """No metric is known in advance (called by the registry)."""
        return []

    def collect(self) -> Iterable[Metric]:
        """All of them (called by the registry)."""
        return self._families


def pool_metrics(pool: PoolReport) -> Iterator[Metric]:
    """The figures of a pool of renderers."""
    yield _gauge("pool_members", "Renderers of the pool that are ready", pool.members)
    yield _gauge("pool_seats", "Loops that the pool renders at a time", pool.seats)
    if pool.wanted:
        yield _gauge("pool_wanted", "Actors of the cluster that its scaling asks for", pool.wanted)
    if pool.runway_seconds is not None:
        yield _gauge("pool_runway_seconds", "Least time until a set has nothing new to play", pool.runway_seconds)
    yield _gauge("pool_busy", "Loops that it renders now, second attempts included", pool.busy)
    yield _gauge("pool_waiting", "Loops that wait for a seat", pool.waiting)
    yield _counter("pool_delivered", "Loops that it rendered", pool.delivered)
    yield _counter("pool_hits", "Loops that it had rendered before", pool.hits)
    yield _counter("pool_hedges", "Second attempts beside slow ones", pool.hedges)
    yield _counter("pool_retries", "Attempts after a failure, a death or a silence", pool.retries)
    yield _counter("pool_lost", "Attempts that ended with their renderer", pool.lost)
    yield _counter("pool_silences", "Renderers that said nothing for too long", pool.silences)
    yield _counter("pool_disagreements", "Second results that differ from the first", pool.disagreements)
    yield _counter("pool_worked_seconds", "Seconds of seats in all attempts", pool.worked_seconds)
    yield _counter("pool_wasted_seconds", "Seconds of seats in attempts that nobody took", pool.wasted_seconds)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"{PREFIX}_{name}", text, value=value)


def _sound(observation: Observation) -> Iterator[Metric]:
    moment, player = observation.conductor.moment, observation.player
    yield _gauge("sounding", "1 once anything has sounded", float(observation.sounding))
    yield _gauge("panicked", "1 while a panic silences the output", float(observation.conductor.panicked))
    yield _gauge("beat", "Beats since the start", moment.beat)
    yield _gauge("tempo_bpm", "Tempo", moment.bpm)
    yield _gauge("recording", "1 while a file is being recorded", float(bool(observation.recording)))
    yield _counter(
        "recordings_failed", "Recordings and cue sheets that could not be written", observation.recordings_failed
    )
    yield _counter("saves", "How often the last minutes were saved", observation.saves)
    yield _counter("faults", "Unexpected internal errors", observation.faults)
    inputs = CounterMetricFamily(f"{PREFIX}_messages", "Messages received", labels=["surface"])
    for surface, count in observation.activity.items():
        inputs.add_metric([surface], count)
    yield inputs
    if player is not None:
        yield _counter("frames", "Frames handed to the output", player.frame)
        yield _counter("underruns", "Underruns of the output", player.underruns)
        yield _counter("late_messages", "Messages that reached the mixer after their frame", player.late_messages)
        yield _gauge("peak", "Largest sample since the last report; 1 is full scale", player.peak)
        yield _gauge("load", "Computing time of a block as a share of its duration", player.load)


def _renders(observation: Observation) -> Iterator[Metric]:
    status = observation.conductor
    yield _gauge("renderer_ready", "1 while the renderer accepts jobs", float(status.renderer_ready))
    yield _counter("renderer_deaths", "Unexpected ends of the renderer", observation.renderer_deaths)
    yield _counter("player_deaths", "Unexpected ends of the player", observation.player_deaths)
    jobs = CounterMetricFamily(f"{PREFIX}_renders", "Loops by outcome", labels=["outcome"])
    for outcome in ("started", "delivered", "heard", "cancelled", "failed", "lost"):
        jobs.add_metric([outcome], getattr(status, f"jobs_{outcome}"))
    yield jobs
    seconds = GaugeMetricFamily(f"{PREFIX}_render_seconds", "Time to render one loop", labels=["fineness", "quantile"])
    for fineness in ("draft", "full"):
        for share in ("50", "95"):
            seconds.add_metric([fineness, f"0.{share}"], getattr(status, f"{fineness}_p{share}_seconds"))
    yield seconds
    yield _counter("famines", "Times no new loop was ready", status.famines)
    yield _counter("launches", "Banks launched", status.launches)
    yield _counter("landings_moved", "Announced landings that moved", status.landings_moved)
    yield _gauge("landing_error_frames_max", "Largest error of a landing", status.landing_error_frames_max)
    yield _gauge("pending_changes", "Changes that have not landed", len(observation.pending))
    yield _gauge("slots_free", "Slots of shared memory that hold no loop", status.slots_free)


def _decks(observation: Observation) -> Iterator[Metric]:
    figures: dict[str, tuple[str, Callable[[DeckStatus], float]]] = {
        "alpha": ("Position of the morph: 0 is prompt, 1 is to", lambda d: d.alpha),
        "coverage": ("Share of the bank that is rendered", lambda d: d.coverage),
        "runway_seconds": ("Seconds of finished music ahead; +Inf without drift", lambda d: d.runway_seconds),
        "deck_sounding": ("1 when the deck has a loop", lambda d: float(d.sounding)),
    }
    for name, (text, value) in figures.items():
        family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=["deck"])
        for deck in observation.conductor.decks:
            family.add_metric([deck.deck], value(deck))
        yield family


def _knob_to_ear(observation: Observation) -> Iterator[Metric]:
    family = HistogramMetricFamily(f"{PREFIX}_knob_to_ear_seconds", "Latency from gesture to sound", labels=["class"])
    for control, figures in observation.latency.items():
        buckets = [(f"{bound / 1000:.6g}", float(count)) for bound, count in figures.octaves]
        family.add_metric([control], [*buckets, ("+Inf", float(figures.count))], figures.sum_ms / 1000)
    yield family


def _web(web: WebFigures) -> Iterator[Metric]:
    yield _gauge("web_up", "1 while the web server answers", float(web.pid > 0))
    yield _counter("web_deaths", "Unexpected ends and failed starts of the web server", web.deaths)
    yield _gauge("web_pages", "Pages that are connected", web.pages)
    yield _gauge("web_listeners", "Listeners of all codecs and streams", web.listeners)
    yield _counter("web_sent_bytes", "Audio that listeners have taken", web.sent_bytes)
    yield _gauge("web_waiting_packets", "Packets that wait for the slowest listener", web.waiting_packets)
    yield _counter("web_dropped_packets", "Packets that slow listeners have lost", web.dropped_packets)
    yield _gauge("web_lag_seconds", "Longest delay of the server's event loop in the last second", web.lag_seconds)
    yield _counter("web_refused", "Connections for which there was no room", web.refused)
    yield _counter("web_substitutes", "Answers of Riffusion's API that were no new loop", web.substitutes)
    if web.icecast is not None:
        yield _gauge("web_icecast", "1 while the Icecast server takes the stream", float(web.icecast))


def _processes(observation: Observation | None) -> Iterator[Metric]:
    pids = {
        "engine": os.getpid(),
        **({"renderer": observation.renderer_pid, "player": observation.player_pid} if observation is not None else {}),
        **({"web": observation.web.pid} if observation is not None and observation.web is not None else {}),
    }
    names = ("resident_bytes", "private_bytes", "descriptors", "threads")
    families = {
        name: GaugeMetricFamily(f"{PREFIX}_process_{name}", "Figure of each process, from /proc", labels=["process"])
        for name in names
    }
    cpu = CounterMetricFamily(f"{PREFIX}_process_cpu_seconds", "Figure of each process, from /proc", labels=["process"])
    for process, pid in pids.items():
        stats = read_process_stats(pid) if pid else None
        if stats is not None:
            for name, family in families.items():
                family.add_metric([process], getattr(stats, name))
            cpu.add_metric([process], stats.cpu_seconds)
    yield from families.values()
    yield cpu
    count, size = shared_segments()
    yield _gauge("shared_segments", "Shared memory segments of all riffengine processes here", count)
    yield _gauge("shared_bytes", "Size of the shared memory segments", size)
