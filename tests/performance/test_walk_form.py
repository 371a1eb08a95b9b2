"""The plan of a drift with memory: what each loop keeps, where it answers, fills and rises."""

from collections import Counter
from itertools import pairwise

import pytest

from riffengine.performance.parameters import MAX_SEED
from riffengine.performance.walk_form import GROOVE, HARMONY, THEME_SECTIONS, TURNS, WalkForm
from riffengine.processes.render_request import MorphEnd, RenderRequest, Retake

STEMS = ("drums", "bass", "harmony")
ALL, SECOND_HALF, LAST_QUARTER = 0xFF, 0xF0, 0xC0


def form(memory: str = GROOVE, tension: float = 0.0, to: str = "", stems: tuple[str, ...] = STEMS, beats: int = 8):
    return WalkForm(memory, tension, "house", to, stems, beats)


def is_fill(retake: Retake) -> bool:
    return retake.prompt.endswith("drum fill")


def test_four_loops_are_call_answer_call_and_an_answer_with_a_fill() -> None:
    call, answer, same_call, last = (form().retakes(loop) for loop in range(4))
    assert call == same_call == ()
    assert [(r.stems, r.beats) for r in answer] == [(("bass", "harmony"), SECOND_HALF)]
    assert [(r.stems, r.beats) for r in last] == [(("bass", "harmony"), SECOND_HALF), (("drums",), LAST_QUARTER)]
    assert last[1].prompt == "house, drum fill"
    assert last[0].number != answer[0].number


@pytest.mark.parametrize(("memory", "kept"), [(GROOVE, "drums"), (HARMONY, "harmony")])
def test_what_is_kept_is_never_rendered_again_but_for_fills(memory: str, kept: str) -> None:
    for loop in range(64):
        for retake in form(memory).retakes(loop):
            assert kept not in retake.stems or is_fill(retake), loop


@pytest.mark.parametrize("memory", [GROOVE, HARMONY])
def test_every_second_section_returns_to_the_theme_and_those_between_are_new(memory: str) -> None:
    walk = form(memory, to="acid")
    assert [walk.retakes(16 * section) == () for section in range(6)] == [True, False] * 3
    made = [walk.retakes(16 * section)[0] for section in (1, 3, 5)]
    assert {retake.beats for retake in made} == {ALL}
    assert {retake.prompt for retake in made} == {"acid"}
    assert len({retake.number for retake in made}) == 3


def test_a_section_keeps_its_material_for_32_bars() -> None:
    walk = form()
    for loop in range(16, 32):
        assert walk.retakes(loop)[0] == walk.retakes(16)[0]
    assert walk.retakes(18) == walk.retakes(16)  # the call, the very same loop


def test_in_turns_each_section_is_what_was_before_it_with_one_part_new() -> None:
    walk = form(TURNS)
    chains = [walk.retakes(16 * section) for section in range(4)]
    for before, after in pairwise(chains):
        assert after[: len(before)] == before and len(after) == len(before) + 1
    changed = [chain[-1].stems for chain in chains[1:]]
    assert changed == [("bass", "harmony"), ("drums", "bass"), ("bass", "harmony")]
    assert [walk.kept(section) for section in range(1, 4)] == [("drums",), ("harmony",), ("drums",)]
    assert [loop for loop in range(128) if walk.ends_theme(loop)] == [63, 127]
    assert not any(form(memory).ends_theme(loop) for memory in (GROOVE, HARMONY) for loop in range(64))


def test_tension_rises_over_the_last_sixteen_bars_of_a_section_by_steps_of_two_loops() -> None:
    walk = form(tension=0.6)
    assert not any(walk.tension_at(loop) for loop in range(8))
    assert [walk.tension_at(loop) for loop in range(8, 17)] == [0, 0, 0.2, 0.2, 0.4, 0.4, 0.6, 0.6, 0]
    for loop in range(32):
        for retake in walk.retakes(loop):
            assert retake.lift == walk.tension_at(loop)
    assert walk.retakes(0) == walk.retakes(8) == ()
    raised = walk.retakes(10)
    assert raised == (Retake(("bass", "harmony"), ALL, 0, lift=0.2),)  # the theme's own noise: the same, but denser


