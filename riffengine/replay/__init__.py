"""Replay: renders a set again from its journal, offline, with the same samples.

A live set depends on chance: on how long renders take, and so on which block each message to the player arrives in. The
journal therefore holds a player log: every message that the player took, the frame on which it took effect, and for
every loop the request that determines it. The mixer depends on nothing else.
"""

from riffengine.replay.player_log import PlayerLog, PlayerLogEntry, read_player_log
from riffengine.replay.replay import Replay, ReplayReport, load_replay_family, replay_file

__all__ = [
    "PlayerLog",
    "PlayerLogEntry",
    "Replay",
    "ReplayReport",
    "load_replay_family",
    "read_player_log",
    "replay_file",
]
