"""ActionExecutor: carries out what the Conductor decides, and reports it to surfaces, recording and status line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from riffengine.engine.context import EngineContext
from riffengine.engine.player_link import PlayerLink
from riffengine.engine.renderer_link import RendererLink
from riffengine.scheduler.actions import (
    Action,
    Announce,
    Applied,
    ChangeLanded,
    DeckLanded,
    Log,
    RenderGivenUp,
    RestartRenderer,
    ToPlayerMessage,
    ToRendererMessage,
)

if TYPE_CHECKING:
    from riffengine.engine.engine import Engine

_NOT_SHOWN = frozenset({"unknown words"})  # in the journal; the status line has it in the engine's own words


class ActionExecutor:
    """The one place where each ``Action`` takes effect. The event loop's thread."""

    def __init__(self, engine: Engine, context: EngineContext, renderer: RendererLink, player: PlayerLink) -> None:
        self._engine, self._context, self._renderer, self._player = engine, context, renderer, player

    def carry_out(self, actions: Iterable[Action]) -> None:
        """Carry out all ``actions``, in order."""
        for action in actions:
            match action:
                case ToRendererMessage(message):
                    self._renderer.send(message)
                case ToPlayerMessage(message):
                    self._player.send(message)
                case Announce(landing, source):
                    self._context.surfaces.landing_moved(self._context.now(), landing, source)
                    self._engine.say(f"{landing.path} lands on beat {landing.beat:g} instead")
                case Applied():
                    self._context.surfaces.replied(action.moment, action.reply, self._context.state, action.routine)
                case DeckLanded():
                    self._deck_landed(action)
                case ChangeLanded():
                    moment = self._context.conductor.moment(action.frame)
                    self._context.surfaces.landed(moment, action.path, action.value, action.source)
                case RenderGivenUp(deck, text):
                    self._report(f"deck/{deck}", text)
                    self._context.latency.gestures.dropped(deck)
                    self._engine.say(text)
                case RestartRenderer(reason):
                    self._engine.say(reason)
                    self._renderer.kill()
                case Log(kind, text, values):
                    self._report(f"deck/{values['deck']}" if "deck" in values else kind, text)
                    if kind not in _NOT_SHOWN:
                        self._engine.say(text)

    def _deck_landed(self, landed: DeckLanded) -> None:
        self._report(f"deck/{landed.deck}", landed.text)
        self._context.recording.deck_landed(landed)
        self._engine.say(
            f"beat {landed.beat:8.2f}  deck {landed.deck}: {landed.prompt!r} seed {landed.seed}"
            f" → {landed.to!r} seed {landed.to_seed}"
        )

    def _report(self, path: str, text: str) -> None:
        self._context.surfaces.event(self._context.now(), path, text)
