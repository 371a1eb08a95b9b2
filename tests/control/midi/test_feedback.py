from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riffengine.control.midi.binding import Binding
from riffengine.control.midi.event import MidiEvent
from riffengine.control.midi.feedback import MESSAGES_PER_UPDATE, TOUCH_NS, ControllerFeedback
from riffengine.control.midi.led import PLAIN, FeedbackState, LedMessage, LedPalette, LedState, led_state
from riffengine.performance.command import Value
from riffengine.performance.parameters import standard_tree
from riffengine.performance.progress import DeckProgress, PerformanceProgress, Phase
from riffengine.performance.prompt_lists import PromptLists

TREE = standard_tree(("a", "b"))
LISTS = PromptLists((("warm", ("house", "dub")), ("cold", ("techno",))))
PADS = Binding("deck/a/prompts/pick", "note", 0, channel=1, values=(1, 2, 3), light="pad")
COLOURS = LedPalette(
    MappingProxyType({state: (LedMessage(number, channel=7),) for number, state in enumerate(LedState)})
)  # each state has a velocity of its own


def state_with(
    phase: Phase = Phase.PLAYING, heard: str = "house", progress: PerformanceProgress | None = None, **values: Value
) -> FeedbackState:
    state = TREE.initial_state()
    for name, value in {"deck/a/prompt": "house", **values}.items():
        state = state.with_value(name.replace("__", "/"), value)
    seen = progress or PerformanceProgress({"a": DeckProgress(phase, {"prompt": heard, "to": ""})})
    return FeedbackState(state, seen, LISTS)


def states(binding: Binding, seen: FeedbackState) -> list[str]:
    return [str(led_state(binding, at, TREE, seen)) for at in range(binding.span)]


@pytest.mark.parametrize("phase", list(Phase))
def test_the_chosen_pad_shows_the_phase_of_its_deck(phase: Phase) -> None:
    assert states(PADS, state_with(phase)) == [str(phase), "idle", "empty"]


def test_the_prompt_that_sounds_stays_lit_while_the_next_is_rendered() -> None:
    assert states(PADS, state_with(Phase.RENDERING, heard="dub")) == ["rendering", "playing", "empty"]


def test_the_pads_follow_the_bank() -> None:
    seen = state_with(Phase.QUEUED, **{"deck/a/prompts/bank": 2, "deck/a/prompt": "techno"})
    assert states(PADS, seen) == ["queued", "empty", "empty"]
    banks = Binding("deck/a/prompts/bank", "note", 8, values=(1, 2, 3), light="pad")
    assert states(banks, seen) == ["idle", "on", "empty"]


def test_scenes_by_number_and_by_name() -> None:
    seen = state_with(
        progress=PerformanceProgress(
            {"a": DeckProgress(Phase.RENDERING), "b": DeckProgress()}, ("intro", "drop"), "drop"
        )
    )
    assert states(Binding("scene/recall", "note", 0, values=("1", "2", "3")), seen) == ["idle", "rendering", "empty"]
    assert states(Binding("scene/recall", "note", 0, values=("drop", "gone")), seen) == ["rendering", "empty"]


@pytest.mark.parametrize(
    ("binding", "values", "state"),
    [
        (Binding("deck/a/mute", "note", 1), {"deck/a/mute": True}, "on"),
        (Binding("deck/a/mute", "note", 1), {}, "off"),
        (Binding("deck/a/mute", "note", 1, invert=True), {}, "on"),
        (Binding("next", "note", 1), {}, "idle"),
        (Binding("panic", "note", 1), {}, "idle"),
        (Binding("learn", "note", 1, values=("deck/a/alpha",)), {"learn": "deck/a/alpha"}, "on"),
        (Binding("deck/a/prompts/next", "note", 1), {}, "idle"),
        (Binding("transport/quantum", "note", 1, values=("bar",)), {}, "on"),
        (Binding("transport/quantum", "note", 1, values=("beat",)), {}, "idle"),
    ],
)
def test_switches_and_triggers(binding: Binding, values: dict[str, Value], state: str) -> None:
    assert states(binding, state_with(**values)) == [state]


def test_panic_is_lit_until_the_sound_is_back() -> None:
    assert states(Binding("panic", "note", 1), state_with(progress=PerformanceProgress(panicked=True))) == ["on"]


def test_leds_are_sent_once_and_again_only_when_something_changed() -> None:
    feedback = ControllerFeedback([PADS], {"pad": COLOURS}, TREE)
    order = list(LedState)
    playing, idle, empty = (order.index(LedState(name)) for name in ("playing", "idle", "empty"))
    assert feedback.update(state_with(), 0) == [
        bytes((0x96, 0, playing)),
        bytes((0x96, 1, idle)),
        bytes((0x96, 2, empty)),
    ]
    assert feedback.update(state_with(), 1) == []
    failed = order.index(LedState.FAILED)
    assert feedback.update(state_with(Phase.FAILED), 2) == [bytes((0x96, 0, failed))]
    feedback.refresh()  # it was unplugged and came back
    assert len(feedback.update(state_with(Phase.FAILED), 3)) == 3


