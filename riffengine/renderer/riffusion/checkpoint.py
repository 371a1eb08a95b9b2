"""Checkpoint: loads a folder in diffusers layout into memory. It downloads nothing and opens no pickle."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from riffengine.errors import ModelError, printable
from riffengine.files.regular import home_path, is_folder
from riffengine.renderer.checkpoints.layout import SMALL_BYTES, TOKENIZER_FILES
from riffengine.renderer.checkpoints.model_library import Library, incomplete, index_of
from riffengine.renderer.checkpoints.part import read_part
from riffengine.renderer.checkpoints.state_dict import digest_of, read_config
from riffengine.renderer.riffusion.circular_conv import make_circular
from riffengine.renderer.riffusion.codec import RiffusionParams
from riffengine.renderer.riffusion.model_spec import ModelSpec
from riffengine.renderer.torchaudio_import import prepare_for_transformers

CODEC_FILE = "codec.json"
"""An optional file in the checkpoint's folder with the fields of ``RiffusionParams`` that differ from Riffusion's."""
_OWN_FILES = ("vocab_file", "merges_file", "gguf_file")
"""Keys of tokenizer_config.json by which transformers opens another file than the folder's own."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz 0123456789"


@dataclass(frozen=True)
class Checkpoint:
    """The parts of a spectrogram checkpoint in evaluation mode, circular in time, on the CPU, in stored precision.

    ``tokenizer``, ``text``, ``unet``, ``vae`` and ``tiny`` (a small decoder or ``None``) are objects of transformers
    and diffusers; ``scheduler`` is the configuration of the checkpoint's scheduler.
    """

    folder: Path
    tokenizer: Any
    text: Any
    unet: Any
    vae: Any
    tiny: Any
    scheduler: dict[str, Any]
    params: RiffusionParams
    digest: str

    @property
    def factor(self) -> int:
        """Pixels per latent in each direction."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))


def read_checkpoint(spec: ModelSpec) -> Checkpoint:
    """Load the checkpoint of ``spec``. Raises ``ModelError`` for a part that is missing, damaged or of another kind."""
    folder = Library.standard().locate(spec.source)
    _check_index(folder)
    prepare_for_transformers()
    try:
        from diffusers import AutoencoderKL, UNet2DConditionModel
        from transformers import CLIPTextConfig, CLIPTextModel
    except ImportError as error:
        raise ModelError(
            f"spectrogram checkpoints need transformers and diffusers ({error}): pip install 'riffengine[riffusion]'"
        ) from error
    files: list[Path] = []
    unet = read_part(folder / "unet", "UNet", UNet2DConditionModel.from_config, files)
    vae = read_part(folder / "vae", "autoencoder", AutoencoderKL.from_config, files)
    text = read_part(
        folder / "text_encoder", "text encoder", lambda c: CLIPTextModel(CLIPTextConfig.from_dict(c)), files
    )
    tiny = _tiny(home_path(spec.decoder), files) if spec.decoder else None
    params = _params(folder, spec.stereo)
    _agree(folder, unet, vae, text, tiny, params)
    for model in (unet, vae, tiny):
        if model is not None:
            make_circular(model)
    return Checkpoint(
        folder=folder,
        tokenizer=_tokenizer(folder / "tokenizer", text.config.vocab_size),
        text=text,
        unet=unet,
        vae=vae,
        tiny=tiny,
        scheduler=read_config(folder / "scheduler" / "scheduler_config.json", "scheduler"),
        params=params,
        digest=digest_of(files),
    )


def _check_index(folder: Path) -> None:
    """Raise ``ModelError`` if ``model_index.json`` names other parts than those of Stable Diffusion 1.5."""
    if not (folder / "model_index.json").is_file():
        if index_of(folder).is_file() or (folder / "model.safetensors").is_file():  # of another layout
            raise incomplete(folder)
        singles = sorted(path.name for pattern in ("*.ckpt", "*.safetensors") for path in folder.glob(pattern))
        hint = (
            f"; {singles[0]} is a single-file checkpoint: riffengine convert {folder / singles[0]}" if singles else ""
        )
        raise ModelError(f"{folder} is no checkpoint in diffusers layout: model_index.json is missing{hint}")
    index = read_config(folder / "model_index.json", "index")
    classes = {part: str(value[1]) for part, value in index.items() if isinstance(value, list) and len(value) == 2}
    wanted = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL", "text_encoder": "CLIPTextModel"}
    for part, name in wanted.items():
        if classes.get(part) != name:
            kind = index.get("_class_name", "unknown")
            raise ModelError(
                f"{folder} is a {kind} with {part} {classes.get(part, 'missing')}; a checkpoint shaped like Stable "
                f"Diffusion 1.5 is needed, whose {part} is {name}"
            )
    if classes.get("text_encoder_2") not in (None, "None"):
        raise ModelError(
            f"{folder} has two text encoders (SDXL); a checkpoint shaped like Stable Diffusion 1.5 is needed"
        )


def _tiny(folder: Path, files: list[Path]) -> Any:
    from diffusers import AutoencoderTiny

    if not is_folder(folder):
        raise ModelError(
            f"there is no folder {folder} with a tiny decoder in it; give the folder of an AutoencoderTiny"
        )
    return read_part(folder, "tiny decoder", AutoencoderTiny.from_config, files)


def _tokenizer(folder: Path, words: int) -> Any:
    from transformers import CLIPTokenizer

    for name in () if (folder / "tokenizer.json").is_file() else ("vocab.json", "merges.txt"):
        if not (folder / name).is_file():
            raise ModelError(f"the checkpoint's tokenizer is incomplete: {folder / name} is missing; download it again")
    own = folder / "tokenizer_config.json"
    for key in _OWN_FILES if own.is_file() else ():
        if value := read_config(own, "tokenizer").get(key):
            raise ModelError(
                f"{own}: {key} is {printable(repr(value), 80)}; a tokenizer is read from the files of its own folder "
                f"alone: take {key} away, or download the checkpoint elsewhere"
            )
    for name in TOKENIZER_FILES:
        if (folder / name).is_file() and (folder / name).stat().st_size > SMALL_BYTES:
            raise ModelError(f"{folder / name} is larger than {SMALL_BYTES:,} bytes; download the checkpoint again")
    try:
        tokenizer = CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
        spelt = tokenizer(_LETTERS, add_special_tokens=False).input_ids
    except Exception as error:  # the tokenizers library raises bare Exceptions for damaged files
        raise ModelError(
            f"the checkpoint's tokenizer in {folder} cannot be read: {printable(error)}; download it again"
        ) from error
    ids = {tokenizer.bos_token_id, tokenizer.eos_token_id}
    # A tokenizer that did not find its files has two words and raises no error.
    if len(tokenizer) > words or len(tokenizer) < 3 or None in ids or max(ids) >= words:
        raise ModelError(
            f"the tokenizer in {folder} has {len(tokenizer)} words, the text encoder {words}: they do not fit"
        )
    if tokenizer.unk_token_id in spelt:
        raise ModelError(f"the tokenizer in {folder} cannot spell {_LETTERS!r}; download the checkpoint again")
    return tokenizer


def _params(folder: Path, stereo: bool) -> RiffusionParams:
    path = folder / CODEC_FILE
    params = RiffusionParams.wide() if stereo else RiffusionParams()
    if not path.is_file():
        return params
    try:
        return replace(params, **read_config(path, "codec"))
    except TypeError as error:
        raise ModelError(
            f"{path}: {printable(error)}; its keys are the fields of a picture's EXIF in lower case"
        ) from error


def _agree(folder: Path, unet: Any, vae: Any, text: Any, tiny: Any, params: RiffusionParams) -> None:
    """Raise ``ModelError`` if the parts do not fit each other."""
    latents, factor = vae.config.latent_channels, 2 ** (len(vae.config.block_out_channels) - 1)
    if unet.config.in_channels != latents or unet.config.out_channels != latents:
        raise ModelError(
            f"{folder}: the UNet takes {unet.config.in_channels} channels, the autoencoder has {latents}; inpainting "
            "and depth checkpoints cannot be used; take the plain checkpoint of the same model"
        )
    if unet.config.cross_attention_dim != text.config.hidden_size:
        raise ModelError(
            f"{folder}: the UNet reads text of {unet.config.cross_attention_dim} numbers, the text encoder gives "
            f"{text.config.hidden_size}; the folder is mixed from several checkpoints"
        )
    if unet.config.addition_embed_type or unet.config.time_cond_proj_dim or unet.config.class_embed_type:
        raise ModelError(
            f"{folder}: the UNet needs other inputs than text and time; one shaped like Stable Diffusion 1.5 is needed"
        )
    if params.num_frequencies % (factor * 2 ** (len(unet.config.block_out_channels) - 1)):
        raise ModelError(
            f"{folder}: {params.num_frequencies} bands cannot be divided by the UNet's levels; change codec.json"
        )
    if tiny is not None and (tiny.config.latent_channels, 2 ** (len(tiny.config.decoder_block_out_channels) - 1)) != (
        latents,
        factor,
    ):
        raise ModelError(
            "the tiny decoder was made for other latents than the checkpoint's; use one for this kind of model"
        )
