"""Stable Audio Open Small: the layout of stable-audio-tools, its numbers, its text encoder, and wrong files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from riffengine.cli import main
from riffengine.errors import ModelError
from riffengine.renderer.checkpoints.layout import wanted
from riffengine.renderer.checkpoints.model_library import Library, holding, kind_of
from riffengine.renderer.checkpoints.tools_layout import read_tools_model
from riffengine.renderer.registry import family_of, load_family
from riffengine.renderer.waveform.loading import load_networks
from riffengine.renderer.waveform.networks import Condition
from riffengine.renderer.waveform.noise import MorphNoise
from riffengine.renderer.waveform.sampling import SampleJob, sample
from riffengine.renderer.waveform.schedules import TruncatedFlowSchedule
from riffengine.renderer.waveform.stable_audio_small import StableAudioSmallNetworks
from riffengine.renderer.waveform.waveform_spec import WaveformSpec
from tests.renderer.waveform.checkpoints import REQUEST, family, never_cancel, toy
from tools.random_tools_layout import model_config

KIND, LENGTH, NOISE, WORDS = "stable-audio-small", 40, MorphNoise(7, 7), MorphNoise(8, 8)
PLACES = [0, 77, 160, -1]
REFERENCE = {
    "global": [0.18324, -0.19682, -0.44034, 0.63399],
    "velocity": [0.76061, 5.60898, 1.04095, -0.24134],
    "guided": [2.20847, 6.54908, 0.96216, -3.11353],
    "guided0": [0.43402, 8.0791, 2.98908, -0.81775],
    "decoded": [0.00521, 0.03554, 0.05547, 0.02522],
    "mean": [0.03519, -0.07628, 0.11196, 0.46908],
    "step1": [-0.98552, -5.56572, -0.10761, 0.19932],
    "pp8": [0.55567, -0.53321, -0.37554, 1.70205],
    "pp5": [0.8845, -2.09915, -1.77328, 0.12268],
    "eu12": [-0.29167, -3.44085, -1.54973, 2.10863],
    "init": [0.28551, -0.17888, -0.73226, -0.82346],
}


def networks() -> StableAudioSmallNetworks:
    found = load_networks(WaveformSpec(str(toy(KIND)), device="cpu")).networks
    assert isinstance(found, StableAudioSmallNetworks)
    return found


def conditions(own: StableAudioSmallNetworks) -> tuple[Condition, Condition]:
    """Words that are drawn, since the weights of a random T5 depend on transformers; and the same without negative."""
    lasting = own.condition("", "", LENGTH * own.hop / own.sample_rate).positive[1]
    first, second = (torch.cat([WORDS.draw(64, 16, number), lasting], dim=1) for number in (0, 1))
    return Condition((first, lasting), (second, lasting)), Condition(
        (first, lasting), (torch.zeros_like(first), lasting)
    )


def test_every_part_gives_the_numbers_of_stable_audio_tools() -> None:
    """``REFERENCE`` was computed by stable-audio-tools 0.0.19 from this checkpoint, which it loads strictly.

    Its ``randn_like`` was replaced by ``NOISE``. All numbers were compared then, the largest difference was 1e-5; four
    of each are kept here.
    """
    own = networks()
    with torch.inference_mode():
        guided, plain = conditions(own)
        start, time = NOISE.draw(8, LENGTH), torch.tensor(0.6)
        sound = torch.randn(1, 2, LENGTH * 256, generator=torch.Generator().manual_seed(2))

        def sampled(steps: int, guidance: float, told: Condition, name: str, **more: Any) -> torch.Tensor:
            job = SampleJob(LENGTH, told, NOISE, steps, guidance, turning=False, **more)
            return sample(job, own, own.make_schedule(name), never_cancel)

        found = {
            "global": plain.positive[1],
            "velocity": own.predict(start, time, guided, 1.0),
            "guided": own.predict(start, time, guided, 4.0),
            "guided0": own.predict(start, time, plain, 4.0),
            "decoded": own._vae.decode(start).sample,
            "mean": own._vae.encode(sound).latent_dist.mode(),
            "step1": sampled(1, 1.0, guided, "own"),
            "pp8": sampled(8, 1.0, guided, "own"),
            "pp5": sampled(5, 4.0, guided, "pingpong"),
            "eu12": sampled(12, 3.0, plain, "euler"),
            "init": sampled(8, 1.0, guided, "own", init=0.5 * NOISE.draw(8, LENGTH, 20), strength=0.5),
        }
    for name, numbers in REFERENCE.items():
        places = [0, 3, 7, -1] if name == "global" else PLACES
        assert found[name].flatten()[places].tolist() == pytest.approx(numbers, abs=1e-4), name
    assert found.keys() == REFERENCE.keys()


def test_the_levels_are_even_steps_of_the_ratio_and_never_rise() -> None:
    schedule = TruncatedFlowSchedule(pingpong=True)
    for strength in (0.02, 0.1, 0.3, 0.7, 0.999, 1.0):
        schedule.begin(50, strength)
        levels = [schedule.levels(index)[1] for index in range(schedule.count + 1)]
        assert levels[0] == pytest.approx(strength) and levels[-1] == 0.0
        assert levels == sorted(levels, reverse=True), strength
    schedule.begin(8, 1.0)
    assert [round(schedule.levels(index)[1], 4) for index in (1, 4, 7)] == [0.9933, 0.8808, 0.2689]
    schedule.begin(8, 0.0)
    assert schedule.count == 0


def test_eight_steps_are_the_same_for_the_same_seed_and_each_draws_its_own_noise() -> None:
    own = networks()
    with torch.inference_mode():
        told = conditions(own)[0]
        one, again, other, euler = (
            sample(SampleJob(LENGTH, told, MorphNoise(seed, seed), 8), own, own.make_schedule(name), never_cancel)
            for seed, name in ((3, "own"), (3, "pingpong"), (4, "own"), (3, "euler"))
        )
    assert torch.equal(one, again) and not torch.equal(one, other) and not torch.equal(one, euler)


def test_a_model_that_is_not_distilled_is_sampled_by_euler_and_has_another_hash(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    change(folder, lambda config: config["model"]["diffusion"].update(diffusion_objective="rectified_flow"))
    found = load_family(f"{folder}?device=cpu")
    plain, euler = family(KIND), family(KIND, "scheduler=euler")
    assert found.weights_digest not in (plain.weights_digest, euler.weights_digest)
    wanted_loop = euler.render(REQUEST, never_cancel).audio
    assert np.array_equal(found.render(REQUEST, never_cancel).audio, wanted_loop)


def copy(to: Path) -> Path:
    return Path(shutil.copytree(toy(KIND), to / "checkpoint"))


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "model_config.json"
    config = json.loads(path.read_text())
    edit(config)
    path.write_text(json.dumps(config))


def set_in(place: str, value: object) -> Callable[[Path], None]:
    """A damage: ``value`` at ``place`` of model_config.json, taken out where it is ``None``."""

    def damage(folder: Path) -> None:
        def edit(config: dict[str, Any]) -> None:
            *way, last = place.split("/")
            inner: Any = config
            for key in way:
                inner = inner[int(key) if key.isdigit() else key]
            inner[last] = value
            if value is None:
                del inner[last]

        change(folder, edit)

    return damage


def weights(edit: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        edit(tensors)
        save_file(tensors, folder / "model.safetensors")

    return damage


DIT, AE = "model/diffusion/config", "model/pretransform/config"
LAYER = "model.model.transformer.layers.0."
DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no index": (lambda f: (f / "model_config.json").unlink(), "model_config.json or config.json is missing"),
    "an index that is cut off": (
        lambda f: (f / "model_config.json").write_text("{"),
        r"model_config.json names no model\): copy it again with the model_config.json of a diffusion_cond",
    ),
    "an autoencoder": (set_in("model_type", "autoencoder"), "is of the kind autoencoder, .* of a diffusion_cond"),
    "the objective of 1.0": (set_in("model/diffusion/diffusion_objective", "v"), "allowed is rf_denoiser, rectified"),
    "no objective": (set_in("model/diffusion/diffusion_objective", None), "is missing; allowed is rf_denoiser"),
    "a UNet": (set_in("model/diffusion/type", "adp_cfg_1d"), "model.diffusion.type is 'adp_cfg_1d'; allowed is dit"),
    "other conditions": (set_in("model/diffusion/global_cond_ids", ["seconds_start", "seconds_total"]), "global_cond"),
    "another encoder": (set_in("model/conditioning/configs/0/config/t5_model_name", "me/t5"), "allowed is t5-small"),
    "layers without end": (set_in(f"{DIT}/depth", 100_000), "depth is 100000; allowed is 1 to 64"),
    "a depth that is none": (set_in(f"{DIT}/depth", True), "depth is True; allowed is 1 to 64"),
    "heads that do not divide": (set_in(f"{DIT}/num_heads", 3), "num_heads is 3"),
    "a window": (set_in(f"{DIT}/sliding_window", [1, 2]), "sliding_window is .* allowed is to leave it out"),
    "other norms": (set_in(f"{DIT}/attn_kwargs", {"qk_norm": "l2"}), "qk_norm is 'l2'; allowed is ln, none"),
    "other latents": (set_in(f"{DIT}/io_channels", 9), "io_channels is 9; allowed is 8"),
    "no tanh told": (set_in(f"{AE}/decoder/config/final_tanh", None), "final_tanh is missing; allowed is False"),
    "odd strides": (set_in(f"{AE}/encoder/config/strides", [3, 8, 8]), "strides is"),
    "another ending": (set_in(f"{AE}/bottleneck/type", "tanh"), "allowed is vae"),
    "a scale": (set_in("model/pretransform/scale", 2.0), "scale is 2.0; allowed is 1"),
    "fewer layers": (set_in(f"{DIT}/depth", 1), "unexpected"),
    "no norms": (set_in(f"{DIT}/attn_kwargs", None), "unexpected"),
    "a longer path": (weights(lambda t: t.update({"model_ema.x": torch.ones(1)})), "holds model_ema.x"),
    "a tensor gone": (weights(lambda t: t.pop(f"{LAYER}self_attn.to_qkv.weight")), "3 missing"),
    "a tensor more": (weights(lambda t: t.update({f"{LAYER}x.y": torch.ones(1)})), "1 unexpected"),
    "no rows": (weights(lambda t: t.update({f"{LAYER}self_attn.to_qkv.weight": torch.ones(0, 64)})), "missing"),
    "a level more": (
        weights(lambda t: t.update({f"pretransform.model.encoder.layers.{'9' * 5000}.x": torch.ones(1)})), "unexpected"
    ),
    "truncated": (lambda f: cut(f / "model.safetensors"), "not a complete safetensors file"),
    "no tokenizer": (lambda f: (f / "tokenizer/tokenizer.json").unlink(), "tokenizer is missing"),
    "no text weights": (lambda f: (f / "text_encoder/model.safetensors").unlink(), "text encoder has no weights"),
}  # fmt: skip


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_or_foreign_checkpoint_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    damage, words = DAMAGES[name]
    folder = copy(tmp_path)
    damage(folder)
    with pytest.raises(ModelError, match=words) as refused:
        load_family(f"{folder}?device=cpu")
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 1000


def test_the_text_encoder_may_lie_in_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RIFFENGINE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = tmp_path / "models" / "stabilityai--stable-audio-open-small"
    shutil.copytree(toy(KIND), folder)
    t5 = tmp_path / "models" / "google-t5--t5-base"
    (folder / "text_encoder").rename(t5)
    (folder / "tokenizer" / "tokenizer.json").rename(t5 / "tokenizer.json")
    (folder / "tokenizer").rmdir()
    tensors = load_file(t5 / "model.safetensors")  # as a whole T5 has them
    save_file(
        tensors | {"decoder.final.weight": torch.ones(1), "lm_head.weight": torch.ones(1)}, t5 / "model.safetensors"
    )
    config = json.loads((t5 / "config.json").read_text()) | {"architectures": ["T5ForConditionalGeneration"]}
    (t5 / "config.json").write_text(json.dumps(config))
    name = "stabilityai/stable-audio-open-small"
    assert [(entry.name, entry.state) for entry in Library.standard().holdings()] == [
        ("google-t5/t5-base", "text encoder"), (name, "ready"),
    ]  # fmt: skip
    loop = load_family(f"{name}?device=cpu").render(REQUEST, never_cancel).audio
    assert np.array_equal(loop, family(KIND).render(REQUEST, never_cancel).audio)
    shutil.rmtree(t5)
    assert family_of(name).name == "waveform"
    with pytest.raises(ModelError, match="riffengine models get google-t5/t5-base"):
        family_of(name).check(name)
    assert main(["models"]) == 0 and "needs the text encoder google-t5/t5-base" in capsys.readouterr().out


def test_of_what_the_hub_offers_only_what_is_read_is_taken(tmp_path: Path) -> None:
    offered = [
        "LICENSE.md", "README.md", "base_model.ckpt", "base_model.safetensors", "base_model_config.json", "model.ckpt",
        "model.safetensors", "model_config.json",
    ]  # fmt: skip
    assert wanted(offered) == ["LICENSE.md", "README.md", "model_config.json", "model.safetensors"]
    folder = copy(tmp_path)
    assert kind_of(folder) == "diffusion_cond"
    assert "model_config.json" not in wanted([*offered, "model_index.json"])  # Open 1.0 has both


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    torch.save({"state_dict": load_file(folder / "model.safetensors")}, folder / "model.ckpt")
    (folder / "model.safetensors").unlink()
    assert holding("x", folder).state == "pickled" and family_of(str(folder)).name == "waveform"
    with pytest.raises(ModelError, match="holds pickles, which are not loaded"):
        load_family(str(folder))
    new = tmp_path / "new"
    assert main(["convert", str(folder), "-o", str(new)]) == 0 and holding("x", folder).state == "pickled"
    loop = load_family(f"{new}?device=cpu").render(REQUEST, never_cancel).audio
    assert np.array_equal(loop, family(KIND).render(REQUEST, never_cancel).audio)


def test_the_published_shape_is_understood(tmp_path: Path) -> None:
    (tmp_path / "model_config.json").write_text(json.dumps(model_config("full")))
    told = read_tools_model(tmp_path)
    assert told.transformer["sample_size"] == 256 and told.rotary_width == 64 and told.norms and told.distilled
    assert (told.text, told.most_tokens) == ("google-t5/t5-base", 64)
    assert told.seconds == {"number_embedding_dim": 768, "min_value": 0, "max_value": 256}
