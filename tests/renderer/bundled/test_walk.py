"""Loops of a drift with memory: what is kept is the same bit for bit, and each loop depends on its request alone."""

from dataclasses import replace

import numpy as np
import pytest

from riffengine.performance.walk_form import GROOVE, HARMONY, WalkForm
from riffengine.processes.render_request import MorphEnd, RenderRequest, Retake
from riffengine.renderer.bundled import score as sheet
from riffengine.renderer.bundled.family import BundledModel
from riffengine.renderer.family import Rendition

PROMPT = "house, piano, synth bass, electronic drums"
POINT = MorphEnd(PROMPT, 3)
REQUEST = RenderRequest(POINT, POINT, steps=3)
SPLICE = 1600  # frames before a beat in which old and new audio are mixed


def never_cancel() -> None:
    """A check that never cancels."""


@pytest.fixture(scope="module")
def model() -> BundledModel:
    return BundledModel.load()


def render(model: BundledModel, loop: int, memory: str = GROOVE, tension: float = 0.0) -> Rendition:
    form = WalkForm(memory, tension, PROMPT, "techno, acid bass, driving", model.stems, 8)
    return model.render(replace(REQUEST, retakes=form.retakes(loop)), never_cancel)


@pytest.mark.parametrize(("memory", "kept"), [(GROOVE, "drums"), (HARMONY, "harmony")])
def test_a_new_section_keeps_its_part_bit_for_bit_and_changes_all_others(
    model: BundledModel, memory: str, kept: str
) -> None:
    theme, section = render(model, 0, memory), render(model, 16, memory)
    assert theme.score is not None and section.score is not None
    for index, name in enumerate(model.stems):
        assert np.array_equal(theme.audio[index], section.audio[index]) == (name == kept), name
        same_notes = all(np.array_equal(theme.score[:, c], section.score[:, c]) for c in sheet.STEM_COLUMNS[name])
        assert same_notes == (name == kept), name
    assert abs(section.loudness_lufs - theme.loudness_lufs) < 1.0


def test_an_answer_begins_like_its_call_and_a_fill_changes_the_last_beats_of_the_drums(model: BundledModel) -> None:
    call, last = render(model, 0), render(model, 3)
    assert call.score is not None and last.score is not None
    frames = call.audio.shape[1]
    # A note that was held across the loop's end begins at its start now, if what came before it is gone.
    begins = np.zeros_like(call.score[:16], bool)
    begins[0, sheet.ONSETS] = True
    assert np.array_equal(call.score[:16][~begins], last.score[:16][~begins])
    assert not np.array_equal(call.score[16:], last.score[16:])
    assert np.array_equal(call.score[:24, sheet.DRUMS], last.score[:24, sheet.DRUMS])
    half, three_quarters = slice(0, frames // 2 - SPLICE), slice(0, 3 * frames // 4 - SPLICE)
    drums = model.stems.index("drums")
    assert np.array_equal(call.audio[:, half], last.audio[:, half])
    assert np.array_equal(call.audio[drums, three_quarters], last.audio[drums, three_quarters])
    assert not np.array_equal(call.audio[drums, frames - 8000 :], last.audio[drums, frames - 8000 :])


def test_a_loop_of_a_walk_is_the_same_without_the_loops_before_it(model: BundledModel) -> None:
    walked = [render(model, loop, tension=0.5) for loop in (28, 30, 31)][-1]
    alone = BundledModel.load()
    assert np.array_equal(walked.audio, render(alone, 31, tension=0.5).audio)


def test_words_and_lift_are_those_of_the_retake_alone(model: BundledModel) -> None:
    plain = Retake(("bass", "harmony"), 0xFF, 7)
    made = [
        model.render(replace(REQUEST, retakes=(retake,)), never_cancel)
        for retake in (plain, replace(plain, prompt="techno, acid bass"), replace(plain, lift=1.0))
    ]
    theme = model.render(REQUEST, never_cancel)
    drums, bass = model.stems.index("drums"), model.stems.index("bass")
    for rendition in made:
        assert np.array_equal(rendition.audio[drums], theme.audio[drums])
    assert len({rendition.audio[bass].tobytes() for rendition in made}) == 3
    strange = model.render(replace(REQUEST, retakes=(replace(plain, prompt="techno, klingon"),)), never_cancel)
    assert strange.unknown_words == ("klingon",)


def test_a_fill_where_no_drums_play_changes_nothing(model: BundledModel) -> None:
    calm = MorphEnd("ambient, pad, choir, no drums, calm", 5)
    request = replace(REQUEST, start=calm, end=calm)
    plain = model.render(request, never_cancel)
    drums = model.stems.index("drums")
    assert not plain.audio[drums].any()
    fill = Retake(("drums",), 0xC0, 1001, "ambient, pad, choir, no drums, calm, drum fill", 1.0)
    filled = model.render(replace(request, retakes=(fill,)), never_cancel)
    assert np.array_equal(filled.audio, plain.audio)
    assert filled.score is not None and not filled.score[:, sheet.DRUMS].any()
