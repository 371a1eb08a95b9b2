"""Weighted prompts: brackets, numbers, escapes, LoRAs, and no text that is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riffengine.renderer.riffusion.prompt_weights import MOST_WEIGHT, Prompt


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("warm pads", (("warm pads", 1.0),)),
        ("(warm) pads", (("warm", 1.1), (" pads", 1.0))),
        ("a [soft] pad", (("a ", 1.0), ("soft", 1 / 1.1), (" pad", 1.0))),
        ("a (loud:1.5) pad", (("a ", 1.0), ("loud", 1.5), (" pad", 1.0))),
        ("((deep)) bass", (("deep", 1.1 * 1.1), (" bass", 1.0))),
        ("(deep (bass:2):0.5)", (("deep ", 0.5), ("bass", 1.0))),
        (r"jazz \(live\)", (("jazz (live)", 1.0),)),
        ("4:4 time", (("4:4 time", 1.0),)),
        ("open (end", (("open ", 1.0), ("end", 1.1))),
        ("stray) end", (("stray end", 1.0),)),
        ("", ()),
        ("  ", ()),
    ],
)
def test_weights_are_read_as_they_are_written(text: str, parts: tuple[tuple[str, float], ...]) -> None:
    found = Prompt.parse(text).parts
    assert [said for said, _ in found] == [said for said, _ in parts]
    assert [weight for _, weight in found] == pytest.approx([weight for _, weight in parts])


def test_a_lora_is_named_and_not_said() -> None:
    prompt = Prompt.parse("dub <lora:house:0.6> techno <lora:tape> <lora:cold:-9>")
    assert prompt.loras == (("house", 0.6), ("tape", 1.0), ("cold", -4.0))
    assert "".join(text for text, _ in prompt.parts).split() == ["dub", "techno"]


@given(st.text(alphabet="ab ()[]:\\1.5<>lora", max_size=60))
def test_any_text_is_a_prompt(text: str) -> None:
    prompt = Prompt.parse(text)
    assert all(said.strip() and 0.0 <= weight <= MOST_WEIGHT for said, weight in prompt.parts)
    assert set("".join(said for said, _ in prompt.parts)) <= set(text)
