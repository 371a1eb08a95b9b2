"""A request is one loop: written one way, named by one digest, and the same after a trip through JSON."""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from riffengine.processes.render_messages import Point, Redream, RenderRequest

PLAIN = RenderRequest(Point("house", 3), Point("jazz", 4), alpha=0.25)
FULL = replace(
    PLAIN,
    density=-0.5,
    brightness=1.0,
    energy=0.25,
    transpose=-3,
    harmony=((45, 60, 64), (41, 60, 65)),
    redreams=(Redream(("drums",), 0b1111, 1), Redream(("bass", "harmony"), 0b11110000, 2)),
)


def test_a_request_survives_json() -> None:
    for request in (PLAIN, FULL, replace(FULL, phase_from_ends=True)):
        assert RenderRequest.from_facts(json.loads(json.dumps(asdict(request)))) == request


def test_a_journal_from_before_there_were_stems_still_reads() -> None:
    facts = asdict(PLAIN)
    for name in ("density", "brightness", "energy", "transpose", "harmony", "redreams"):
        del facts[name]
    assert RenderRequest.from_facts(facts) == PLAIN


@pytest.mark.parametrize(
    "change",
    [
        {"density": "much"},
        {"transpose": 0.5},
        {"phase_from_ends": 1},
        {"harmony": [["A"]]},
        {"harmony": 7},
        {"redreams": [{"stems": ["drums"], "beats": 3}]},
        {"start": {"prompt": "x", "seed": "1"}},
        {"start": None},
        {"fortissimo": 1},
    ],
)
def test_what_is_no_request_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError, KeyError)):
        RenderRequest.from_facts({**asdict(FULL), **change})


@pytest.mark.parametrize(
    "change",
    [
        {"density": 0.5},
        {"brightness": 0.5},
        {"energy": 0.5},
        {"transpose": 1},
        {"dreamt_bpm": 100.0},
        {"phase_from_ends": True},
        {"harmony": ((45, 60, 64),)},
        {"redreams": ()},
        {"redreams": FULL.redreams[::-1]},
        {"redreams": (Redream(("drums",), 0b1111, 2), FULL.redreams[1])},
    ],
)
def test_every_control_has_its_own_digest(change: dict[str, Any]) -> None:
    assert replace(FULL, **change).digest() != FULL.digest()


def test_an_end_has_no_phases_to_begin_with_and_a_motif_knows_no_fineness() -> None:
    for alpha in (0.0, 1.0):
        assert replace(PLAIN, alpha=alpha, phase_from_ends=True).digest() == replace(PLAIN, alpha=alpha).digest()
    finer = replace(PLAIN, steps=24, phase_from_ends=True)
    assert finer.loop_id() == PLAIN.loop_id() != replace(PLAIN, transpose=1).loop_id()


def test_a_loop_dreamt_at_its_own_tempo_is_written_one_way() -> None:
    assert replace(PLAIN, dreamt_bpm=PLAIN.bpm).digest() == PLAIN.digest()
    assert replace(PLAIN, bpm=140.0, dreamt_bpm=PLAIN.bpm).digest() != replace(PLAIN, bpm=140.0).digest()


def test_what_is_dreamt_over_at_once_is_left_out() -> None:
    drums, all_drums = Redream(("drums",), 0b11, 1), Redream(("drums",), 0xFF, 2)
    both = Redream(("drums", "bass"), 0xFF, 3)
    assert replace(PLAIN, redreams=(drums, all_drums)).canonical().redreams == (all_drums,)
    assert replace(PLAIN, redreams=(drums, all_drums, both)).canonical().redreams == (
        Redream(("bass", "drums"), 0xFF, 3),
    )


def test_what_another_part_has_listened_to_stays() -> None:
    first, bass, again = Redream(("drums",), 0xFF, 1), Redream(("bass",), 0xFF, 1), Redream(("drums",), 0xFF, 2)
    assert replace(PLAIN, redreams=(first, bass, again)).canonical().redreams == (first, bass, again)


def test_beats_past_the_end_and_nothing_at_all_are_no_redream() -> None:
    beyond, nobody = Redream(("drums",), 0xFF00, 1), Redream((), 0xFF, 1)
    assert replace(PLAIN, redreams=(beyond, nobody)).digest() == PLAIN.digest()
    wide, exact = Redream(("drums",), 0xFFFF, 1), Redream(("drums",), 0xFF, 1)
    assert replace(PLAIN, redreams=(wide,)).digest() == replace(PLAIN, redreams=(exact,)).digest()


def test_strength_1_forgets_the_sound_and_no_sound_makes_strength_mean_nothing() -> None:
    def at(strength: float, end: float, **more: Any) -> RenderRequest:
        points = (replace(PLAIN.start, strength=strength), replace(PLAIN.end, strength=end))
        return replace(PLAIN, start=points[0], end=points[1], **more)

    heard = {"init": "a.wav", "init_stamp": "5eed"}
    assert at(1.0, 1.0, **heard).canonical() == PLAIN.canonical() == at(0.3, 0.6).canonical()
    assert at(1.0, 0.6, **heard).digest() != PLAIN.digest()
    assert at(1.0, 0.6, **heard, alpha=0.0).digest() == replace(PLAIN, alpha=0.0).digest()  # the end is not reached
    assert at(0.6, 0.6, **heard).canonical().init == "a.wav"
    masked = at(1.0, 1.0, init="a.wav?from=8&mask=keep-low").canonical()
    assert masked.init and masked.start.strength == 1.0  # what the mask keeps is heard all the same


def test_a_file_that_holds_something_else_is_another_loop() -> None:
    half = replace(PLAIN.start, strength=0.5)
    one = replace(PLAIN, start=half, end=half, init="a.wav", init_stamp="1")
    assert replace(one, init_stamp="2").digest() != one.digest()
