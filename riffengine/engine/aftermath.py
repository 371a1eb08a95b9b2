"""Aftermath: what the Conductor decided is carried out, and told to whom it concerns."""

from __future__ import annotations

from collections.abc import Iterable

from riffengine.engine.house import House
from riffengine.engine.player_side import PlayerSide
from riffengine.engine.renderer_side import RendererSide
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


class Aftermath:
    """One place where each ``Action`` becomes deed. The event loop's thread."""

    def __init__(self, shell: Shell, house: House, renderer: RendererSide, player: PlayerSide) -> None:
        self._shell, self._house, self._renderer, self._player = shell, house, renderer, player

    def carry_out(self, actions: Iterable[Action]) -> None:
        """Every one of them, in order."""
        for action in actions:
            match action:
                case ToRendererMessage(message):
                    self._renderer.send(message)
                case ToPlayerMessage(message):
                    self._player.send(message)
                case Announce(landing, source):
                    self._house.surfaces.landing_moved(self._house.now(), landing, source)
                    self._shell.say(f"{landing.path} lands on beat {landing.beat:g} instead")
                case Applied():
                    self._house.surfaces.replied(action.moment, action.reply, self._house.state, action.routine)
                case RestartRenderer(reason):
                    self._shell.say(reason)
                    self._renderer.kill()
                case Log():
                    self._log(action)

    def _log(self, entry: Log) -> None:
        values = entry.values
        path = f"deck/{values['deck']}" if "deck" in values else entry.kind
        if entry.kind == "kept":  # a promise: this parameter's change is heard from that frame on
            moment = self._house.conductor.moment(int(values["frame"]))
            self._house.surfaces.landed(moment, str(values["path"]), values["value"], str(values["source"]))
            return
        self._house.surfaces.event(self._house.now(), path, entry.text)
        if entry.kind == "render given up":
            self._house.ear.gestures.dropped(str(values["deck"]))
        if entry.kind == "landed":
            self._house.recordist.bank_landed(values)
            self._shell.say(
                f"beat {values['beat']:8.2f}  deck {values['deck']}: {values['prompt']!r} seed {values['seed']}"
                f" → {values['to']!r} seed {values['to_seed']}"
            )
        elif entry.kind not in QUIET:
            self._shell.say(entry.text)
