"""Routing: which part of the engine acts on a parameter's path. The one table of path patterns and handlers.

A new parameter that only changes what is rendered, or that only others read, needs no line here. Pure.
"""

from __future__ import annotations

from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache

from riffengine.performance.parameters import EFFECT_CONTROLS


class Handler(StrEnum):
    """Who acts on a command, besides the state that holds its value."""

    # Answered before the scheduler sees it (engine process).
    START_RECORDING = "start recording"
    STOP_RECORDING = "stop recording"
    SAVE_LAST = "save last"
    TEMPO = "tempo"  # the tempo sync ramps it, or asks whoever sets the tempo
    TAP = "tap"
    NUDGE = "nudge"
    CAPTURE = "capture"  # bars of the sound input become an init
    PLUGIN = "plugin"  # a plugin is loaded or taken out
    # Made into several commands that belong together (the scene player).
    RECALL_SCENE = "recall scene"
    NEXT_SCENE = "next scene"
    PREVIOUS_SCENE = "previous scene"
    STORE_SCENE = "store scene"
    LEARN = "learn"
    UNDO = "undo"
    REDO = "redo"
    PROMPT_LIST = "prompt list"
    # Acted on by the scheduler.
    NEXT = "next"  # every deck takes its next prompt and seed
    AGAIN = "again"  # stems are generated again
    INIT = "init"  # a file is read
    ALPHA = "alpha"
    PANIC = "panic"
    QUANTUM = "quantum"  # landings are estimated again
    STEPS = "steps"  # loops are refined in place
    CHORDS = "chords"  # of all decks, which change on one frame
    # Sent to the mixer.
    MASTER_GAIN = "master gain"
    MIXER = "mixer"
    PLUGIN_CONTROL = "plugin control"  # goes through the mixer to the host process
    STEM_MIX = "stem mix"  # gain, mute and solo of a stem, which depend on its neighbours
    # Nobody: the value alone counts (rendered from it, or read by others).
    STATE = "state"


_PLACES = ("deck/*", "deck/*/stem/*", "send/*", "master")

ROUTES: tuple[tuple[str, Handler], ...] = (
    ("record/start", Handler.START_RECORDING),
    ("record/stop", Handler.STOP_RECORDING),
    ("record/save_last", Handler.SAVE_LAST),
    ("transport/tempo", Handler.TEMPO),
    ("transport/tap", Handler.TAP),
    ("transport/nudge", Handler.NUDGE),
    ("transport/quantum", Handler.QUANTUM),
    ("transport/quantum_*", Handler.QUANTUM),
    ("scene/recall", Handler.RECALL_SCENE),
    ("scene/next", Handler.NEXT_SCENE),
    ("scene/previous", Handler.PREVIOUS_SCENE),
    ("scene/store", Handler.STORE_SCENE),
    ("learn", Handler.LEARN),
    ("undo", Handler.UNDO),
    ("redo", Handler.REDO),
    ("next", Handler.NEXT),
    ("panic", Handler.PANIC),
    ("steps", Handler.STEPS),
    ("draft_steps", Handler.STEPS),
    ("chords", Handler.CHORDS),
    ("master/gain", Handler.MASTER_GAIN),
    ("crossfader", Handler.MIXER),
    ("cue/gain", Handler.MIXER),
    ("cue/mix", Handler.MIXER),
    ("deck/*/prompts/*", Handler.PROMPT_LIST),
    ("deck/*/alpha", Handler.ALPHA),
    ("deck/*/init", Handler.INIT),
    ("deck/*/capture", Handler.CAPTURE),
    ("deck/*/again", Handler.AGAIN),
    ("deck/*/gain", Handler.MIXER),
    ("deck/*/mute", Handler.MIXER),
    *((f"deck/*/{control}", Handler.MIXER) for control in EFFECT_CONTROLS),
    ("deck/*/side", Handler.MIXER),
    ("deck/*/send/*", Handler.MIXER),
    *((f"{place}/fx/*/plugin", Handler.PLUGIN) for place in _PLACES),
    *((f"{place}/fx/*/*", Handler.PLUGIN_CONTROL) for place in _PLACES),
    ("deck/*/cue", Handler.MIXER),
    ("deck/*/stem/*/again", Handler.AGAIN),
    ("deck/*/stem/*/gain", Handler.STEM_MIX),
    ("deck/*/stem/*/mute", Handler.STEM_MIX),
    ("deck/*/stem/*/solo", Handler.STEM_MIX),
)
"""Pattern and handler, the first match counts; ``*`` stands for one word of a path or for its end."""


@lru_cache(maxsize=4096)
def handler_of(path: str) -> Handler:
    """Who acts on ``path``; ``Handler.STATE`` where nobody does but the state."""
    words = path.split("/")
    for pattern, handler in ROUTES:
        parts = pattern.split("/")
        if len(parts) == len(words) and all(map(fnmatchcase, words, parts)):
            return handler
    return Handler.STATE
