"""Observing: the engine looked at from inside, once for all who watch."""

from __future__ import annotations

from riffengine.engine.house import House
from riffengine.engine.player_side import PlayerSide
from riffengine.engine.renderer_side import RendererSide
from riffengine.observation import EarFigures, Observation, Pending
from riffengine.performance.latency import LatencyHistogram


class Observing:
    """Reads everybody and changes nobody; costs about 0.2 ms. The event loop's thread."""

    def __init__(self, house: House, renderer: RendererSide, player: PlayerSide) -> None:
        self._house, self._renderer, self._player = house, renderer, player

    def look(self, faults: int) -> Observation:
        """How the performance stands now."""
        house = self._house
        status = house.conductor.status(house.playclock.frame())
        recording = house.recordist.facts()
        return Observation(
            host_ns=house.clock.now_ns(),
            name=house.session.name,
            conductor=status,
            player=house.playclock.anchor,
            sounding=self._player.sounding_since_ns > 0,
            output=self._player.output,
            values=dict(house.state.values),
            ear={str(control): figures(h) for control, h in house.ear.gestures.histograms.items()},
            pending=self._pending(status.moment.beat, status.moment.bpm),
            scenes=tuple(scene.name for scene in house.director.book.scenes),
            scene=house.director.book.current,
            activity=house.surfaces.activity(),
            recording=str(recording["recording"]),
            recordings_failed=int(recording["recordings_failed"]),
            saves=int(recording["saves"]),
            renderer_pid=self._renderer.pid,
            player_pid=self._player.pid,
            renderer_deaths=self._renderer.deaths,
            faults=faults,
        )

    def _pending(self, beat: float, bpm: float) -> tuple[Pending, ...]:
        parts = self._house.conductor.stage.parts.values()
        promises = {promise.path: promise.beat for part in parts for promise in part.promises.values()}
        due = sorted((due, path) for path, due in promises.items())
        return tuple(Pending(path, at, max(0.0, at - beat) * 60.0 / bpm) for at, path in due)


def figures(histogram: LatencyHistogram) -> EarFigures:
    """What a histogram has to say."""
    return EarFigures(
        histogram.count,
        histogram.quantile_ms(0.5),
        histogram.quantile_ms(0.95),
        histogram.max_ms,
        histogram.sum_ms,
        histogram.octaves(),
    )
