"""The state in a DAW's project: there and back, what it leaves to the host, and states that are none."""

from __future__ import annotations

import base64
import zlib

import pytest

from riffengine.control.daw.project_state import ProjectState
from riffengine.errors import DawError
from riffengine.performance.command import Accepted, Command
from riffengine.performance.parameters import standard_tree
from riffengine.processes.daw_handshake import LONGEST_STATE, state_line

TREE = standard_tree(("a", "b"), ("drums", "bass"))


def state_with(**values: object):  # type: ignore[no-untyped-def]
    state = TREE.initial_state()
    for path, value in values.items():
        state, reply = TREE.apply(state, Command(path.replace("__", "/"), value))  # type: ignore[arg-type]
        assert isinstance(reply, Accepted), reply
    return state


def test_a_project_that_is_opened_again_has_its_prompts_and_seeds() -> None:
    played = state_with(deck__a__prompt="dub techno, café", deck__a__seed=7, deck__b__gain=-6.0, transport__tempo=97.0)
    saved = ProjectState.parse(ProjectState.of("mine", played.values, TREE, ("crossfader",)).text())
    assert saved == ProjectState(
        "mine", {"deck/a/prompt": "dub techno, café", "deck/a/seed": 7, "deck/b/gain": -6.0}, ("crossfader",)
    )
    fresh = state_with(deck__b__mute=True)
    commands, unknown = saved.commands(TREE, fresh.values)
    assert unknown == []
    for command in commands:
        fresh, reply = TREE.apply(fresh, command)
        assert isinstance(reply, Accepted)
    assert {**fresh.values, "transport/tempo": 97.0} == dict(played.values)


def test_the_longest_state_of_a_set_fits_into_a_line() -> None:
    tree = standard_tree(("a", "b", "c", "d"), ("drums", "bass", "other", "vocals"))
    values = dict(tree.initial_state().values)
    for deck in "abcd":
        for name in ("prompt", "to", "negative"):
            values[f"deck/{deck}/{name}"] = f"{deck}{name} " * 40
    assert len(state_line(ProjectState.of("x", values, tree, ()).text())) < LONGEST_STATE


def test_what_this_session_does_not_have_is_named_and_left_out() -> None:
    saved = ProjectState("other", {"deck/z/seed": 3, "deck/a/seed": 5, "deck/a/quantum": "x", "crossfader": 9.0})
    commands, unknown = saved.commands(TREE, TREE.initial_state().values)
    assert {command.path: command.value for command in commands} == {"deck/a/seed": 5, "crossfader": 1.0}
    assert unknown == ["deck/a/quantum", "deck/z/seed"]


@pytest.mark.parametrize(
    "text",
    [
        "abc",
        "====",
        base64.b64encode(b"not packed").decode(),
        base64.b64encode(zlib.compress(b"[1]")).decode(),
        base64.b64encode(zlib.compress(b'{"version":2,"preset":"x","values":{},"map":[]}')).decode(),
        base64.b64encode(zlib.compress(b'{"version":1,"preset":"x","values":{"a":[1]},"map":[]}')).decode(),
        base64.b64encode(zlib.compress(b"[" * 100_000)).decode(),
        base64.b64encode(zlib.compress(b" " * (8 << 20))).decode(),
    ],
)
def test_a_state_that_is_none_of_ours_is_refused(text: str) -> None:
    with pytest.raises(DawError, match="left out"):
        ProjectState.parse(text)
