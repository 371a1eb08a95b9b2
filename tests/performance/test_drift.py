from dataclasses import replace

from riffengine.performance import drift
from riffengine.performance.parameters import MAX_SEED, standard_tree


def intent(**changes):
    return replace(standard_tree(["a"]).initial_state().deck("a"), **changes)


def test_steps_of_a_tenth_per_loop_reach_one_exactly():
    alpha, steps = 0.0, 0
    while alpha < 1.0:
        alpha = drift.step("a", alpha, 0.1, 8).value
        steps += 1
    assert (alpha, steps) == (1.0, 320)  # ten loops of 32 sixteenths


def test_the_next_step_is_strictly_later():
    assert drift.next_step_beat(1.0) == 1.25
    assert drift.next_step_beat(1.2) == 1.25


def test_a_rollover_takes_the_end_as_its_start_and_turns_round():
    before = intent(prompt="a", to="b", seed=3, to_seed=9, alpha=1.0)
    after = drift.after_rollover(before)
    assert after == replace(before, prompt="b", to="a", seed=9, to_seed=10, alpha=0.0)
    assert drift.after_rollover(after) == replace(before, prompt="a", to="b", seed=10, to_seed=11, alpha=0.0)


def test_a_rollover_without_a_second_prompt_keeps_the_prompt():
    before = intent(prompt="a", to="", seed=3, to_seed=MAX_SEED)
    after = drift.after_rollover(before)
    assert (after.prompt, after.to, after.seed, after.to_seed) == ("a", "", MAX_SEED, 0)


def test_the_commands_of_a_rollover_make_its_intent():
    tree = standard_tree(["a"])
    state = tree.initial_state().with_value("deck/a/to", "b")
    goal = drift.after_rollover(state.deck("a"))
    for command in drift.rollover("a", state.deck("a")):
        state, _ = tree.apply(state, command)
    assert state.deck("a") == goal


def test_a_walk_goes_on_by_one_loop_and_leaves_out_those_that_cannot_be_rendered():
    before = intent(memory="groove", walk=4, seed=3, to_seed=9, alpha=0.25)
    assert drift.after_loop(before, ends_theme=False) == replace(before, walk=5)
    assert drift.after_loop(before, ends_theme=False, skipped=2) == replace(before, walk=7)
    assert drift.after_loop(replace(before, walk=MAX_SEED), ends_theme=False).walk == 0


def test_after_its_last_loop_a_walk_has_the_next_seed_as_its_theme():
    before = intent(memory="turns", walk=31, prompt="a", to="b", seed=3, to_seed=9)
    after = drift.after_loop(before, ends_theme=True)
    assert after == replace(before, prompt="b", to="a", seed=9, to_seed=10, walk=0)
    assert drift.after_loop(before, ends_theme=True, skipped=1).seed == 10


def test_the_commands_of_the_next_loop_make_its_intent():
    tree = standard_tree(["a"])
    state = tree.initial_state().with_value("deck/a/memory", "turns").with_value("deck/a/to", "b")
    for ends_theme in (False, True):
        goal = drift.after_loop(state.deck("a"), ends_theme)
        for command in drift.next_loop("a", state.deck("a"), ends_theme):
            state, _ = tree.apply(state, command)
        assert state.deck("a") == goal


def test_next_begins_a_walk_again():
    before = intent(seed=3, to_seed=9, walk=12)
    assert drift.after_rollover(before).walk == 0
    assert [c.value for c in drift.rollover("a", before) if c.path == "deck/a/walk"] == [0]
    assert not [c for c in drift.rollover("a", intent()) if c.path == "deck/a/walk"]


def test_the_next_loop_begins_strictly_later():
    assert drift.next_loop_beat(8.0, 8) == 16.0
    assert drift.next_loop_beat(7.9, 8) == 8.0
