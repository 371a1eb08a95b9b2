"""Waveform checkpoints with random weights: python tools/random_waveforms.py FOLDER --kind stable-audio.

Nothing is downloaded. ``full`` has the shapes of Stable Audio Open 1.0 (1.3 billion weights) and Small, of Stable
Audio 3's medium transformer with its small autoencoder, of Dance Diffusion's maestro-150k, and of MusicGen small, mono
or stereo; ``tiny`` has the same parts at toy size and 8 or 2 kHz. Used by tests and by tools/bench.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

from riffengine.renderer.torchaudio_import import prepare_for_transformers

prepare_for_transformers()

import torch  # noqa: E402
from diffusers import AutoencoderOobleck, AutoencoderSAME, StableAudio3DiTModel, StableAudioDiTModel, UNet1DModel  # noqa: E402
from diffusers.pipelines.stable_audio import StableAudioProjectionModel  # noqa: E402
from diffusers.pipelines.stable_audio_3.modeling_stable_audio_3 import StableAudio3DurationEmbedder  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors  # noqa: E402
from torch import nn  # noqa: E402
from transformers import (  # noqa: E402
    MusicgenConfig,
    MusicgenForConditionalGeneration,
    T5Config,
    T5EncoderModel,
    T5GemmaConfig,
    T5GemmaEncoderModel,
)

from tools.random_tools_layout import write_tools_layout  # noqa: E402

KINDS = ("stable-audio", "stable-audio-small", "stable-audio-3", "dance-diffusion", "musicgen", "musicgen-stereo")
DENOISING = KINDS[:4]
"""Those that begin with noise; the others write tokens."""

SIZES = ("tiny", "full")
WORDS = 300


def spelling_tokenizer() -> Tokenizer:
    """A tokenizer that spells: every byte is a token; 0 is the padding, 1 ends a text."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {"<pad>": 0, "</s>": 1} | {letter: number + 2 for number, letter in enumerate(letters)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens(["<pad>", "</s>"])
    return tokenizer


