"""A request is one loop: written one way, named by one digest, and the same after a trip through JSON."""

import json
from dataclasses import replace
from typing import Any

import pytest

from riffengine.processes import render_request
from riffengine.processes.render_request import RENDER_CONTROLS, MorphEnd, RenderRequest, Retake

PLAIN = RenderRequest(MorphEnd("house", 3), MorphEnd("jazz", 4), alpha=0.25)
FULL = replace(
    PLAIN,
    density=-0.5,
    brightness=1.0,
    energy=0.25,
    transpose=-3,
    chords=((45, 60, 64), (41, 60, 65)),
    retakes=(Retake(("drums",), 0b1111, 1), Retake(("bass", "harmony"), 0b11110000, 2)),
)


def test_a_request_survives_json() -> None:
    for request in (PLAIN, FULL, replace(FULL, phase_from_ends=True)):
        assert RenderRequest.from_facts(json.loads(json.dumps(request.facts()))) == request


def test_a_journal_from_before_there_were_stems_still_reads() -> None:
    facts = PLAIN.facts()
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
        RenderRequest.from_facts({**FULL.facts(), **change})


@pytest.mark.parametrize(
    "change",
    [
        {"density": 0.5},
        {"brightness": 0.5},
        {"energy": 0.5},
        {"transpose": 1},
        {"source_bpm": 100.0},
        {"phase_from_ends": True},
        {"chords": ((45, 60, 64),)},
        {"retakes": ()},
        {"retakes": FULL.retakes[::-1]},
        {"retakes": (Retake(("drums",), 0b1111, 2), FULL.retakes[1])},
    ],
)
def test_every_control_has_its_own_digest(change: dict[str, Any]) -> None:
    assert replace(FULL, **change).digest() != FULL.digest()


def test_an_end_has_no_phases_to_begin_with_and_a_motif_knows_no_fineness() -> None:
    for alpha in (0.0, 1.0):
        assert replace(PLAIN, alpha=alpha, phase_from_ends=True).digest() == replace(PLAIN, alpha=alpha).digest()
    finer = replace(PLAIN, steps=24, phase_from_ends=True)
    assert finer.loop_id() == PLAIN.loop_id() != replace(PLAIN, transpose=1).loop_id()


def test_a_loop_generated_at_its_own_tempo_is_written_one_way() -> None:
    assert replace(PLAIN, source_bpm=PLAIN.bpm).digest() == PLAIN.digest()
    assert replace(PLAIN, bpm=140.0, source_bpm=PLAIN.bpm).digest() != replace(PLAIN, bpm=140.0).digest()


def test_what_is_generated_over_at_once_is_left_out() -> None:
    drums, all_drums = Retake(("drums",), 0b11, 1), Retake(("drums",), 0xFF, 2)
    both = Retake(("drums", "bass"), 0xFF, 3)
    assert replace(PLAIN, retakes=(drums, all_drums)).canonical().retakes == (all_drums,)
    assert replace(PLAIN, retakes=(drums, all_drums, both)).canonical().retakes == (Retake(("bass", "drums"), 0xFF, 3),)


def test_what_another_part_has_listened_to_stays() -> None:
    first, bass, again = Retake(("drums",), 0xFF, 1), Retake(("bass",), 0xFF, 1), Retake(("drums",), 0xFF, 2)
    assert replace(PLAIN, retakes=(first, bass, again)).canonical().retakes == (first, bass, again)


def test_beats_past_the_end_and_nothing_at_all_are_no_retake() -> None:
    beyond, nobody = Retake(("drums",), 0xFF00, 1), Retake((), 0xFF, 1)
    assert replace(PLAIN, retakes=(beyond, nobody)).digest() == PLAIN.digest()
    wide, exact = Retake(("drums",), 0xFFFF, 1), Retake(("drums",), 0xFF, 1)
    assert replace(PLAIN, retakes=(wide,)).digest() == replace(PLAIN, retakes=(exact,)).digest()


def test_strength_1_forgets_the_sound_and_no_sound_makes_strength_mean_nothing() -> None:
    def at(strength: float, end: float, **more: Any) -> RenderRequest:
        points = (replace(PLAIN.start, strength=strength), replace(PLAIN.end, strength=end))
        return replace(PLAIN, start=points[0], end=points[1], **more)

    heard = {"init": "a.wav", "init_hash": "5eed"}
    assert at(1.0, 1.0, **heard).canonical() == PLAIN.canonical() == at(0.3, 0.6).canonical()
    assert at(1.0, 0.6, **heard).digest() != PLAIN.digest()
    assert at(1.0, 0.6, **heard, alpha=0.0).digest() == replace(PLAIN, alpha=0.0).digest()  # the end is not reached
    assert at(0.6, 0.6, **heard).canonical().init == "a.wav"
    masked = at(1.0, 1.0, init="a.wav?from=8&mask=keep-low").canonical()
    assert masked.init and masked.start.strength == 1.0  # what the mask keeps is heard all the same


