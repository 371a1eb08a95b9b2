from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.scheduler.morph_bank import BankKey, coarse_to_fine, loop_id, nearest_point
from riffengine.scheduler.render_plan import DeckNeeds, Purpose, RenderQuality, make_plan

FINENESS = RenderQuality(4, 8, 9)


def key(start=0, end=1, **changes):
    return BankKey(RenderRequest(MorphEnd("p", start), MorphEnd("p", end), steps=0, bpm=changes.get("bpm", 120.0)))


def alphas(planned, purpose):
    return [planned.alpha for planned in planned if planned.purpose is purpose]


def test_a_bank_is_filled_coarse_to_fine():
    assert [alpha for alpha, _ in coarse_to_fine(9)] == [0, 1, 0.5, 0.25, 0.75, 0.125, 0.375, 0.625, 0.875]


def test_the_end_of_a_bank_and_the_start_of_the_next_are_one_loop():
    assert loop_id(key(0, 1), 1.0) == loop_id(key(1, 2), 0.0)
    assert loop_id(key(0, 1), 0.5) != loop_id(key(1, 2), 0.5)


def test_what_a_change_waits_for_comes_before_everything():
    plan = make_plan(
        [DeckNeeds("a", 0.3, 0, bank=key()), DeckNeeds("b", 0.0, 0, launch=key(5, 6), launch_alpha=0.25)], FINENESS
    )
    assert (plan[0].deck, plan[0].alpha, plan[0].steps) == ("b", 0.25, 4)


def test_drafts_of_ends_and_middle_then_what_sounds_then_finer_alphas_at_full_steps():
    plan = make_plan([DeckNeeds("a", 0.0, 0, bank=key())], FINENESS)
    purposes = [planned.purpose for planned in plan]
    assert purposes == sorted(purposes)
    assert alphas(plan, Purpose.COVER) == [0.0, 1.0, 0.5]
    assert alphas(plan, Purpose.REFINE_HEARD) == [0.0, 1.0]
    assert alphas(plan, Purpose.FILL) == [0.25, 0.75, 0.125, 0.375, 0.625, 0.875]
    assert {planned.steps for planned in plan if planned.purpose is Purpose.FILL} == {8}


def test_the_direction_of_travel_is_filled_first():
    up = make_plan([DeckNeeds("a", 0.5, 1, bank=key())], FINENESS)
    down = make_plan([DeckNeeds("a", 0.5, -1, bank=key())], FINENESS)
    assert alphas(up, Purpose.FILL)[:2] == [0.75, 0.25]
    assert alphas(down, Purpose.FILL)[:2] == [0.25, 0.75]


def test_a_drift_needs_its_end_and_the_end_after_it_first():
    plan = make_plan([DeckNeeds("a", 0.5, 1, bank=key(0, 1), ahead=key(1, 2))], FINENESS)
    runway = [planned.loop_id for planned in plan if planned.purpose is Purpose.RUNWAY]
    assert list(dict.fromkeys(runway)) == [loop_id(key(0, 1), 1.0), loop_id(key(1, 2), 1.0)]


def test_a_bank_between_equal_ends_has_one_loop():
    plan = make_plan([DeckNeeds("a", 0.7, 0, bank=key(3, 3))], FINENESS)
    assert {planned.alpha for planned in plan} == {0.0}
    assert nearest_point(key(3, 3), 0.7, 9) == 0.0


def test_a_draft_never_has_more_steps_than_a_finished_loop():
    plan = make_plan([DeckNeeds("a", 0.0, 0, launch=key())], RenderQuality(4, 2, 9))
    assert plan[0].steps == 2


def test_the_ends_are_finished_before_what_begins_with_their_phases():
    plan = make_plan([DeckNeeds("a", 0.5, 0, bank=key())], FINENESS)
    full = [planned.alpha for planned in plan if planned.steps == FINENESS.full_steps]
    assert set(full[:2]) == {0.0, 1.0}
    assert full[2] == 0.5
    plan = make_plan([DeckNeeds("a", 0.0, 0, bank=key())], FINENESS)
    full = [planned.alpha for planned in plan if planned.steps == FINENESS.full_steps]
    assert full[:2] == [0.0, 1.0]
