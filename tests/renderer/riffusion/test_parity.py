"""The same loop as the pipeline of diffusers, which Riffusion's server was: text, noise, guidance, negative, strength.

Both have the same random weights, and convolutions that wrap; diffusers gets the latents that both start from, because
it draws them where ours takes the mean. Everything after that must agree.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from riffengine.renderer.checkpoints.noise_schedulers import make_scheduler
from riffengine.renderer.riffusion.circular_conv import make_circular
from riffengine.renderer.riffusion.prompt_weights import Prompt
from riffengine.renderer.riffusion.sampling import MorphNoise, SampleBatch, sample
from riffengine.renderer.torchaudio_import import prepare_for_transformers
from tests.renderer.riffusion.checkpoints import family, never_cancel, toy_checkpoints

PROMPT, NEGATIVE, SEED = "slow jazz, piano", "noise", 7
SHAPE = (4, 8, 16)


@pytest.fixture(scope="module")
def pipe() -> Any:
    prepare_for_transformers()
    from diffusers import StableDiffusionImg2ImgPipeline

    found: Any = StableDiffusionImg2ImgPipeline.from_pretrained(
        toy_checkpoints() / "modern", safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        local_files_only=True,
    )  # fmt: skip
    for network in (found.unet, found.vae):
        make_circular(network)
    found.set_progress_bar_config(disable=True)
    return found


@pytest.mark.parametrize(
    ("scheduler", "steps", "strength", "guidance"),
    [("ddim", 10, 1.0, 7.0), ("pndm", 10, 0.75, 7.0), ("euler", 9, 0.55, 4.0), ("dpm++", 8, 0.8, 1.0)],
)
def test_diffusers_gives_the_same_picture(
    scheduler: str, steps: int, strength: float, guidance: float, pipe: Any
) -> None:
    own, config = family(), dict(pipe.scheduler.config)
    init = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(1))
    pipe.scheduler = make_scheduler(scheduler, config)
    theirs = pipe(
        PROMPT, image=init, strength=strength, num_inference_steps=steps, guidance_scale=guidance,
        negative_prompt=NEGATIVE, generator=torch.Generator().manual_seed(SEED), output_type="pt",
    ).images  # fmt: skip
    with torch.inference_mode():
        text, negative = (own.conditioning.text_encoder.encode(Prompt.parse(words), 1) for words in (PROMPT, NEGATIVE))
        noise = MorphNoise(((SEED, SEED, 0.0),))
        batch = SampleBatch(text, negative, torch.tensor([guidance]), noise, steps, init, strength)
        latents = sample(batch, own.networks, make_scheduler(scheduler, config), never_cancel, SHAPE)
        ours = own.networks.decode(latents)
    assert theirs.shape == ours.shape and float(theirs.std()) > 0.0
    assert float((theirs - ours).abs().max()) < 1e-4
