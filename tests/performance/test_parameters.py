from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riffengine.errors import OutOfRange, ParameterError, UnknownParameter, WrongType
from riffengine.performance.command import Accepted, Command, Rejected
from riffengine.performance.parameter_tree import ControlClass, Parameter, ParameterTree
from riffengine.performance.parameters import KEY_CHOICES, MAX_SEED, standard_tree

TREE = standard_tree(("a", "b"), ("drums", "lead"))

ACCEPTED = [
    ("deck/a/alpha", 1, 1.0),
    ("deck/a/alpha", 0.25, 0.25),
    ("steps", 8.0, 8),
    ("steps", 50, 50),
    ("deck/a/seed", MAX_SEED, MAX_SEED),
    ("master/gain", -60, -60.0),
    ("deck/a/mute", True, True),
    ("deck/a/mute", 0, False),
    ("deck/a/mute", 1.0, True),
    ("deck/a/prompt", "techno, dark", "techno, dark"),
    ("deck/a/prompt", "x" * 400, "x" * 400),
    ("deck/a/to", "", ""),
    ("key", "a MINOR", "A minor"),
    ("key", "", ""),
    ("transport/quantum", "2bars", "2bars"),
    ("panic", 1, True),
    ("panic", 0.0, False),
]
REFUSED = [
    ("steps", 1.5, WrongType),
    ("steps", True, WrongType),
    ("steps", "8", WrongType),
    ("steps", 0, OutOfRange),
    ("steps", 51, OutOfRange),
    ("deck/a/alpha", "0.5", WrongType),
    ("deck/a/alpha", None, WrongType),
    ("deck/a/alpha", b"\0", WrongType),
    ("deck/a/alpha", math.nan, WrongType),
    ("deck/a/alpha", math.inf, OutOfRange),
    ("deck/a/alpha", -math.inf, OutOfRange),
    ("deck/a/alpha", 1.0000001, OutOfRange),
    pytest.param("deck/a/alpha", 10**5000, OutOfRange, id="an integer too long to print"),
    ("deck/a/seed", -1, OutOfRange),
    ("deck/a/seed", MAX_SEED + 1, OutOfRange),
    ("deck/a/mute", 2, WrongType),
    ("deck/a/mute", "yes", WrongType),
    ("deck/a/prompt", 808, WrongType),
    ("deck/a/prompt", "x" * 401, OutOfRange),
    ("deck/a/prompt", "two\nlines", WrongType),
    ("deck/a/prompt", "\ud800", WrongType),
    ("key", "H minor", OutOfRange),
    ("transport/quantum", 4, WrongType),
    ("transport/tempo", 19.9, OutOfRange),
    ("transport/tempo", 999.1, OutOfRange),
    ("panic", "now", WrongType),
]


@pytest.mark.parametrize(("path", "value", "held"), ACCEPTED)
def test_a_fitting_value_is_held_in_the_parameters_own_type(path: str, value: object, held: object) -> None:
    found, clipped = TREE.check(path, value)
    assert (found, type(found), clipped) == (held, type(held), False)


@pytest.mark.parametrize(("bpm", "held"), [(59.9, 119.8), (20, 80.0), (181.0, 90.5), (999.0, 124.875)])
def test_a_tempo_in_which_no_loop_sounds_right_is_played_by_its_octave(bpm: float, held: float) -> None:
    assert TREE.check("transport/tempo", bpm) == (held, True)


@pytest.mark.parametrize(("path", "value", "error"), REFUSED)
def test_a_refusal_names_the_path_and_what_is_allowed(path: str, value: object, error: type[ParameterError]) -> None:
    with pytest.raises(error) as refusal:
        TREE.check(path, value)
    assert str(refusal.value).startswith(f"{path}: ")
    assert len(str(refusal.value)) < 600
    str(refusal.value).encode("utf-8")


def test_clipping_is_only_on_request_and_is_told() -> None:
    assert TREE.check("master/gain", 99, clip=True) == (6.0, True)
    assert TREE.check("deck/a/seed", -5, clip=True) == (0, True)
    assert TREE.check("deck/a/alpha", 0.5, clip=True) == (0.5, False)


@pytest.mark.parametrize(
    ("path", "offered"),
    [("deck/a/aplha", "deck/a/alpha"), ("tempo", "transport/tempo"), ("deck/c/alpha", "deck/a/alpha or deck/b/alpha")],
)
def test_an_unknown_path_is_answered_with_near_ones(path: str, offered: str) -> None:
    with pytest.raises(UnknownParameter, match=offered):
        TREE[path]


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.lists(st.integers()),
    st.sampled_from(KEY_CHOICES), st.floats(0, 1),
)  # fmt: skip


@given(path=st.one_of(st.sampled_from(sorted(TREE.parameters)), st.text()), value=ANYTHING, clip=st.booleans())
def test_no_value_raises_or_leaves_a_state_that_the_tree_would_refuse(path: str, value: object, clip: bool) -> None:
    before = TREE.initial_state()
    values = dict(before.values)
    after, reply = TREE.apply(before, Command(path, value), clip)  # type: ignore[arg-type]
    assert dict(before.values) == values
    if isinstance(reply, Rejected):
        assert after is before and reply.reason
    else:
        assert TREE.check(path, reply.value) == (reply.value, False)
        changed = {p for p in values if after[p] != values[p]}
        assert changed <= {path}
        assert after.revision == len(changed)


def test_a_change_makes_a_new_state_and_the_same_value_does_not() -> None:
    start = TREE.initial_state()
    state, reply = TREE.apply(start, Command("deck/b/alpha", 1))
    assert (state["deck/b/alpha"], state.revision, start["deck/b/alpha"]) == (1.0, 1, 0.0)
    again, reply = TREE.apply(state, Command("deck/b/alpha", 1.0))
    assert again is state
    assert isinstance(reply, Accepted) and reply.note == "it has this value already"


def test_a_trigger_fires_without_a_value_in_the_state() -> None:
    start = TREE.initial_state()
    state, reply = TREE.apply(start, Command("next", 1))
    assert state is start and "next" not in start.values
    assert isinstance(reply, Accepted) and reply.value is True


def test_every_parameter_is_described_and_the_deck_intent_is_complete() -> None:
    rows = TREE.describe()
    assert [row.path for row in rows] == list(TREE.parameters)
    assert all(row.help and row.allowed for row in rows)
    assert len(KEY_CHOICES) == 25
    intent = TREE.initial_state().deck("b")
    assert (intent.seed, intent.to_seed, intent.alpha, intent.guidance) == (0, 1, 0.0, 3.0)
    assert TREE["deck/a/alpha"].control is ControlClass.MORPH
    assert TREE["deck/a/stem/lead/gain"].control is ControlClass.IMMEDIATE


def test_a_tree_with_a_path_twice_or_a_bad_default_is_refused() -> None:
    one = Parameter("x", "float", 0.5, ControlClass.IMMEDIATE, "", 0, 1)
    with pytest.raises(ParameterError, match="twice"):
        ParameterTree([one, one])
    with pytest.raises(OutOfRange):
        ParameterTree([Parameter("x", "float", 2.0, ControlClass.IMMEDIATE, "", 0, 1)])
    with pytest.raises(ParameterError, match="cannot name"):
        standard_tree(("A/b",))
