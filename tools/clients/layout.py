"""The layout of every client: two decks side by side with prompt, faders and switches, and the session's controls."""

from __future__ import annotations

from riffengine.performance.parameter_tree import Parameter, ParameterTree
from riffengine.performance.parameters import standard_tree

DECKS = ("a", "b")
FADERS = ("alpha", "gain", "filter", "drift")
SWITCHES = ("mute",)
SESSION_FADERS = ("crossfader", "master/gain", "transport/tempo")
TRIGGERS = ("next", "undo", "panic", "transport/tap")
PROMPTS = {"a": ("dub techno warm", "jazz piano"), "b": ("ambient choir", "house organ")}

ENGINE_PORT = 9000
ANSWERS_PORT = 7400  # where Max listens: it cannot listen on the port that it sends from


def tree() -> ParameterTree:
    """The tree that the clients are written from."""
    return standard_tree(DECKS)


def faders(tree: ParameterTree) -> list[Parameter]:
    """Every fader, deck by deck, then those of the session."""
    return [tree[f"deck/{d}/{name}"] for d in DECKS for name in FADERS] + [tree[path] for path in SESSION_FADERS]


def switches(tree: ParameterTree) -> list[Parameter]:
    """Every switch."""
    return [tree[f"deck/{d}/{name}"] for d in DECKS for name in SWITCHES]


def triggers(tree: ParameterTree) -> list[Parameter]:
    """Every button."""
    return [tree[path] for path in TRIGGERS]