def test_a_file_that_holds_something_else_is_another_loop() -> None:
    half = replace(PLAIN.start, strength=0.5)
    one = replace(PLAIN, start=half, end=half, init="a.wav", init_hash="1")
    assert replace(one, init_hash="2").digest() != one.digest()


SOUND = replace(PLAIN.start, negative="drums 'n' bass", guidance=7.5, strength=0.25)


@pytest.mark.parametrize(
    ("request_", "digest", "loop_id"),
    [
        (PLAIN, "d0079b79688d8ff4", "661d66f6ae394ea1"),
        (FULL, "fa7d686b3c9a1531", "9842676cf1cbea78"),
        (replace(FULL, steps=24, phase_from_ends=True), "6cab64982bd515b6", "9842676cf1cbea78"),
        (
            replace(
                PLAIN,
                bpm=140.0,
                source_bpm=120.0,
                key="A minor",
                beats=16,
                sample_rate=48000,
                model="some/model?lora=a",
            ),
            "c5e27cdc7c6077ac",
            "e5c314aeb99742ab",
        ),
        (replace(PLAIN, start=SOUND, init="a b.wav", init_hash="5eed"), "43bd72f4d6f35c0b", "e1c3f764a9c09037"),
        (replace(FULL, alpha=1.0), "1d79a3be5e07c066", "054c5fc00884eb5b"),
        (replace(PLAIN, chords=((45,),)), "7966584df72b21eb", "1ccd9c84c81fc9de"),
    ],
)
def test_digests_are_those_of_the_first_journals(request_: RenderRequest, digest: str, loop_id: str) -> None:
    assert (request_.digest(), request_.loop_id()) == (digest, loop_id)


def test_journals_keep_their_keys() -> None:
    facts = FULL.facts()
    assert list(facts)[:19] == [
        "start", "end", "alpha", "steps", "bpm", "beats", "sample_rate", "key", "init", "model", "density",
        "brightness", "energy", "transpose", "harmony", "redreams", "dreamt_bpm", "init_stamp", "phase_from_ends",
    ]  # fmt: skip
    assert facts["redreams"][0] == {"stems": ("drums",), "beats": 15, "take": 1}
    assert facts["start"] == {"prompt": "house", "seed": 3, "negative": "", "guidance": 3.0, "strength": 1.0}


def test_a_later_field_is_in_a_digest_only_when_it_is_not_at_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    finished = replace(PLAIN, phase_from_ends=True)
    whole, told = PLAIN.digest(), finished.digest()
    # As if the last field had been added later: its value is told as it always was, its default not at all.
    later = render_request._digest_plan(RenderRequest, 18)
    monkeypatch.setitem(render_request._DIGEST_PLANS, RenderRequest, later)
    assert finished.digest() == told and PLAIN.digest() != whole
    assert "phase_from_ends" not in render_request._text(PLAIN)


def test_every_knob_is_a_field_that_rests_at_zero_within_its_range() -> None:
    assert [knob.name for knob in RENDER_CONTROLS][:4] == ["density", "brightness", "energy", "transpose"]
    for knob in RENDER_CONTROLS:
        assert getattr(PLAIN, knob.name) == knob.default == 0
        assert type(getattr(PLAIN, knob.name)).__name__ == knob.kind
        assert knob.low < knob.default < knob.high
    assert (
        RENDER_CONTROLS[0].help == "Density of the notes, from few to many; 0 is as the prompt says"
        and RENDER_CONTROLS[3].help == "Transposition on top of the key"
    )


AGAIN = Retake(("bass",), 0xFF, 2)
SPOKEN = replace(AGAIN, prompt="acid", lift=0.5)


def test_words_and_lift_of_a_retake_make_another_loop_and_survive_a_journal() -> None:
    plain, spoken = (replace(PLAIN, retakes=(retake,)) for retake in (AGAIN, SPOKEN))
    assert len({plain.loop_id(), spoken.loop_id(), replace(PLAIN, retakes=(replace(AGAIN, lift=0.5),)).loop_id()}) == 3
    assert RenderRequest.from_facts(json.loads(json.dumps(spoken.facts()))) == spoken
    assert spoken.canonical().retakes == (SPOKEN,)
    assert "prompt" not in render_request._text(plain).partition("Redream")[2].partition(")")[0]


def test_the_last_retake_alone_is_rendered_with_its_words_and_its_lift() -> None:
    asked = replace(PLAIN, density=0.75, energy=-1.0, retakes=(SPOKEN,)).for_last_retake()
    assert (asked.start.prompt, asked.end.prompt) == ("acid", "acid")
    assert (asked.density, asked.brightness, asked.energy) == (1.0, 0.5, -0.5)
    assert (asked.start.seed, asked.retakes) == (PLAIN.start.seed, (SPOKEN,))
    later = replace(PLAIN, retakes=(SPOKEN, AGAIN))
    assert later.for_last_retake() is later and PLAIN.for_last_retake() is PLAIN
