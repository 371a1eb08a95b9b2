"""Dance Diffusion: a UNet that generates the waveform itself, of the kind of music it was trained on, without text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from riffengine.errors import ModelError
from riffengine.renderer.checkpoints.part import move, read_part
from riffengine.renderer.checkpoints.state_dict import read_config
from riffengine.renderer.waveform.networks import Condition
from riffengine.renderer.waveform.schedules import CrashSchedule, Schedule

_LONGEST_SECONDS = 48.0  # as long as Stable Audio's; the UNet itself knows no end


class DanceDiffusionNetworks:
    """The UNet of a ``DanceDiffusionPipeline`` of diffusers. Renderer process; one thread at a time."""

    name = "dance diffusion"
    hop = 1
    reads_text = False
    takes_steps = True

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype, files: list[Path]) -> None:
        """Read the folder. ``ModelError`` for a part that is missing, damaged, or of another kind."""
        from diffusers import UNet1DModel

        unet_class: Any = UNet1DModel
        self._unet = read_part(folder / "unet", "UNet", lambda c: unet_class.from_config(_of_today(c)), files)
        config = self._unet.config
        if not config.sample_rate or config.in_channels not in (1, 2) or config.out_channels != config.in_channels:
            raise ModelError(
                f"{folder}: the UNet takes {config.in_channels} channels at {config.sample_rate} Hz; sound of 1 or 2 "
                "channels at a known rate is needed: it belongs to another kind of model"
            )
        self._scheduler = read_config(folder / "scheduler" / "scheduler_config.json", "scheduler")
        self.sample_rate = int(config.sample_rate)
        self.channels = self.latent_channels = int(config.in_channels)
        self._multiple = int(2 ** len(self._unet.up_blocks))
        self.shortest = self.sample_rate // 4
        self.longest = int(_LONGEST_SECONDS * self.sample_rate)
        self.device, self.dtype = device, dtype
        move(self._unet, device, dtype)

    def make_schedule(self, name: str) -> Schedule:
        """``own`` and ``ipndm`` are the only one."""
        if name not in ("own", "ipndm"):
            raise ModelError(f"scheduler={name} is none that Dance Diffusion can use; allowed is own, ipndm")
        return CrashSchedule(self._scheduler)

    def condition(self, text: str, negative: str, seconds: float) -> Condition:
        """Nothing: it was trained without any."""
        return Condition()

    def unread(self, text: str) -> str:
        """All of it."""
        return text.strip()

    def predict(self, latents: Tensor, time: Tensor, condition: Condition, guidance: float) -> Tensor:
        """The velocity of the waveform; without text there is nothing to guide to.

        The UNet halves the waveform once a level, up to 14 times, and needs a length that can be: it gets some more of
        the loop at both ends.
        """
        missing = -latents.shape[2] % self._multiple
        places = torch.arange(-(missing // 2), latents.shape[2] + missing - missing // 2, device=self.device)
        seen = latents[:, :, places % latents.shape[2]].to(self.dtype)
        found = self._unet(seen, time.to(self.device, self.dtype)).sample.float()
        return found[:, :, missing // 2 : missing // 2 + latents.shape[2]]

    def encode(self, audio: Tensor) -> Tensor:
        """The waveform itself."""
        return audio.to(self.device).clamp(-1.0, 1.0)

    def decode(self, latents: Tensor) -> Tensor:
        """The waveform itself, within full scale, as it was in training."""
        return latents.clamp(-1.0, 1.0)


def _of_today(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with the width of the time, which diffusers in 2022 took for granted."""
    extra = config.get("extra_in_channels")
    return config if not extra or config.get("time_embedding_dim") else config | {"time_embedding_dim": extra}
