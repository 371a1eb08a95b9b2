"""Replay: a set played again from its journal, offline, to the same samples.

A set is live because renders take as long as they take: when a loop is ready, and so which message reaches the player
in which block, is chance. The journal therefore holds the tape: every message the player took, with the frame on which
it took effect, and for every loop the request that determines it. The mixer depends on nothing else.
"""

from riffengine.replay.player_log import PlayerLog, PlayerLogEntry, read_player_log
from riffengine.replay.replay import Replay, ReplayReport, load_as_live, replay_file

__all__ = ["PlayerLog", "PlayerLogEntry", "Replay", "ReplayReport", "load_as_live", "read_player_log", "replay_file"]
