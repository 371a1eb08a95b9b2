"""The engine is the real-time process around the Conductor.

It runs one asyncio loop, never blocks and never imports torch.

``context`` puts all parts together and ``engine`` runs them; ``renderer_link`` and ``player_link`` receive from the two
other processes (a new message of theirs is a case there); ``Engine.carry_out`` does what the Conductor decides (a
new action is a case there). A new control surface is a line in ``surfaces/registry.py``.
"""

from riffengine.engine.engine import Engine
from riffengine.engine.options import PlayOptions
from riffengine.engine.run import run_play

__all__ = ["Engine", "PlayOptions", "run_play"]
