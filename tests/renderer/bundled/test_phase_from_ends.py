"""Phases of a morph's loops start from its ends: neighbours do not comb, and nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest

from riffengine.errors import RenderCancelled, RendererError
from riffengine.processes.render_request import MorphEnd, RenderRequest, Retake
from riffengine.renderer.bundled import family as bundled
from riffengine.renderer.bundled.family import BundledModel
from tools.bench.morph import combing

HOUSE, JAZZ = MorphEnd("house, piano, synth bass", 3), MorphEnd("jazz, saxophone, upright bass", 4)
WARM = RenderRequest(HOUSE, JAZZ, 0.375, steps=1, phase_from_ends=True)


def never_cancel() -> None:
    """A check that never cancels."""


@pytest.fixture(scope="module")
def model() -> BundledModel:
    return BundledModel.load()


def test_neighbours_of_a_morph_do_not_comb(model: BundledModel) -> None:
    def at(alpha: float, warm: bool) -> np.ndarray:
        request = replace(WARM, alpha=alpha, phase_from_ends=warm)
        return model.render(request, never_cancel).audio.sum(axis=(0, 2), dtype=np.float64)

    for left in (0.375, 0.875):  # in the middle, and next to an end
        cold, warm = (combing(at(left, way), at(left + 0.125, way)) for way in (False, True))
        assert warm[0] > -0.5 and warm[0] > cold[0]
        assert warm[1] < 0.5 * cold[1]


def test_samples_do_not_depend_on_earlier_renders(model: BundledModel, monkeypatch: pytest.MonkeyPatch) -> None:
    after_others = model.render(WARM, never_cancel)
    monkeypatch.setattr(bundled, "_CACHED_LOOPS", 1)  # the first end is dropped when the second is stored
    alone = BundledModel.load().render(WARM, never_cancel)
    assert np.array_equal(after_others.audio, alone.audio)


def test_score_and_mel_stay_and_the_loop_is_seamless(model: BundledModel) -> None:
    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1

    for rate, bpm in ((44100, 120.0), (48000, 93.75)):
        request = replace(WARM, sample_rate=rate, bpm=bpm, source_bpm=120.0)
        warm = model.render(request, never_cancel)
        calls = 0
        cold = model.render(replace(request, phase_from_ends=False), count)
        assert calls == 0  # it was sampled before
        assert np.array_equal(warm.score, cold.score)
        assert np.linalg.norm(warm.mel - cold.mel) < 0.15 * np.linalg.norm(cold.mel)
        audio = warm.audio.sum(axis=(0, 2))
        assert len(audio) == round(8 * 60 * rate / bpm)
        assert abs(audio[0] - audio[-1]) <= np.quantile(np.abs(np.diff(audio)), 0.9999)


def test_an_end_needs_no_other_end(model: BundledModel) -> None:
    end = model.render(replace(WARM, alpha=1.0), never_cancel)
    assert end.request == replace(WARM, start=JAZZ, alpha=0.0, phase_from_ends=False)


def test_a_retake_keeps_other_stems_bit_for_bit(model: BundledModel) -> None:
    before = model.render(WARM, never_cancel)
    again = replace(WARM, retakes=(Retake(("bass",), 0xFF, 1),))
    after = model.render(again, never_cancel)
    assert (
        replace(again, alpha=0.0).canonical() not in model._final_stems
    )  # a performer waits for a retake: no ends are rendered
    bass = model.stems.index("bass")
    for stem in range(len(model.stems)):
        assert np.array_equal(before.audio[stem], after.audio[stem]) == (stem != bass)


def test_if_an_end_cannot_be_rendered_a_loop_reconstructs_its_own_phases(
    model: BundledModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    cold = model.render(replace(WARM, phase_from_ends=False), never_cancel)
    level, calls = bundled.level, 0

    def silent_at_first(*arguments):  # type: ignore[no-untyped-def]
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RendererError("the loop is silent")
        return level(*arguments)

    monkeypatch.setattr(bundled, "level", silent_at_first)
    assert np.array_equal(BundledModel.load().render(WARM, never_cancel).audio, cold.audio)


def test_it_can_be_cancelled_while_its_ends_are_rendered(model: BundledModel) -> None:
    fresh, calls = BundledModel.load(), 0
    fresh.render(replace(WARM, phase_from_ends=False), never_cancel)  # it is in the cache

    def stop_at_five() -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise RenderCancelled("enough")

    with pytest.raises(RenderCancelled):
        fresh.render(WARM, stop_at_five)
    assert calls == 5
    assert np.array_equal(fresh.render(WARM, never_cancel).audio, model.render(WARM, never_cancel).audio)
