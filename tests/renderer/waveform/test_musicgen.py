"""MusicGen by tokens, with toy checkpoints: the tokens of transformers, loops without a seam, starts, takes, morphs."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from riffengine.errors import ModelError, RenderCancelled
from riffengine.processes.render_request import Retake
from riffengine.renderer.checkpoints.layout import wanted
from riffengine.renderer.checkpoints.model_library import holding
from riffengine.renderer.registry import family_of, load_family
from riffengine.renderer.waveform.family import WaveformFamily
from riffengine.renderer.waveform.loading import load_networks
from riffengine.renderer.waveform.musicgen import MusicgenNetworks
from riffengine.renderer.waveform.noise import MorphNoise, mixed_seed
from riffengine.renderer.waveform.sampling import SampleJob
from riffengine.renderer.waveform.token_sampling import Canvas, MorphChoice, forced_tokens
from riffengine.renderer.waveform.waveform_spec import WaveformSpec
from tests.renderer.waveform.checkpoints import REQUEST as SLOW
from tests.renderer.waveform.checkpoints import family as any_family
from tests.renderer.waveform.checkpoints import fresh as any_fresh
from tests.renderer.waveform.checkpoints import never_cancel, toy
from tests.renderer.waveform.test_seam import seam_ratio

KINDS = {"musicgen": 1, "musicgen-stereo": 2}
TEXT, SEED, LENGTH = "slow jazz, 120 BPM", 7, 50
REQUEST = replace(SLOW, bpm=180.0)  # 67 tokens
both = pytest.mark.parametrize("kind", KINDS)


def family(kind: str) -> WaveformFamily:
    return any_family(kind, "tempo=told")


def fresh(kind: str) -> WaveformFamily:
    return any_fresh(kind, "tempo=told")


def networks(kind: str) -> MusicgenNetworks:
    found = load_networks(WaveformSpec(str(toy(kind)), device="cpu")).networks
    assert isinstance(found, MusicgenNetworks)
    return found


def job(own: MusicgenNetworks, guidance: float = 3.0, negative: str = "", **facts: Any) -> SampleJob:
    with torch.inference_mode():
        condition = own.condition(TEXT, negative, 1.0)
    return SampleJob(LENGTH, condition, MorphNoise(SEED, SEED), 1, guidance, **facts)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@both
def test_the_same_seed_gives_the_tokens_of_transformers(kind: str, guidance: float) -> None:
    own = networks(kind)
    ours = own.sample(job(own, guidance), never_cancel)
    tokens, mask = own._tokens.read(TEXT)
    written: list[Tensor] = []
    model: Any = own._model
    decode = model.audio_encoder.decode
    model.audio_encoder.decode = lambda codes, **named: (written.append(codes), decode(codes, **named))[1]
    torch.manual_seed(mixed_seed(SEED, 0, 0))
    model.generate(
        input_ids=tokens, attention_mask=mask, do_sample=True, guidance_scale=guidance, top_k=250,
        max_length=Canvas(LENGTH).total + 4, decoder_start_token_id=64, bos_token_id=64, pad_token_id=64,
    )  # fmt: skip
    theirs = torch.stack([each[0] for each in written], dim=2).flatten(1, 2)
    assert ours.shape == (1, 4 * KINDS[kind], Canvas(LENGTH).total) and len(ours.unique()) > 30
    assert torch.equal(ours, theirs)


@both
def test_text_becomes_a_loop_of_exactly_the_wanted_beats_within_the_ceiling(kind: str) -> None:
    for bpm, rate, frames in ((180.0, 44100, 58800), (171.0, 48000, 67368)):
        rendition = load_family(f"{toy(kind)}?device=cpu").render(  # its tempo is measured, too
            replace(REQUEST, bpm=bpm, sample_rate=rate), never_cancel
        )
        assert rendition.audio.shape == (1, frames, KINDS[kind]) and np.isfinite(rendition.audio).all()
        assert rendition.peak <= 10 ** (-1 / 20) + 1e-6
        assert -30.0 < rendition.loudness_lufs < -13.9  # a toy codec's peaks keep it from being louder
    if kind == "musicgen-stereo":
        assert not np.array_equal(*rendition.audio[0].T)


def test_equal_requests_give_equal_samples_and_steps_mean_nothing() -> None:
    own, first = family("musicgen"), fresh("musicgen")
    first.render(replace(REQUEST, alpha=0.5), never_cancel)
    once = first.render(REQUEST, never_cancel)
    assert np.array_equal(once.audio, own.render(REQUEST, never_cancel).audio)
    finer = first.render(replace(REQUEST, steps=20), never_cancel)  # it is written already
    assert np.array_equal(finer.audio, once.audio) and finer.cost.denoise == finer.cost.decode == 0.0


def test_everything_that_is_asked_for_changes_the_loop() -> None:
    changes: tuple[dict[str, Any], ...] = (
        {},
        {"start": replace(REQUEST.start, seed=5)},
        {"start": replace(REQUEST.start, prompt="slow jazz, organ")},
        {"start": replace(REQUEST.start, guidance=1.0)},
        {"start": replace(REQUEST.start, negative="noise")},
        {"key": "A minor"},
        {"alpha": 0.5},
    )
    heard = [family("musicgen").render(replace(REQUEST, **change), never_cancel).audio for change in changes]
    assert not any(np.array_equal(a, b) for number, a in enumerate(heard) for b in heard[:number])


def test_a_cancelled_job_ends_before_the_next_token_and_leaves_nothing_behind() -> None:
    own, asked = fresh("musicgen"), 0

    def cancel_at_twenty() -> None:
        nonlocal asked
        asked += 1
        if asked == 20:
            raise RenderCancelled("newer intent")

    with pytest.raises(RenderCancelled):
        own.render(REQUEST, cancel_at_twenty)
    assert asked == 20
    assert np.array_equal(
        own.render(REQUEST, never_cancel).audio, family("musicgen").render(REQUEST, never_cancel).audio
    )


@both
def test_the_wrap_is_an_edge_like_any_other(kind: str) -> None:
    own, length = networks(kind), 62 * 256 // 40
    closed, open_ended = [], []
    with torch.inference_mode():
        for seed in range(24):  # what random weights write is no better than this
            shape = (1, own.latent_channels, Canvas(length).total)
            tokens = torch.randint(0, 64, shape, generator=torch.Generator().manual_seed(seed))
            closed.append(own.decode(tokens)[0].numpy())
            sides = [tokens[:, side :: own.channels, length : 2 * length] for side in range(own.channels)]
            sound = [own._model.audio_encoder.decode(each[None], [None]).audio_values[0] for each in sides]
            open_ended.append(torch.cat(sound).numpy())
    ratio = seam_ratio(closed)
    print(f"{kind}: seam ratio {ratio:.3f}, cut without what follows {seam_ratio(open_ended):.3f}")
    assert ratio <= 1.15


@both
def test_a_sound_is_continued_and_kept_in_part_or_altogether(kind: str, tmp_path: Path) -> None:
    own = networks(kind)
    sound = 0.3 * torch.randn(1, own.channels, LENGTH * own.hop, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        init = own.encode(sound)
        turned = own.encode(torch.roll(sound, 20 * own.hop, dims=2))
    assert init.shape == (1, own.latent_channels, LENGTH)
    assert (torch.roll(init, 20, dims=2) == turned).float().mean() > 0.95  # it goes round
    kept = {s: own.sample(job(own, init=init, strength=s), never_cancel) for s in (0.0, 0.5, 0.9)}
    around = Canvas(LENGTH).around(init)
    assert torch.equal(kept[0.0], around)
    assert torch.equal(kept[0.5][..., :75], around[..., :75]) and torch.equal(kept[0.9][..., :55], around[..., :55])
    assert not torch.equal(kept[0.5][..., 75:100], around[..., 75:100])
    path = tmp_path / "tone.wav"
    soundfile.write(path, sound[0].T.numpy(), own.sample_rate)
    for strength in (0.5, 1.0):
        start = replace(REQUEST.start, strength=strength)
        request = replace(REQUEST, start=start, end=start, init=str(path))
        plain = family(kind).render(replace(request, init=""), never_cancel).audio
        assert np.array_equal(family(kind).render(request, never_cancel).audio, plain) == (strength == 1.0)


def test_what_is_written_again_changes_its_beats_and_no_other() -> None:
    from riffengine.renderer.checkpoints.lap_timer import LapTimer

    own = family("musicgen")
    again = replace(REQUEST, retakes=(Retake(("mix",), 0b0010, 1),))
    before, after = (own._loop(r.canonical(), never_cancel, LapTimer(own.networks.device)) for r in (REQUEST, again))
    beat, fade = len(before) // 4, 64
    changed = np.abs(after - before).max(axis=1)
    assert changed[beat + fade : 2 * beat - fade].max() > 0.0
    assert changed[: beat - fade].max() == changed[2 * beat + fade :].max() == 0.0


def test_of_beats_that_are_written_again_the_others_are_given() -> None:
    own = networks("musicgen")
    base = own.sample(job(own), never_cancel)
    mask = torch.zeros(1, 1, LENGTH)
    mask[..., :12] = 1.0
    forced = forced_tokens(job(own, init=base, mask=mask), Canvas(LENGTH), own.latent_channels)
    free = (forced < 0).all(dim=0).nonzero()[:, 0].tolist()
    assert free == [*range(50, 62), *range(100, 103)]  # the first beat, and what is faded into it


def test_between_two_seeds_noise_keeps_its_distribution_and_moves_from_one_to_the_other() -> None:
    draws = {alpha: MorphChoice(1, 2, alpha).draw((8, 4000)) for alpha in (0.0, 0.25, 0.5, 0.75, 1.0)}
    for drawn in draws.values():
        assert float(drawn.mean()) == pytest.approx(1.0, abs=0.03) and float(drawn.var()) == pytest.approx(1.0, abs=0.1)
        assert float((drawn > 1.0).float().mean()) == pytest.approx(np.exp(-1), abs=0.02)
    nearness = [float(np.corrcoef(draws[0.0].flatten(), drawn.flatten())[0, 1]) for drawn in draws.values()]
    assert nearness == sorted(nearness, reverse=True) and abs(nearness[-1]) < 0.02
    assert torch.equal(MorphChoice(3, 3, 0.7).draw((2, 9)), MorphChoice(3, 9, 0.0).draw((2, 9)))
    assert torch.equal(MorphChoice(3, 9, 1.0).draw((2, 9)), MorphChoice(9, 9).draw((2, 9)))


def test_what_the_network_expects_of_given_tokens_moves_gradually_with_alpha() -> None:
    from riffengine.renderer.waveform.musicgen import _Reader
    from riffengine.renderer.waveform.token_sampling import guided_pair

    own = networks("musicgen")
    tokens = torch.randint(0, 64, (4, 20), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        start, end = own.condition("slow jazz, with a long description", "", 1.0), own.condition("dub", "noise", 1.0)
        logits = [
            _Reader(own._model.decoder, guided_pair(start.towards(end, alpha), 3.0), 3.0).read(tokens)
            for alpha in np.linspace(0.0, 1.0, 17).tolist()
        ]
    steps = [float((a - b).abs().mean()) for a, b in pairwise(logits)]
    whole = float((logits[0] - logits[-1]).abs().mean())
    assert 0.0 < max(steps) < 0.5 * whole


def copy(to: Path) -> Path:
    return Path(shutil.copytree(toy("musicgen"), to / "checkpoint"))


def decoder(folder: Path, **facts: object) -> None:
    path = folder / "config.json"
    found = json.loads(path.read_text())
    found["decoder"] |= facts
    path.write_text(json.dumps(found))


def tensors(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: (f / "tokenizer.json").unlink(), "tokenizer is missing"),
        (lambda f: decoder(f, num_codebooks=3), "3 codebooks for 1 channels|unexpected"),
        (lambda f: decoder(f, num_hidden_layers=100_000), "at most 64"),
        (lambda f: decoder(f, audio_channels=2), "4 codebooks for 2 channels"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\0" * 20), "not a complete safetensors file"),
        (lambda f: save_file({"x": torch.ones(1)}, f / "model.safetensors"), "missing"),
    ],
)
def test_a_damaged_or_foreign_checkpoint_is_refused_in_words(damage: Any, words: str, tmp_path: Path) -> None:
    folder = copy(tmp_path)
    damage(folder)
    with pytest.raises(ModelError, match=words) as refused:
        load_family(f"{folder}?device=cpu")
    assert "\n" not in str(refused.value)


def test_pickles_and_schedulers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="which has no steps"):
        load_family(f"{toy('musicgen')}?device=cpu&scheduler=euler")
    folder = copy(tmp_path)
    torch.save(tensors(folder), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert family_of(str(folder)).name == "waveform"
    with pytest.raises(ModelError, match="holds pickles, which are not loaded"):
        load_family(str(folder))


def test_files_of_older_transformers_are_read(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    names = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    old = {}
    for name, tensor in tensors(folder).items():
        for new, before in names.items():
            name = name.replace(new, before)
        old[name] = tensor
    old["decoder.model.decoder.embed_positions.weights"] = torch.zeros(2048, 32)
    save_file(old, folder / "model.safetensors")
    loaded = load_family(f"{folder}?device=cpu&tempo=told")
    assert np.array_equal(
        loaded.render(REQUEST, never_cancel).audio, family("musicgen").render(REQUEST, never_cancel).audio
    )


def test_of_what_the_hub_offers_only_what_is_read_is_taken(tmp_path: Path) -> None:
    offered = ["README.md", "config.json", "model.safetensors", "pytorch_model.bin", "state_dict.bin", "tokenizer.json"]
    assert wanted(offered) == ["README.md", "config.json", "tokenizer.json", "model.safetensors"]
    folder = copy(tmp_path)
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    entry = holding("facebook/musicgen-small", folder)
    assert (entry.state, entry.licence) == ("ready", "cc-by-nc-4.0")
    decoder(folder)
    found = json.loads((folder / "config.json").read_text()) | {"architectures": ["BertModel"]}
    (folder / "config.json").write_text(json.dumps(found))
    assert "incomplete" in holding("someone/else", folder).state
