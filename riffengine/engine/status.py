"""EngineStatus: how the performance stands, as facts for the surfaces and as the status line."""

from __future__ import annotations

from collections.abc import Mapping

from riffengine.engine.context import EngineContext
from riffengine.engine.player_link import PlayerLink
from riffengine.engine.plugins.rack import PluginRack
from riffengine.engine.renderer_link import RendererLink
from riffengine.performance.command import Value
from riffengine.transport.beat_grid import rounded


class EngineStatus:
    """Reads all parts and changes none. The event loop's thread."""

    def __init__(self, context: EngineContext, renderer: RendererLink, player: PlayerLink, plugins: PluginRack) -> None:
        self._context, self._renderer, self._player, self._plugins = context, renderer, player, plugins

    def facts(self) -> Mapping[str, Value]:
        """The figures of /riff/status and of every other status report."""
        status = self._context.conductor.status(self._context.stream_clock.frame())
        return {
            "beat": status.moment.beat,
            "bpm": status.moment.bpm,
            "render_seconds": status.full_p50_seconds,
            "jobs_heard": status.jobs_heard,
            "famines": status.famines,
            "underruns": self._context.stream_clock.underruns,
            "load": self._context.stream_clock.load,
            "coverage": min(deck.coverage for deck in status.decks),
            **self._context.latency.gestures.facts(),
            "recording": self._context.recording.file_name,
            "recordings_failed": self._context.recording.failures,
            "saves": self._context.recording.saves,
            "renderer_pid": self._renderer.pid,
            "player_pid": self._player.pid,
            **self._plugins.facts(),
            "plugin_gaps": self._context.stream_clock.plugin_gaps,
        }

    def line(self) -> Mapping[str, str]:
        """The fields of the status line, in order."""
        status = self._context.conductor.status(self._context.stream_clock.frame())
        deck = status.decks[0]
        runway = "∞" if deck.runway_seconds == float("inf") else f"{deck.runway_seconds:.0f} s"
        shown = deck.prompt if not deck.to or deck.to == deck.prompt else f"{deck.prompt} → {deck.to}"
        return {
            "alpha": f"{deck.alpha:.2f}",
            "bpm": rounded(status.moment.bpm),
            "beat": f"{status.moment.beat:.1f}",
            "bank": f"{100 * deck.coverage:.0f}%",
            "runway": runway,
            "render": f"{status.full_p50_seconds:.2f} s" if status.full_measured else "–",
            "ear": self._context.latency.gestures.shown(),
            "underruns": str(self._context.stream_clock.underruns),
            "♪": shown,  # last: a narrow terminal cuts off the end of the prompt
        }
