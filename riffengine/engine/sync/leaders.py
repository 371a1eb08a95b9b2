"""The leaders that a session can follow, opened when ``transport/sync`` names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from riffengine.clock import Clock
from riffengine.control.link import LinkLeader
from riffengine.control.midi.clock_input import MidiClockInput
from riffengine.engine.sync.daw_leader import daw_leader
from riffengine.engine.sync.tempo_sync import Leader
from riffengine.processes.player_messages import ToHost
from riffengine.session.session import Session


def sync_leaders(
    session: Session, clock: Clock, say: Callable[[str], None], to_host: Callable[[ToHost], None]
) -> Mapping[str, Callable[[float], Leader]]:
    """How to open the leader for each value of ``transport/sync`` but ``internal``; each is given the present tempo.

    ``to_host`` passes a message about a DAW to the player. Opening raises ``ControlError`` that says what is missing.
    """

    def midi(bpm: float) -> Leader:
        return MidiClockInput(session.sync.port, clock, say)

    def link(bpm: float) -> Leader:
        return LinkLeader(bpm, clock, session.sync.start_stop)

    return {"midi": midi, "link": link, "daw": daw_leader(session.audio.output, to_host)}
