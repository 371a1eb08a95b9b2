"""Loading: finds a checkpoint of waveforms, its device and precision, and reads the networks of its kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from riffengine.errors import ModelError
from riffengine.renderer.checkpoints.model_library import PARTS_OF, Library, kind_of
from riffengine.renderer.checkpoints.state_dict import digest_of
from riffengine.renderer.checkpoints.tools_layout import TOOLS_KIND
from riffengine.renderer.torchaudio_import import prepare_for_transformers
from riffengine.renderer.waveform.networks import Networks
from riffengine.renderer.waveform.waveform_spec import WaveformSpec


@dataclass(frozen=True)
class Loaded:
    """The networks of a checkpoint on their device, and sixty-four hex digits of its weights and sampling."""

    networks: Networks
    digest: str


def load_networks(spec: WaveformSpec) -> Loaded:
    """The checkpoint of ``spec``. ``ModelError`` where it is not there, damaged, of another kind, or has no device."""
    folder = Library.standard().playable(spec.source)
    device, dtype = _device(spec)
    prepare_for_transformers()
    kind, files = kind_of(folder), list[Path]()
    try:
        with torch.inference_mode():
            networks = _networks(kind, folder, device, dtype, files)
    except ImportError as error:
        raise ModelError(f"a {kind} needs newer libraries ({error}): pip install -U 'riffengine[riffusion]'") from error
    return Loaded(networks, digest_of(files, f"{kind} scheduler={spec.scheduler} tempo={spec.tempo}"))


def _networks(kind: str, folder: Path, device: torch.device, dtype: torch.dtype, files: list[Path]) -> Networks:
    """The networks of ``kind``, of which nothing is imported before it is played."""
    if kind == "StableAudioPipeline":
        from riffengine.renderer.waveform.stable_audio import StableAudioNetworks

        return StableAudioNetworks(folder, device, dtype, files)
    if kind == "StableAudio3Pipeline":
        from riffengine.renderer.waveform.stable_audio_3 import StableAudio3Networks

        return StableAudio3Networks(folder, device, dtype, files)
    if kind == TOOLS_KIND:
        from riffengine.renderer.waveform.stable_audio_small import StableAudioSmallNetworks

        return StableAudioSmallNetworks(folder, device, dtype, files)
    if kind == "DanceDiffusionPipeline":
        from riffengine.renderer.waveform.dance_diffusion import DanceDiffusionNetworks

        return DanceDiffusionNetworks(folder, device, dtype, files)
    if kind == "MusicgenForConditionalGeneration":
        from riffengine.renderer.waveform.musicgen import MusicgenNetworks

        return MusicgenNetworks(folder, device, dtype, files)
    raise ModelError(f"{folder} is a {kind or 'folder of no kind'}; {', '.join(PARTS_OF)} are played")


def _device(spec: WaveformSpec) -> tuple[torch.device, torch.dtype]:
    """CUDA before MPS before the CPU, half precision off the CPU."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    name = spec.device if spec.device != "auto" else next(kind for kind in available if available[kind])
    if not available[name]:
        raise ModelError(f"device={name} was requested, but torch {torch.__version__} finds none; use device=auto")
    if spec.precision != "auto":
        dtype: torch.dtype = getattr(torch, spec.precision)
    else:
        dtype = torch.float32 if name == "cpu" else torch.float16
    if name == "cpu" and dtype == torch.float16:
        raise ModelError("precision=float16 on a CPU is slower and less accurate; use float32 or bfloat16")
    return torch.device(name), dtype
