"""A person's hand on a control wins over an agent for eight bars."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from riffengine.clock import VirtualClock
from riffengine.engine.engine import Engine
from riffengine.engine.hands_first import HandsFirst
from riffengine.engine.options import PlayOptions
from riffengine.performance.command import FOLLOW_SOURCE, INPUT_SOURCE, Accepted, Command, Rejected
from riffengine.performance.prompt_lists import PromptLists
from riffengine.performance.scenes import Scene
from riffengine.session.session import Session
from riffengine.telemetry.observers import Observers
from riffengine.telemetry.status_line import StatusLine

HAND = "midi:nano"


def move(hands: HandsFirst, command: Command, beat: float) -> None:
    hands.moved(command, Accepted(command, command.value), beat)


def test_an_agent_waits_for_eight_bars_after_a_persons_move() -> None:
    hands = HandsFirst()
    move(hands, Command("deck/a/alpha", 0.5, "midi:nano"), 10.0)
    agents = Command("deck/a/alpha", 0.1, "mcp:agent")
    assert "until beat 42" in hands.refusal(agents, 41.9)
    assert hands.refusal(agents, 42.0) == ""


def test_an_agent_may_move_what_nobody_has_moved_and_what_it_moved_itself() -> None:
    hands = HandsFirst()
    move(hands, Command("deck/a/alpha", 0.5, "osc:127.0.0.1:9"), 10.0)
    move(hands, Command("deck/b/alpha", 0.5, "mcp:agent"), 10.0)
    assert hands.refusal(Command("deck/b/alpha", 0.1, "mcp:agent"), 11.0) == ""
    assert hands.refusal(Command("deck/a/gain", 0.1, "mcp:agent"), 11.0) == ""


def test_a_deck_that_follows_the_input_waits_as_an_agent_does_and_no_agent_waits_for_it() -> None:
    hands = HandsFirst()
    move(hands, Command("key", "D minor", "midi:nano"), 10.0)
    move(hands, Command("deck/a/energy", 0.5, FOLLOW_SOURCE), 10.0)
    assert "until beat 42" in hands.refusal(Command("key", "C major", FOLLOW_SOURCE), 41.9)
    assert hands.refusal(Command("key", "C major", FOLLOW_SOURCE), 42.0) == ""
    assert hands.refusal(Command("deck/a/energy", 0.1, "mcp:agent"), 11.0) == ""
    move(hands, Command("deck/a/init", "taken.flac", INPUT_SOURCE), 10.0)  # follow may be switched on after a capture
    assert hands.refusal(Command("deck/a/init", "next.flac", FOLLOW_SOURCE), 11.0) == ""


def test_an_agent_sets_what_a_person_has_moved_by_no_scene_and_no_undo_either() -> None:
    hands = HandsFirst()
    move(hands, Command("deck/a/alpha", 0.5, "midi:nano"), 10.0)
    recall = Command("scene/recall", "drop", "mcp:agent")
    refusal = hands.refusal(recall, 41.9, lambda command: ("deck/a/gain", "deck/a/alpha"))
    assert "deck/a/alpha, which is theirs until beat 42, and scene/recall would set it" in refusal
    assert hands.refusal(recall, 42.0, lambda command: ("deck/a/alpha",)) == ""
    assert hands.refusal(recall, 11.0, lambda command: ("deck/a/gain",)) == ""
    by_hand = Command("scene/recall", "drop", "midi:nano")
    assert hands.refusal(by_hand, 11.0, lambda command: ("deck/a/alpha",)) == ""


def test_a_person_is_never_refused() -> None:
    hands = HandsFirst()
    move(hands, Command("deck/a/alpha", 0.5, "web:1"), 10.0)
    assert hands.refusal(Command("deck/a/alpha", 0.1, "osc:127.0.0.1:9"), 10.5) == ""


def test_what_is_remembered_is_bounded() -> None:
    hands = HandsFirst()
    for number in range(5000):
        move(hands, Command(f"path/{number}", 1.0, "osc:127.0.0.1:9"), 0.0)
    assert len(hands._moved) <= 1024
    assert hands.refusal(Command("path/4999", 0.0, "mcp:agent"), 1.0)


def test_what_was_refused_was_not_moved() -> None:
    hands = HandsFirst()
    command = Command("deck/a/alpha", 7.0, "midi:nano")
    hands.moved(command, Rejected(command, "too large"), 10.0)
    assert hands.refusal(Command("deck/a/alpha", 0.1, "mcp:agent"), 11.0) == ""


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An engine that does not run: commands are answered."""
    scenes = (Scene("drop", {"deck/a/prompt": "dub", "deck/a/gain": -6.0}),)
    lists = PromptLists((("night", ("acid", "trance")),))
    session = Session(decks=("a", "b"), scenes=scenes, prompt_lists=lists)
    engine = Engine(session, PlayOptions(), VirtualClock(), Observers(StatusLine(io.StringIO())))
    yield engine
    engine._context.store.close()


@pytest.mark.parametrize(
    ("commands", "theirs"),
    [
        ([Command("scene/recall", "drop", HAND)], ["deck/a/prompt", "deck/a/gain"]),
        ([Command("scene/next", True, HAND)], ["deck/a/prompt", "deck/a/gain"]),
        ([Command("deck/a/gain", -3.0, "mcp:agent"), Command("undo", True, HAND)], ["deck/a/gain"]),
        ([Command("deck/a/prompts/random", True, HAND)], ["deck/a/prompt"]),
        ([Command("next", True, HAND)], ["deck/a/seed"]),
        ([Command("deck/a/again", True, HAND)], ["deck/a/takes"]),
    ],
)
def test_what_a_person_sets_by_another_command_is_theirs(
    engine: Engine, commands: list[Command], theirs: list[str]
) -> None:
    for command in commands:
        reply = engine.submit(command)
        assert isinstance(reply, Accepted), reply
    for path in theirs:
        reply = engine.submit(Command(path, engine.state[path], "mcp:agent"))
        assert isinstance(reply, Rejected) and "a person moved" in reply.reason
    assert isinstance(engine.submit(Command("deck/b/gain", -1.0, "mcp:agent")), Accepted)
