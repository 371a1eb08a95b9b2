"""ActionExecutor: what the Conductor decided is carried out, and told to whom it concerns."""

from __future__ import annotations

from collections.abc import Iterable

from riffengine.engine.context import EngineContext
from riffengine.engine.player_link import PlayerLink
from riffengine.engine.renderer_link import RendererLink
from riffengine.engine.shell import Shell
from riffengine.scheduler.actions import (
    Action,
    Announce,
    Applied,
    Log,
    RestartRenderer,
    ToPlayerMessage,
    ToRendererMessage,
)

QUIET = frozenset({"landed", "unknown words"})  # journalled, and on the line only in the engine's own words


class ActionExecutor:
    """One place where each ``Action`` becomes deed. The event loop's thread."""

    def __init__(self, shell: Shell, context: EngineContext, renderer: RendererLink, player: PlayerLink) -> None:
        self._shell, self._context, self._renderer, self._player = shell, context, renderer, player

    def carry_out(self, actions: Iterable[Action]) -> None:
        """Every one of them, in order."""
        for action in actions:
            match action:
                case ToRendererMessage(message):
                    self._renderer.send(message)
                case ToPlayerMessage(message):
                    self._player.send(message)
                case Announce(landing, source):
                    self._context.surfaces.landing_moved(self._context.now(), landing, source)
                    self._shell.say(f"{landing.path} lands on beat {landing.beat:g} instead")
                case Applied():
                    self._context.surfaces.replied(action.moment, action.reply, self._context.state, action.routine)
                case RestartRenderer(reason):
                    self._shell.say(reason)
                    self._renderer.kill()
                case Log():
                    self._log(action)

    def _log(self, entry: Log) -> None:
        values = entry.values
        path = f"deck/{values['deck']}" if "deck" in values else entry.kind
        if entry.kind == "kept":  # a promise: this parameter's change is heard from that frame on
            moment = self._context.conductor.moment(int(values["frame"]))
            self._context.surfaces.landed(moment, str(values["path"]), values["value"], str(values["source"]))
            return
        self._context.surfaces.event(self._context.now(), path, entry.text)
        if entry.kind == "render given up":
            self._context.latency.gestures.dropped(str(values["deck"]))
        if entry.kind == "landed":
            self._context.recording.bank_landed(values)
            self._shell.say(
                f"beat {values['beat']:8.2f}  deck {values['deck']}: {values['prompt']!r} seed {values['seed']}"
                f" → {values['to']!r} seed {values['to_seed']}"
            )
        elif entry.kind not in QUIET:
            self._shell.say(entry.text)
