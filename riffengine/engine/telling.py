"""Telling: how the performance stands, as facts for the surfaces and as the status line."""

from __future__ import annotations

from collections.abc import Mapping

from riffengine.engine.house import House
from riffengine.engine.player_side import PlayerSide
from riffengine.engine.renderer_side import RendererSide
from riffengine.performance.command import Value


class Telling:
    """Reads everybody and changes nobody. The event loop's thread."""

    def __init__(self, house: House, renderer: RendererSide, player: PlayerSide) -> None:
        self._house, self._renderer, self._player = house, renderer, player

    def facts(self) -> Mapping[str, Value]:
        """For /riff/status and whoever else asks."""
        status = self._house.conductor.status(self._house.playclock.frame())
        return {
            "beat": status.moment.beat,
            "bpm": status.moment.bpm,
            "render_seconds": status.full_p50_seconds,
            "jobs_heard": status.jobs_heard,
            "famines": status.famines,
            "underruns": self._house.playclock.underruns,
            "load": self._house.playclock.load,
            "coverage": min(deck.coverage for deck in status.decks),
            **self._house.ear.gestures.facts(),
            **self._house.recordist.facts(),
            "renderer_pid": self._renderer.pid,
            "player_pid": self._player.pid,
        }

    def line(self) -> Mapping[str, str]:
        """The fields of the status line, in order."""
        status = self._house.conductor.status(self._house.playclock.frame())
        deck = status.decks[0]
        runway = "∞" if deck.runway_seconds == float("inf") else f"{deck.runway_seconds:.0f} s"
        shown = deck.prompt if not deck.to or deck.to == deck.prompt else f"{deck.prompt} → {deck.to}"
        return {
            "alpha": f"{deck.alpha:.2f}",
            "bpm": f"{status.moment.bpm:g}",
            "beat": f"{status.moment.beat:.1f}",
            "bank": f"{100 * deck.coverage:.0f}%",
            "runway": runway,
            "render": f"{status.full_p50_seconds:.2f} s",
            "ear": self._house.ear.gestures.shown(),
            "underruns": str(self._house.playclock.underruns),
            "♪": shown,  # last: what a narrow terminal cuts off is the end of the prompt
        }
