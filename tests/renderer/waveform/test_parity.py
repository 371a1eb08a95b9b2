"""The same latents as the pipelines of diffusers, from the same noise, text, guidance and weights.

Both begin with the same noise and, where a scheduler adds some, get the same later on. Ours does not turn the loop.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from riffengine.renderer.checkpoints.noise_schedulers import step_noise
from riffengine.renderer.torchaudio_import import prepare_for_transformers
from riffengine.renderer.waveform.loading import load_networks
from riffengine.renderer.waveform.noise import MorphNoise
from riffengine.renderer.waveform.sampling import SampleJob, sample
from riffengine.renderer.waveform.waveform_spec import WaveformSpec
from tests.renderer.waveform.checkpoints import never_cancel, toy

prepare_for_transformers()

TEXT, NEGATIVE, SEED = "slow jazz, 120 BPM", "noise", 7
NOISE = MorphNoise(SEED, SEED)


def ours(kind: str, length: int, steps: int, guidance: float, negative: str = "", scheduler: str = "own") -> Tensor:
    networks = load_networks(WaveformSpec(str(toy(kind)), device="cpu")).networks
    with torch.inference_mode():
        condition = networks.condition(TEXT, negative, length * networks.hop / networks.sample_rate)
    job = SampleJob(length, condition, NOISE, steps, guidance, turning=False)
    return sample(job, networks, networks.make_schedule(scheduler), never_cancel)


def tokenizer(kind: str, most: int) -> Any:
    return PreTrainedTokenizerFast(
        tokenizer_file=str(toy(kind) / "tokenizer" / "tokenizer.json"), pad_token="<pad>", model_max_length=most
    )


@pytest.mark.filterwarnings("ignore::FutureWarning")  # weight_norm is deprecated in torch, and the autoencoder has it
@pytest.mark.parametrize(
    ("steps", "guidance", "negative", "scheduler"),
    [(8, 7.0, NEGATIVE, "own"), (20, 4.0, "", "own"), (4, 1.0, "", "dpm2m"), (3, 3.0, "", "dpm1")],
)
def test_stable_audio(steps: int, guidance: float, negative: str, scheduler: str) -> None:
    from diffusers import StableAudioPipeline

    folder = toy("stable-audio")
    pipe: Any = StableAudioPipeline(tokenizer=tokenizer("stable-audio", 128), **_parts(folder))
    pipe.set_progress_bar_config(disable=True)
    if scheduler == "dpm1":
        pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, solver_order=1)
    length = pipe.transformer.config.sample_size
    drawn = iter(range(1, steps + 1))
    set_timesteps = pipe.scheduler.set_timesteps

    def same_noise(*given: Any, **named: Any) -> None:
        set_timesteps(*given, **named)
        pipe.scheduler.noise_sampler = lambda *levels: NOISE.draw(8, length, next(drawn))

    pipe.scheduler.set_timesteps = same_noise
    theirs = pipe(
        TEXT, negative_prompt=negative or None, num_inference_steps=steps, guidance_scale=guidance,
        latents=NOISE.draw(8, length), output_type="latent",
    ).audios  # fmt: skip
    found = ours("stable-audio", length, steps, guidance, negative, scheduler)
    assert theirs.shape == found.shape and float(theirs.std()) > 0.0
    assert float((theirs - found).abs().max()) < 1e-4


@pytest.mark.filterwarnings("ignore::FutureWarning")  # as above
@pytest.mark.parametrize(
    ("steps", "guidance", "negative", "scheduler"),
    [(8, 1.0, "", "own"), (5, 4.0, NEGATIVE, "pingpong"), (12, 3.0, "", "euler")],
)
def test_stable_audio_3(steps: int, guidance: float, negative: str, scheduler: str) -> None:
    from diffusers import AutoencoderSAME, FlowMatchEulerDiscreteScheduler, StableAudio3DiTModel, StableAudio3Pipeline
    from diffusers.pipelines.stable_audio_3.modeling_stable_audio_3 import StableAudio3DurationEmbedder
    from transformers import T5GemmaEncoderModel

    folder, length = toy("stable-audio-3"), 40
    pipe: Any = StableAudio3Pipeline(
        vae=AutoencoderSAME.from_pretrained(folder / "vae"),
        text_encoder=T5GemmaEncoderModel.from_pretrained(folder / "text_encoder"),
        tokenizer=tokenizer("stable-audio-3", 256),
        duration_embedder=StableAudio3DurationEmbedder.from_pretrained(folder / "duration_embedder"),
        transformer=StableAudio3DiTModel.from_pretrained(folder / "transformer"),
        scheduler=FlowMatchEulerDiscreteScheduler.from_pretrained(
            folder / "scheduler", stochastic_sampling=scheduler != "euler"
        ),
    )
    pipe.set_progress_bar_config(disable=True)
    drawn = iter(range(1, steps + 1))
    with step_noise(pipe.scheduler, lambda shape: NOISE.draw(8, length, next(drawn))):
        theirs = pipe(
            TEXT, duration=length * 256 / 8000, num_inference_steps=steps, guidance_scale=guidance,
            negative_prompt=negative or None, latents=NOISE.draw(8, length), output_type="latent",
        ).audios  # fmt: skip
    found = ours("stable-audio-3", length, steps, guidance, negative, scheduler)
    assert theirs.shape == found.shape and float(theirs.std()) > 0.0
    assert float((theirs - found).abs().max()) < 1e-4


def test_dance_diffusion() -> None:
    from diffusers import IPNDMScheduler, UNet1DModel

    folder = toy("dance-diffusion")
    unet: Any = UNet1DModel.from_pretrained(folder / "unet")
    # The pipeline draws its noise itself and is deprecated, so its loop is repeated here, line by line.
    scheduler: Any = IPNDMScheduler()
    scheduler.set_timesteps(10)
    audio = NOISE.draw(2, 4096)
    with torch.inference_mode():
        for time in scheduler.timesteps:
            audio = scheduler.step(unet(audio, time).sample, time, audio).prev_sample
    found = ours("dance-diffusion", 4096, 10, 1.0)
    assert float((audio - found).abs().max()) < 1e-4 and float(found.std()) > 0.0


def _parts(folder: Any) -> dict[str, Any]:
    """The networks, because the index of a toy checkpoint names no classes."""
    from diffusers import AutoencoderOobleck, CosineDPMSolverMultistepScheduler, StableAudioDiTModel
    from diffusers.pipelines.stable_audio import StableAudioProjectionModel
    from transformers import T5EncoderModel

    return {
        "vae": AutoencoderOobleck.from_pretrained(folder / "vae"),
        "text_encoder": T5EncoderModel.from_pretrained(folder / "text_encoder"),
        "projection_model": StableAudioProjectionModel.from_pretrained(folder / "projection_model"),
        "transformer": StableAudioDiTModel.from_pretrained(folder / "transformer"),
        "scheduler": CosineDPMSolverMultistepScheduler.from_pretrained(folder / "scheduler"),
    }
