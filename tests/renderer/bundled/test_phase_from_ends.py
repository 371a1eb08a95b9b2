"""Finished loops of a morph begin their phases with those of its ends: neighbours add up, and nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest

from riffengine.errors import RenderCancelled, RendererError
from riffengine.processes.render_messages import Point, Redream, RenderRequest
from riffengine.renderer.bundled import family as bundled
from riffengine.renderer.bundled.family import BundledModel
from tools.bench.morph import combing

HOUSE, JAZZ = Point("house, piano, synth bass", 3), Point("jazz, saxophone, upright bass", 4)
WARM = RenderRequest(HOUSE, JAZZ, 0.375, steps=1, phase_from_ends=True)


def nothing() -> None:
    """A check that never stops."""


@pytest.fixture(scope="module")
def model() -> BundledModel:
    return BundledModel.load()


def test_neighbours_of_a_morph_comb_no_more(model: BundledModel) -> None:
    def at(alpha: float, warm: bool) -> np.ndarray:
        request = replace(WARM, alpha=alpha, phase_from_ends=warm)
        return model.render(request, nothing).audio.sum(axis=(0, 2), dtype=np.float64)

    for left in (0.375, 0.875):  # in the middle, and next to an end
        cold, warm = (combing(at(left, way), at(left + 0.125, way)) for way in (False, True))
        assert warm[0] > -0.5 and warm[0] > cold[0]
        assert warm[1] < 0.5 * cold[1]


def test_the_same_samples_whatever_was_rendered_before(model: BundledModel, monkeypatch: pytest.MonkeyPatch) -> None:
    after_others = model.render(WARM, nothing)
    monkeypatch.setattr(bundled, "_SOUNDS_KEPT", 1)  # the first end is forgotten when the second is there
    alone = BundledModel.load().render(WARM, nothing)
    assert np.array_equal(after_others.audio, alone.audio)


def test_it_is_the_same_dream_and_a_loop_without_a_seam(model: BundledModel) -> None:
    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1

    for rate, bpm in ((44100, 120.0), (48000, 93.75)):
        request = replace(WARM, sample_rate=rate, bpm=bpm, dreamt_bpm=120.0)
        warm = model.render(request, nothing)
        calls = 0
        cold = model.render(replace(request, phase_from_ends=False), count)
        assert calls == 0  # dreamt once
        assert np.array_equal(warm.score, cold.score)
        assert np.linalg.norm(warm.mel - cold.mel) < 0.15 * np.linalg.norm(cold.mel)
        audio = warm.audio.sum(axis=(0, 2))
        assert len(audio) == round(8 * 60 * rate / bpm)
        assert abs(audio[0] - audio[-1]) <= np.quantile(np.abs(np.diff(audio)), 0.9999)


def test_an_end_stands_alone(model: BundledModel) -> None:
    end = model.render(replace(WARM, alpha=1.0), nothing)
    assert end.request == replace(WARM, start=JAZZ, alpha=0.0, phase_from_ends=False)


def test_a_stem_that_is_kept_is_kept_to_the_bit(model: BundledModel) -> None:
    before = model.render(WARM, nothing)
    again = replace(WARM, redreams=(Redream(("bass",), 0xFF, 1),))
    after = model.render(again, nothing)
    assert replace(again, alpha=0.0).canonical() not in model._sounds  # a change waits for it: no ends are made
    bass = model.stems.index("bass")
    for stem in range(len(model.stems)):
        assert np.array_equal(before.audio[stem], after.audio[stem]) == (stem != bass)


def test_where_an_end_cannot_sound_a_loop_finds_its_own_phases(
    model: BundledModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    cold = model.render(replace(WARM, phase_from_ends=False), nothing)
    level, calls = bundled.levelled, 0

    def silent_at_first(*arguments):  # type: ignore[no-untyped-def]
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RendererError("the loop is silent")
        return level(*arguments)

    monkeypatch.setattr(bundled, "levelled", silent_at_first)
    assert np.array_equal(BundledModel.load().render(WARM, nothing).audio, cold.audio)


def test_it_can_be_stopped_while_its_ends_are_made(model: BundledModel) -> None:
    fresh, calls = BundledModel.load(), 0
    fresh.render(replace(WARM, phase_from_ends=False), nothing)  # its own dream is there

    def stop_at_five() -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise RenderCancelled("enough")

    with pytest.raises(RenderCancelled):
        fresh.render(WARM, stop_at_five)
    assert calls == 5
    assert np.array_equal(fresh.render(WARM, nothing).audio, model.render(WARM, nothing).audio)
