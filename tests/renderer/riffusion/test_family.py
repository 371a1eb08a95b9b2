"""From text to loop with a toy checkpoint: exact length, deterministic, cancelled within a step."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from riffengine.errors import RenderCancelled, RendererError
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.registry import load_family
from riffengine.renderer.riffusion.family import RiffusionFamily
from tests.renderer.riffusion.checkpoints import BANDS, REQUEST, family, never_cancel, toy_checkpoints


def fresh(options: str = "") -> RiffusionFamily:
    return RiffusionFamily.load(f"{toy_checkpoints() / 'modern'}?device=cpu&{options}")


def test_text_becomes_a_loop_of_exactly_the_wanted_beats_at_a_known_loudness() -> None:
    for bpm, rate, frames in ((120.0, 44100, 44100), (93.75, 44100, 56448), (101.0, 48000, 57030)):
        rendition = family().render(replace(REQUEST, bpm=bpm, sample_rate=rate), never_cancel)
        assert rendition.audio.shape == (3, frames, 1) and rendition.audio.dtype == np.float32
        assert rendition.mel.shape == (128, BANDS)
        assert rendition.mel.min() >= 0.0 and rendition.mel.max() <= 1.0
        assert rendition.peak <= 10 ** (-1 / 20) + 1e-6 and np.isfinite(rendition.audio).all()
    assert rendition.request == replace(REQUEST, bpm=101.0, sample_rate=48000).canonical()


def test_the_registry_finds_the_family_by_a_folder() -> None:
    assert load_family(str(toy_checkpoints() / "modern")).name == "riffusion"


def test_equal_requests_give_equal_samples_whatever_was_rendered_before() -> None:
    wanted = replace(REQUEST, alpha=0.375)
    alone = fresh().render(wanted, never_cancel)
    other = fresh()
    for alpha in (0.0, 0.5, 1.0, 0.1):
        other.render(replace(REQUEST, alpha=alpha), never_cancel)
    assert np.array_equal(other.render(wanted, never_cancel).audio, alone.audio)
    batched = [fresh("batch=8") for _ in range(2)]
    batched[1].render(replace(REQUEST, alpha=0.875), never_cancel)
    assert np.array_equal(*(each.render(wanted, never_cancel).audio for each in batched))


def test_every_field_of_a_request_changes_the_loop() -> None:
    base = family().render(REQUEST, never_cancel)
    changes = (
        {"start": replace(REQUEST.start, prompt="slow jazz, organ")},
        {"start": replace(REQUEST.start, seed=5)},
        {"start": replace(REQUEST.start, guidance=1.0)},
        {"start": replace(REQUEST.start, negative="noise")},
        {"steps": 5},
        {"alpha": 0.5},
    )
    for change in changes:
        assert not np.array_equal(family().render(replace(REQUEST, **change), never_cancel).mel, base.mel), change


def test_a_new_tempo_reuses_the_picture() -> None:
    own = fresh()
    slow, fast = (own.render(replace(REQUEST, bpm=bpm), never_cancel) for bpm in (100.0, 125.0))
    assert np.array_equal(slow.mel, fast.mel) and slow.cost.denoise > 0.0 and fast.cost.denoise == 0.0


def test_guidance_1_runs_the_unet_once_per_step_and_others_batch_both_prompts() -> None:
    own = fresh("scheduler=ddim")
    batches: list[int] = []
    own.networks.unet.register_forward_pre_hook(lambda _, inputs: batches.append(len(inputs[0])))
    own.render(replace(REQUEST, start=replace(REQUEST.start, guidance=1.0)), never_cancel)
    assert batches == [1] * 4
    own.render(REQUEST, never_cancel)
    assert batches == [1] * 4 + [2] * 4


def test_a_bank_is_sampled_in_one_batch_and_its_ends_alone() -> None:
    own = fresh("batch=8&scheduler=ddim")
    batches: list[int] = []
    own.networks.unet.register_forward_pre_hook(lambda _, inputs: batches.append(len(inputs[0])))
    bank = own.render_bank([replace(REQUEST, alpha=k / 8) for k in range(9)], never_cancel)
    assert sorted(batches) == [2] * 8 + [14] * 4  # guided: twice 1 at both ends, twice 7 between
    own.render(replace(REQUEST, alpha=0.25), never_cancel)
    assert len(batches) == 12
    steps = [float(np.abs(a.mel - b.mel).mean()) for a, b in pairwise(bank)]
    assert max(steps) < float(np.abs(bank[0].mel - bank[-1].mel).mean())  # a gradual change, not a jump


def test_warming_up_covers_every_shape_of_a_set_and_changes_no_loop() -> None:
    own = fresh("batch=8&scheduler=ddim")
    batches: set[int] = set()
    handle = own.networks.unet.register_forward_pre_hook(lambda _, inputs: batches.add(len(inputs[0])))
    own.warm_up()
    handle.remove()
    assert batches == {1, 2, 7, 8, 14, 16}  # alone, the eighths, the odd sixteenths; each guided and not
    assert np.array_equal(
        own.render(REQUEST, never_cancel).mel, family("scheduler=ddim").render(REQUEST, never_cancel).mel
    )


def test_a_cancelled_job_ends_within_a_step_and_leaves_nothing_behind() -> None:
    own, asked, calls = fresh("scheduler=dpm++"), 0, 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    def cancel_at_three() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise RenderCancelled("newer intent")

    handle = own.networks.unet.register_forward_pre_hook(count)
    with pytest.raises(RenderCancelled):
        own.render(replace(REQUEST, steps=20), cancel_at_three)
    assert calls == 2
    handle.remove()
    assert np.array_equal(
        own.render(REQUEST, never_cancel).audio, fresh("scheduler=dpm++").render(REQUEST, never_cancel).audio
    )


def test_more_beats_are_a_wider_picture() -> None:
    assert family().render(replace(REQUEST, beats=6), never_cancel).mel.shape == (384, BANDS)
    phrase = family().render(replace(REQUEST, beats=16, steps=1), never_cancel)
    assert phrase.mel.shape == (1024, BANDS) and phrase.audio.shape == (3, 8 * 44100, 1)


def test_a_long_prompt_morphs_into_a_short_one() -> None:
    long = replace(REQUEST.start, prompt="slow jazz " * 12, negative="noise")  # two chunks of tokens
    mels = [family().render(replace(REQUEST, start=long, alpha=alpha), never_cancel).mel for alpha in (0.0, 0.5, 1.0)]
    assert not any(np.array_equal(a, b) for a, b in pairwise(mels))
    assert np.isfinite(mels).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [({"steps": 0}, "at least 1"), ({"beats": 65}, "can be generated"), ({"beats": 0}, "can be generated")],
)
def test_an_impossible_request_is_refused_and_the_next_one_plays(change: dict[str, int], words: str) -> None:
    with pytest.raises(RendererError, match=words):
        family().render(replace(REQUEST, **change), never_cancel)  # type: ignore[arg-type]
    assert family().render(REQUEST, never_cancel).audio.any()


def test_words_beyond_225_tokens_are_reported() -> None:
    request = RenderRequest(MorphEnd("a" * 230, 1), MorphEnd("a" * 230, 1), steps=1, beats=2)
    assert family().render(request, never_cancel).unknown_words == ("aaaaa",)