def write_stable_audio(folder: Path, size: str = "tiny", seed: int = 0, half: bool = False) -> Path:
    """Write a checkpoint shaped like Stable Audio Open 1.0 into ``folder`` and return it."""
    torch.manual_seed(seed)
    tiny = size == "tiny"
    width = 16 if tiny else 768
    text: dict[str, Any] = {"vocab_size": WORDS if tiny else 32128, "d_model": width}
    vae: dict[str, Any] = {}
    transformer: dict[str, Any] = {"sample_size": 1024}
    if tiny:
        text |= {"d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
        vae = {
            "encoder_hidden_size": 16, "downsampling_ratios": [4, 8, 8], "channel_multiples": [1, 2, 2],
            "decoder_channels": 8, "decoder_input_channels": 8, "sampling_rate": 8000,
        }  # fmt: skip
        transformer = {
            "sample_size": 256, "in_channels": 8, "out_channels": 8, "num_layers": 2, "attention_head_dim": 16,
            "num_attention_heads": 2, "num_key_value_attention_heads": 1, "cross_attention_dim": width,
            "time_proj_dim": 8, "global_states_input_dim": 2 * width, "cross_attention_input_dim": width,
        }  # fmt: skip
    else:
        text |= {"d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12}
    with warnings.catch_warnings(action="ignore"):  # weight_norm, which the autoencoder has, is deprecated in torch
        parts: dict[str, nn.Module] = {
            "transformer": StableAudioDiTModel(**transformer),
            "vae": AutoencoderOobleck(**vae),
            "projection_model": StableAudioProjectionModel(width, width, 0, 512),
            "text_encoder": T5EncoderModel(T5Config(**text)),
        }
    scheduler = {
        "_class_name": "CosineDPMSolverMultistepScheduler", "sigma_min": 0.3, "sigma_max": 500, "sigma_data": 1.0,
        "prediction_type": "v_prediction", "solver_order": 2, "sigma_schedule": "exponential",
    }  # fmt: skip
    return _write(folder, "StableAudioPipeline", parts, scheduler, half)


def write_stable_audio_small(folder: Path, size: str = "tiny", seed: int = 0, half: bool = False) -> Path:
    """Write a checkpoint shaped like Stable Audio Open Small, with its T5 beside it, into ``folder`` and return it."""
    torch.manual_seed(seed)
    write_tools_layout(folder, size, seed, half)
    text: dict[str, Any] = {"vocab_size": WORDS, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
    if size == "full":
        text = {"vocab_size": 32128, "d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12}
    _write_part(folder / "text_encoder", "text_encoder", T5EncoderModel(T5Config(**text)), half)
    (folder / "tokenizer").mkdir(exist_ok=True)
    spelling_tokenizer().save(str(folder / "tokenizer" / "tokenizer.json"))
    return folder


def write_stable_audio_3(folder: Path, size: str = "tiny", seed: int = 0, half: bool = False) -> Path:
    """Write a checkpoint shaped like Stable Audio 3 into ``folder`` and return it."""
    torch.manual_seed(seed)
    tiny = size == "tiny"
    width = 16 if tiny else 768
    text: dict[str, Any] = {"vocab_size": WORDS if tiny else 256000, "hidden_size": width}
    vae: dict[str, Any] = {}
    transformer: dict[str, Any] = {}
    if tiny:
        text |= {"intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
        text |= {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 64}
        vae = {
            "patch_size": 64, "encoder_channels": 8, "encoder_c_mults": (2,), "encoder_strides": (4,),
            "encoder_transformer_depths": (2,), "latent_dim": 8, "dim_heads": 8, "sampling_rate": 8000,
        }  # fmt: skip
        transformer = {
            "io_channels": 8, "embed_dim": 32, "depth": 2, "num_heads": 2, "cond_token_dim": width,
            "global_cond_dim": width, "local_add_cond_dim": 9, "timestep_features_dim": 8, "num_memory_tokens": 4,
        }  # fmt: skip
    else:
        text |= {"intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 12}
        text |= {"num_key_value_heads": 12, "head_dim": 64, "query_pre_attn_scalar": 64}
    with warnings.catch_warnings(action="ignore"):
        parts: dict[str, nn.Module] = {
            "transformer": StableAudio3DiTModel(**transformer),
            "vae": AutoencoderSAME(**vae),
            "duration_embedder": StableAudio3DurationEmbedder(width, *((8, 0.0, 32.0) if tiny else ())),
            "text_encoder": T5GemmaEncoderModel(T5GemmaConfig(encoder=text, decoder=text, is_encoder_decoder=False)),
        }
    with torch.no_grad():
        for tensor in (tensor for part in parts.values() for tensor in part.parameters()):
            if not tensor.any():  # what training would begin at zero must not stay without effect
                tensor.normal_(0.0, 0.1)
    scheduler = {
        "_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1, "shift": 1.0,
        "stochastic_sampling": True,
    }  # fmt: skip
    return _write(folder, "StableAudio3Pipeline", parts, scheduler, half)


def write_dance_diffusion(folder: Path, size: str = "tiny", seed: int = 0, half: bool = False) -> Path:
    """Write a checkpoint shaped like Dance Diffusion's into ``folder`` and return it."""
    torch.manual_seed(seed)
    levels, attending = (6, 1) if size == "tiny" else (14, 4)
    channels = [*[16] * 4, 32, 32] if size == "tiny" else [128, 128, 256, 256, *[512] * 10]
    plain = levels - attending - 1
    unet = UNet1DModel(
        sample_size=4096 if size == "tiny" else 65536,
        sample_rate=2000 if size == "tiny" else 16000,
        extra_in_channels=16,
        time_embedding_dim=16,
        block_out_channels=channels,
        down_block_types=("DownBlock1DNoSkip", *["DownBlock1D"] * plain, *["AttnDownBlock1D"] * attending),
        up_block_types=(*["AttnUpBlock1D"] * attending, *["UpBlock1D"] * plain, "UpBlock1DNoSkip"),
    )
    scheduler = {"_class_name": "IPNDMScheduler", "num_train_timesteps": 1000}
    return _write(folder, "DanceDiffusionPipeline", {"unet": unet}, scheduler, half)


def write_musicgen(folder: Path, size: str = "tiny", seed: int = 0, half: bool = False, channels: int = 1) -> Path:
    """Write a checkpoint shaped like MusicGen small into ``folder``, in transformers' layout, and return it."""
    torch.manual_seed(seed)
    text: dict[str, Any] = {
        "model_type": "t5", "vocab_size": 32128, "d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12,
        "num_heads": 12,
    }  # fmt: skip
    codec: dict[str, Any] = {
        "model_type": "encodec", "audio_channels": 1, "sampling_rate": 32000, "num_filters": 64,
        "upsampling_ratios": [8, 5, 4, 4], "codebook_size": 2048, "codebook_dim": 128, "hidden_size": 128,
        "target_bandwidths": [2.2], "use_causal_conv": False, "normalize": False, "chunk_length_s": None,
    }  # fmt: skip
    decoder: dict[str, Any] = {
        "model_type": "musicgen_decoder", "vocab_size": 2048, "num_codebooks": 4 * channels, "audio_channels": channels,
        "pad_token_id": 2048, "bos_token_id": 2048,
    }  # fmt: skip
    if size == "tiny":
        text |= {"vocab_size": WORDS, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
        codec |= {
            "sampling_rate": 2000, "num_filters": 4, "upsampling_ratios": [8, 5], "codebook_size": 64,
            "codebook_dim": 8, "hidden_size": 8, "target_bandwidths": [1.2], "num_lstm_layers": 1,
        }  # fmt: skip
        decoder |= {
            "vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "ffn_dim": 64, "num_attention_heads": 2,
            "pad_token_id": 64, "bos_token_id": 64,
        }  # fmt: skip
    config: Any = MusicgenConfig(text_encoder=text, audio_encoder=codec, decoder=decoder)
    config.architectures = ["MusicgenForConditionalGeneration"]
    model: Any = MusicgenForConditionalGeneration(config)
    with torch.no_grad():  # codebooks begin at zero, and random layers hardly hear the text
        for layer in model.audio_encoder.quantizer.layers:
            layer.codebook.embed.normal_()
        if size == "tiny":
            for tensor in (*model.decoder.parameters(), *model.enc_to_dec_proj.parameters()):
                if tensor.ndim == 2:
                    tensor.normal_(0.0, 0.3)
    _write_part(folder, "musicgen", model, half)
    spelling_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def write_musicgen_stereo(folder: Path, size: str = "tiny", seed: int = 0, half: bool = False) -> Path:
    """The same in stereo: twice the codebooks."""
    return write_musicgen(folder, size, seed, half, channels=2)


WRITERS = {
    "stable-audio": write_stable_audio,
    "stable-audio-small": write_stable_audio_small,
    "stable-audio-3": write_stable_audio_3,
    "dance-diffusion": write_dance_diffusion,
    "musicgen": write_musicgen,
    "musicgen-stereo": write_musicgen_stereo,
}
_OF_TRANSFORMERS = ("text_encoder", "musicgen")


def _write(folder: Path, kind: str, parts: dict[str, nn.Module], scheduler: dict[str, Any], half: bool) -> Path:
    """Write a checkpoint in diffusers' layout."""
    for name, part in parts.items():
        _write_part(folder / name, name, part, half)
    (folder / "scheduler").mkdir(exist_ok=True)
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    (folder / "model_index.json").write_text(json.dumps({"_class_name": kind}))
    if "text_encoder" in parts:
        (folder / "tokenizer").mkdir(exist_ok=True)
        spelling_tokenizer().save(str(folder / "tokenizer" / "tokenizer.json"))
    return folder


def _write_part(folder: Path, name: str, part: nn.Module, half: bool) -> None:
    told: Any = part.config if name in _OF_TRANSFORMERS else part
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(told.to_json_string())
    tensors = {key: (value.half() if half else value).contiguous() for key, value in part.state_dict().items()}
    for kept in [key for key in tensors if key.endswith("shared.weight")]:
        del tensors[
            kept.removesuffix("shared.weight") + "encoder.embed_tokens.weight"
        ]  # as transformers does: it is one
    stem = "model" if name in _OF_TRANSFORMERS else "diffusion_pytorch_model"
    save_file(tensors, folder / f"{stem}.safetensors", {"format": "pt"})


def main() -> None:
    """Write one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", choices=KINDS, default=KINDS[0])
    parser.add_argument("--size", choices=SIZES, default="tiny")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--half", action="store_true", help="half precision")
    options = parser.parse_args()
    print(WRITERS[options.kind](options.folder, options.size, options.seed, options.half))


if __name__ == "__main__":
    main()
