"""SetRecovery: what a set saves for ``--resume``, and takes up again. The event loop's thread."""

from __future__ import annotations

from collections.abc import Callable

from riffengine.clock import SystemClock
from riffengine.engine.context import EngineContext


class SetRecovery:
    """Connects the set of ``context`` with its ``Recovery``, if it has one; all methods do nothing without.

    ``plugin_states`` tells the state of each plugin; ``say`` shows a sentence to the performer.
    """

    def __init__(
        self, context: EngineContext, plugin_states: Callable[[], dict[str, bytes]], say: Callable[[str], None]
    ) -> None:
        self._context, self._recovery = context, context.recovery
        self._plugin_states, self._say = plugin_states, say
        self._told = ""  # why nothing can be saved, as the performer was told

    def restore(self) -> None:
        """Let the loops of the last set play again, while the model loads."""
        context, recovery = self._context, self._recovery
        if recovery is None:
            return
        if recovery.advice:
            self._say(recovery.advice)
        restored = recovery.restore(
            context.conductor, context.store, context.player_log.set_slot_request, context.midi_notes_out.set_slot_notes
        )
        if restored:
            self._say(f"resumed: {restored} loops of the last set play while the model loads")

    def save(self) -> None:
        """Save the set as it is, once the player has told its first frame; the disk is written by another thread."""
        context, recovery = self._context, self._recovery
        if recovery is None or context.stream_clock.anchor is None:
            return
        recovery.save(
            context.clock.now_ns() / 1e9,
            SystemClock().unix_seconds(),
            context.conductor,
            context.scene_player,
            context.store,
            context.player_log.slot_request,
            context.midi_notes_out.slot_notes,
            self._plugin_states(),
        )
        if recovery.failure != self._told:
            self._told = recovery.failure
            self._say(self._told or "the state for --resume is saved again")

    def mark_ended(self, clean: bool) -> None:
        """Note how the set has ended: after one that was not ``clean`` the next start offers to resume."""
        if self._recovery is not None:
            self._recovery.mark_ended(clean=clean)
