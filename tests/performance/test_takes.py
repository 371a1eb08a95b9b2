"""What was generated again, in text: beats, takes, and what is frozen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riffengine.errors import OutOfRange
from riffengine.performance.parameters import standard_tree
from riffengine.performance.takes import (
    MOST_TAKES,
    again,
    beats_text,
    last_number,
    parse_beats,
    parse_takes,
    takes_text,
)
from riffengine.processes.parameter_path import stems_of
from riffengine.processes.render_request import Retake

STEMS = ("drums", "bass", "harmony")
TREE = standard_tree(("a", "b"), STEMS)


def values(**changed: object) -> dict[str, object]:
    return {**TREE.initial_state().values, **{path.replace("__", "/"): value for path, value in changed.items()}}


@given(st.integers(0, 255))
def test_beats_there_and_back(beats: int) -> None:
    assert parse_beats(beats_text(beats)) == beats


def test_beats_are_written_as_a_musician_counts_them() -> None:
    assert parse_beats("1-4,7") == 0b01001111 == parse_beats(" 7, 1-4 ")
    assert beats_text(0b01001111) == "1-4,7"


@pytest.mark.parametrize("text", ["0", "9", "4-1", "1-", "x", "1.5", "-3", "1--2"])
def test_beats_that_are_not_there_are_refused(text: str) -> None:
    with pytest.raises(OutOfRange, match=r"deck/a/freeze/beats: .* is not a beat of the loop; write 1 to 8"):
        TREE["deck/a/freeze/beats"].check(text)


@given(
    st.lists(
        st.builds(
            Retake,
            st.lists(st.sampled_from(STEMS), min_size=1, unique=True).map(tuple),
            st.integers(1, 255),
            st.integers(1),
        ),
        max_size=MOST_TAKES,
    )
)
def test_takes_there_and_back(takes: list[Retake]) -> None:
    assert parse_takes(takes_text(takes)) == tuple(takes)


@pytest.mark.parametrize("text", ["drums", "drums:1-4", "drums::1", "drums:1-4:0", ":1:1", "drums:9:1", "a:1:1 " * 13])
def test_what_is_no_take_is_refused(text: str) -> None:
    with pytest.raises(OutOfRange, match=r"deck/a/takes: "):
        TREE["deck/a/takes"].check(text)


def test_the_stems_of_a_deck_in_their_order() -> None:
    assert stems_of(values(), "b") == STEMS


def test_a_stem_is_generated_again_and_again() -> None:
    assert again(values(), "a", ("drums",), 1) == "drums:1-8:1"
    assert again(values(deck__a__takes="drums:1-8:1"), "a", ("drums",), 2) == "drums:1-8:2"  # the first is hidden
    both = again(values(deck__a__takes="drums:1-8:1"), "a", ("bass",), 2)
    assert both == "drums:1-8:1 bass:1-8:2"
    assert again(values(deck__a__takes=both), "a", ("drums",), 3) == f"{both} drums:1-8:3"  # the bass has heard take 1
    assert again(values(deck__a__takes=both), "a", STEMS, 3) == "drums+bass+harmony:1-8:3"
    assert last_number(values(deck__a__takes=both), "a") == 2 and last_number(values(), "a") == 0


def test_what_is_frozen_stays() -> None:
    frozen = values(**{"deck__a__freeze__beats": "1-4", "deck__a__stem__drums__freeze": True})
    assert again(frozen, "a", STEMS, 1) == "bass+harmony:5-8:1"
    with pytest.raises(OutOfRange, match="drums cannot be generated again while frozen; set deck/a/stem/drums/freeze"):
        again(frozen, "a", ("drums",), 1)
    with pytest.raises(OutOfRange, match="every beat is frozen"):
        again(values(**{"deck__a__freeze__beats": "1-8"}), "a", ("drums",), 1)


def test_the_takes_never_grow_beyond_what_can_be_rendered() -> None:
    now = values()
    for number in range(1, 60):
        now["deck/a/takes"] = again(now, "a", (STEMS[number % 3],), number)
        TREE["deck/a/takes"].check(now["deck/a/takes"])
    takes = parse_takes(str(now["deck/a/takes"]))
    assert len(takes) <= MOST_TAKES
    assert [take.number for take in takes[-3:]] == [57, 58, 59]
