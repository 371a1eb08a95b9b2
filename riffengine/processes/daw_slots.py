"""SLOTS: the 16 parameters of the plugin in a DAW: their names there, and what each is in the parameter tree.

A host shows and automates every slot from 0 to 1: the engine maps that to the range of the parameter, and a scene or a
prompt of a list to its place in the list. The plugin's ports and pages are written from this table.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Slot:
    """``symbol`` names the port, ``path`` the parameter of the tree, ``default`` is its own default from 0 to 1."""

    symbol: str
    name: str
    path: str
    default: float


_UNITY = 60.0 / 66.0  # 0 dB in a gain from -60 to 6 dB

SLOTS = (
    Slot("crossfader", "Crossfader", "crossfader", 0.0),
    Slot("a_gain", "Deck A Gain", "deck/a/gain", _UNITY),
    Slot("b_gain", "Deck B Gain", "deck/b/gain", _UNITY),
    Slot("a_alpha", "Deck A Alpha", "deck/a/alpha", 0.0),
    Slot("b_alpha", "Deck B Alpha", "deck/b/alpha", 0.0),
    Slot("a_filter", "Deck A Filter", "deck/a/filter", 0.5),
    Slot("b_filter", "Deck B Filter", "deck/b/filter", 0.5),
    Slot("a_pick", "Deck A Prompt", "deck/a/prompts/pick", 0.0),
    Slot("b_pick", "Deck B Prompt", "deck/b/prompts/pick", 0.0),
    Slot("scene", "Scene", "scene/recall", 0.0),
    Slot("a_energy", "Deck A Energy", "deck/a/energy", 0.5),
    Slot("b_energy", "Deck B Energy", "deck/b/energy", 0.5),
    Slot("a_brightness", "Deck A Brightness", "deck/a/brightness", 0.5),
    Slot("b_brightness", "Deck B Brightness", "deck/b/brightness", 0.5),
    Slot("a_density", "Deck A Density", "deck/a/density", 0.5),
    Slot("b_density", "Deck B Density", "deck/b/density", 0.5),
)
