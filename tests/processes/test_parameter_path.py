"""Paths of parameters are taken apart and put together without loss."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riffengine.performance.parameters import standard_tree
from riffengine.processes.parameter_path import ParameterPath, decks_of, parse_path, stems_of

TREE = standard_tree(("a", "b"), ("drums", "bass"), cue=True)


@pytest.mark.parametrize(
    ("path", "parsed"),
    [
        ("crossfader", ParameterPath("crossfader")),
        ("master/gain", ParameterPath("gain", group="master")),
        ("deck/a/gain", ParameterPath("gain", "a")),
        ("deck/a/prompts/pick", ParameterPath("pick", "a", group="prompts")),
        ("deck/a/stem/drums/gain", ParameterPath("gain", "a", "drums")),
    ],
)
def test_a_path_is_taken_apart(path: str, parsed: ParameterPath) -> None:
    assert parse_path(path) == parsed
    assert pickle.loads(pickle.dumps(parsed)) == parsed


@given(st.one_of(st.sampled_from(sorted(TREE.parameters)), st.text("adeckstm/", max_size=24)))
def test_every_text_comes_back(path: str) -> None:
    assert str(parse_path(path)) == path


def test_a_path_says_whether_it_is_a_prompt_or_about_scenes() -> None:
    prompts = [path for path in TREE.parameters if parse_path(path).is_prompt]
    assert sorted(prompts) == ["deck/a/prompt", "deck/a/to", "deck/b/prompt", "deck/b/to"]
    assert {path for path in TREE.parameters if parse_path(path).is_scene} == {
        path for path in TREE.parameters if path.startswith("scene/")
    }


def test_decks_and_stems_keep_their_order() -> None:
    assert decks_of(TREE.parameters) == ("a", "b")
    assert stems_of(TREE.parameters, "b") == ("drums", "bass")
    assert stems_of(TREE.parameters, "c") == ()