def test_a_pressed_pad_is_sent_again_since_some_controllers_switch_its_led_off() -> None:
    feedback = ControllerFeedback([PADS], {"pad": COLOURS}, TREE)
    feedback.update(state_with(), 0)
    feedback.on_event(MidiEvent("note_off", 1, 1), 1)
    assert [message[1] for message in feedback.update(state_with(), 2)] == [1]


def test_a_palette_uses_the_nearest_state_and_we_blink_leds_that_cannot() -> None:
    binding = replace(PADS, light="plain")
    feedback = ControllerFeedback([binding], {}, TREE)
    lit = [{m[1]: m[2] for m in feedback.update(state_with(Phase.QUEUED), tick * 50_000_000)} for tick in range(20)]
    changes = [frame[0] for frame in lit if 0 in frame]
    assert changes == [127, 0, 127, 0]  # one second: on and off twice
    assert PLAIN.messages(LedState.EMPTY, binding, 2, 0) == (bytes((0x90, 2, 0)),)


FADER = Binding("deck/a/alpha", "cc", 7, channel=2, echo=True)


def test_a_motor_fader_follows_but_never_while_it_is_held() -> None:
    feedback = ControllerFeedback([FADER], {}, TREE)
    assert feedback.update(state_with(**{"deck/a/alpha": 1.0}), 0) == [bytes((0xB1, 7, 127))]
    feedback.on_event(MidiEvent("cc", 2, 7, 64), 10**9)  # the hand; pick-up has not let it through
    assert feedback.update(state_with(**{"deck/a/alpha": 1.0}), 10**9 + TOUCH_NS - 1) == []
    assert feedback.update(state_with(**{"deck/a/alpha": 1.0}), 10**9 + TOUCH_NS) == [bytes((0xB1, 7, 127))]
    feedback.on_event(MidiEvent("cc", 2, 7, 64), 2 * 10**9)
    assert feedback.update(state_with(**{"deck/a/alpha": 64 / 127}), 3 * 10**9) == []  # it stands where it should


def test_rings_follow_at_once_and_14_bit_faders_get_both_halves() -> None:
    ring = Binding("deck/a/alpha", "cc", 3, mode="relative-binary-offset", echo=True)
    feedback = ControllerFeedback([ring], {}, TREE)
    feedback.on_event(MidiEvent("cc", 1, 3, 65), 5)
    assert feedback.update(state_with(**{"deck/a/alpha": 0.5}), 5) == [bytes((0xB0, 3, 64))]
    wide = ControllerFeedback([Binding("deck/a/alpha", "cc14", 3, echo=True)], {}, TREE)
    assert wide.update(state_with(**{"deck/a/alpha": 1.0}), 0) == [bytes((0xB0, 3, 127)), bytes((0xB0, 35, 127))]
    bend = ControllerFeedback([Binding("deck/a/alpha", "pitchbend", channel=9, echo=True)], {}, TREE)
    assert bend.update(state_with(**{"deck/a/alpha": 1.0}), 0) == [bytes((0xE8, 127, 127))]


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(5, 40))
def test_no_update_sends_more_than_allowed_and_the_last_value_arrives(alphas: list[float], most: int) -> None:
    many = [Binding("deck/a/alpha", "cc", number, echo=True) for number in range(100)]
    feedback = ControllerFeedback(many, {}, TREE)
    shown: dict[int, int] = {}
    seen = state_with()
    for now_ns, alpha in enumerate(alphas):
        seen = replace(seen, state=seen.state.with_value("deck/a/alpha", alpha))
        messages = feedback.update(seen, now_ns, most)
        assert len(messages) <= most
        shown |= {message[1]: message[2] for message in messages}
    for turn in range(100 // most + 1):
        shown |= {m[1]: m[2] for m in feedback.update(seen, len(alphas) + turn, most)}
    assert shown == dict.fromkeys(range(100), round(alphas[-1] * 127))


def test_a_full_controller_is_refreshed_in_a_few_updates() -> None:
    rows = [Binding("scene/recall", "note", 8 * row, values=tuple("12345678"), light="pad") for row in range(8)]
    feedback = ControllerFeedback(rows, {"pad": COLOURS}, TREE)
    sent = [len(feedback.update(state_with(), now_ns)) for now_ns in range(6)]
    assert sum(sent) == 64 and max(sent) <= MESSAGES_PER_UPDATE
    assert len(feedback.off_messages()) == 64
