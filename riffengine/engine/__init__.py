"""Engine: the real-time shell around the Conductor. One asyncio loop; it never blocks and never imports torch.

``house`` puts everything together and ``engine`` lives; ``renderer_side`` and ``player_side`` hear the two other
processes (a new message of theirs is a case there); ``aftermath`` carries out what the Conductor decides (a new action
is a case there); ``telling`` is the status; ``playclock`` knows which frame is heard when. A new surface is a line in
``riffengine/surfaces.py``.
"""

from riffengine.engine.engine import Engine
from riffengine.engine.play import run_play
from riffengine.options import PlayOptions

__all__ = ["Engine", "PlayOptions", "run_play"]