@pytest.mark.parametrize("memory", [GROOVE, HARMONY, TURNS])
def test_in_the_last_two_loops_of_a_section_what_was_kept_rises_with_its_own_noise_and_words(memory: str) -> None:
    walk = form(memory, tension=0.6, to="acid")
    for section in range(4):
        whole = [[r for r in walk.retakes(16 * section + place) if r.beats == ALL] for place in range(16)]
        kept = walk.kept(section)
        assert all(r.stems != kept for place in range(14) for r in whole[place])
        risen = [r for r in whole[14] if r.stems == kept]
        assert [r.lift for r in risen] == [0.6]
        makers = [r for r in walk.retakes(16 * section) if set(kept) <= set(r.stems)]
        made = makers[-1] if makers else Retake(kept, ALL, 0)
        assert (risen[0].number, risen[0].prompt) == (made.number, made.prompt)


@pytest.mark.parametrize(("beats", "loops"), [(4, 32), (8, 16), (16, 8)])
def test_a_section_is_32_bars_for_every_length_of_a_loop(beats: int, loops: int) -> None:
    walk = form(tension=1.0, beats=beats)
    assert walk.section_loops == loops
    assert walk.tension_at(loops - 1) == 1.0 and walk.tension_at(loops) == 0.0
    last = walk.retakes(loops - 1)[-1]
    assert is_fill(last) and last.beats == ((1 << beats // 4) - 1) << (beats - beats // 4)


def test_a_model_with_one_stem_keeps_the_first_half_of_its_loops() -> None:
    walk = form(GROOVE, tension=0.5, stems=("mix",))
    assert walk.kept(1) == () and walk.changed(1) == ("mix",)
    assert [(r.stems, r.beats) for r in walk.retakes(1)] == [(("mix",), SECOND_HALF)]
    assert walk.description(17) == "section 2, loop 2 of 16: answer, new mix"


def test_a_checkpoint_keeps_its_bands() -> None:
    bands = ("low", "mid", "high")
    assert form(GROOVE, stems=bands).kept(1) == ("low",) and form(HARMONY, stems=bands).changed(1) == ("low", "high")
    assert form(GROOVE, stems=bands).retakes(3)[-1].stems == bands


@pytest.mark.parametrize("memory", [GROOVE, HARMONY, TURNS])
@pytest.mark.parametrize("beats", [4, 8, 16])
def test_nothing_new_has_the_noise_of_something_else(memory: str, beats: int) -> None:
    walk = form(memory, beats=beats)
    first_heard: dict[tuple[int, int, tuple[str, ...]], int] = {}
    for loop in range(4 * walk.section_loops):
        for retake in walk.retakes(loop):
            first_heard.setdefault((retake.number, retake.beats, retake.stems), loop)
    assert max(Counter(number for number, _, _ in first_heard).values()) == 1


def test_a_plan_is_bounded_however_long_the_walk() -> None:
    for memory in (GROOVE, HARMONY, TURNS):
        walk = form(memory, tension=1.0, to="acid")
        last = 63 if memory == TURNS else 2**31 - 1
        assert max(len(walk.retakes(loop)) for loop in (*range(64), last)) <= 6
        end = MorphEnd("house", 3)
        request = RenderRequest(end, end, retakes=walk.retakes(last))
        assert RenderRequest.from_facts(request.facts()) == request


def test_the_plan_is_said_in_words() -> None:
    walk = form()
    assert walk.description(0) == "section 1, loop 1 of 16: call, the theme"
    assert walk.description(19) == ("section 2, loop 4 of 16: answer with a fill, new bass and harmony, keeps drums")


def test_turns_hold_no_more_than_one_theme_whatever_the_number_of_the_loop() -> None:
    walk, length = form(TURNS, tension=0.5), THEME_SECTIONS * form().section_loops
    for loop in (0, 5, length - 1):
        for again in (length, 7 * length):
            assert walk.retakes(loop + again) == walk.retakes(loop)
            assert walk.description(loop + again) == walk.description(loop)
            assert walk.ends_theme(loop + again) == walk.ends_theme(loop)
    farthest = MAX_SEED  # the largest number that the parameter takes: its plan took minutes and gigabytes
    assert len(walk.retakes(farthest)) <= THEME_SECTIONS + 2
