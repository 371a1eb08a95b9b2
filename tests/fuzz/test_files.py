"""Every format that is opened: mangled files, each read or refused in words. The summary prints the counts.

The corpus is made here: small valid files. ``hypothesis`` draws the seeds, and shows the smallest that fails.
"""

from __future__ import annotations

import io
import json
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save
from torch import nn

from riffengine.errors import (
    AudioFileError,
    ControlError,
    JournalError,
    ModelError,
    PictureError,
    PresetError,
    RiffError,
    printable,
)
from riffengine.output.flac_repair import repair_flac
from riffengine.performance.journal import Journal, JournalHeader, read_journal
from riffengine.recording.cue_sheet import MOST_TRACKS, Cue, CueFile, cue_sheet
from riffengine.recovery.saved_state import load_saved_state
from riffengine.renderer.audio_file import read_audio
from riffengine.renderer.bundled.descriptor import BundledDescriptor
from riffengine.renderer.bundled.weights import read_weights
from riffengine.renderer.checkpoints.part import read_part
from riffengine.renderer.checkpoints.state_dict import read_config, read_tensors
from riffengine.renderer.checkpoints.tools_layout import read_tools_model
from riffengine.renderer.loop_audio import read_loop
from riffengine.renderer.riffusion.codec import RiffusionParams
from riffengine.renderer.riffusion.lora import _read as read_lora
from riffengine.renderer.riffusion.spectrogram_image import read_picture, write_picture
from riffengine.renderer.riffusion.unpickle import reason, tensors_in
from riffengine.replay.player_log import read_player_log
from riffengine.session.controller_map import read_map
from riffengine.session.learned_map import LearnedMap
from riffengine.session.session import load_session
from riffengine.transport.beat_grid import BeatGrid, Moment
from tests.fuzz.mangled import verdicts
from tools.random_tools_layout import model_config

ROOT = Path(__file__).parents[2]
EXAMPLES = 15  # seeds drawn for each format
Read = Callable[[Path], object]


def sounds() -> list[bytes]:
    rng = np.random.default_rng(1)
    found = []
    for kind, subtype, channels in [
        ("WAV", "PCM_16", 1),
        ("WAV", "FLOAT", 2),
        ("FLAC", "PCM_24", 2),
        ("AIFF", "PCM_16", 6),
    ]:
        file = io.BytesIO()
        samples = rng.normal(0, 0.1, (4000, channels)).astype(np.float32)
        soundfile.write(file, samples, 8000, format=kind, subtype=subtype)
        found.append(file.getvalue())
    return found


def pictures(folder: Path) -> list[bytes]:
    rng = np.random.default_rng(2)
    write_picture(folder / "own.png", rng.random((1, 512, 16), np.float32), RiffusionParams())
    found = [(folder / "own.png").read_bytes()]
    for mode, kind in [("L", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("I;16", "PNG"), ("RGB", "JPEG")]:
        file = io.BytesIO()
        pixels = rng.integers(0, 255, (24, 40, 3), np.uint8)
        picture = Image.fromarray(pixels).convert("L" if mode == "I;16" else mode)
        (picture.convert("I;16") if mode == "I;16" else picture).save(file, kind)
        found.append(file.getvalue())
    return found


def journals(folder: Path) -> list[bytes]:
    journal = Journal(folder / "journal", JournalHeader("p.yaml", "bundled", "0" * 16, 44100, 1, {"deck/a/alpha": 0.5}))
    moment = Moment.on(BeatGrid(44100, 120.0), 4410)
    journal.record_event(moment, "renderer", "ended")
    loop = {"loop": 1, "slot": 0, "frames": 88200, "channels": 2, "stems": ["mix"], "beats": 4}
    ends = {"prompt": "techno", "seed": 1}
    facts = {"number": 1, "horizon": 0, "deck": "a", "bank": 1, "alpha": 0.0, "loop": loop, "fade_frames": 100}
    journal.record_player(moment, "PlaceLoop", {**facts, "request": {"start": ends, "end": ends, "beats": 4}})
    journal.record_player(moment, "SetControl", {"number": 2, "horizon": 9, "name": "master/gain", "value": 1.0})
    journal.record_player(moment, "End", {})
    journal.close()
    return [(folder / "journal").read_bytes()]


def layers() -> dict[str, nn.Module]:
    return {"unet.to_q": nn.Linear(8, 8), "text.to_q": nn.Linear(8, 8)}


def loras() -> list[bytes]:
    halves = {"down": torch.ones(2, 8), "up": torch.ones(8, 2)}
    kohya = {f"lora_unet_to_q.lora_{name}.weight": half for name, half in halves.items()}
    diffusers = {f"unet.to_q.lora.{name}.weight": half for name, half in halves.items()}
    metadata = {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 4, "text_encoder.lora_alpha": 1.5})}
    odd = {**kohya, "lora_unet_to_q.lora_down.weight": torch.ones(()), "lora_unet_to_q.alpha": torch.ones(3)}
    return [save({**kohya, "lora_unet_to_q.alpha": torch.tensor(2.0)}), save(diffusers, metadata), save(odd)]


UNET = {
    "_class_name": "UNet2DConditionModel", "in_channels": 4, "out_channels": 4, "block_out_channels": [32, 64],
    "layers_per_block": 1, "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"], "attention_head_dim": 8,
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"], "cross_attention_dim": 32, "norm_num_groups": 32,
    "transformer_layers_per_block": 1,
}  # fmt: skip


def read_unet_config(path: Path) -> None:
    from riffengine.renderer.torchaudio_import import prepare_for_transformers

    prepare_for_transformers()
    from diffusers import UNet2DConditionModel

    read_part(path.parent, "UNet", UNet2DConditionModel.from_config, [])


def read_any_journal(path: Path) -> None:
    read_player_log(read_journal(path))


def read_state(path: Path) -> None:
    load_saved_state(path.parent)


SAVED = json.dumps(
    {"version": 1, "preset": "p", "sample_rate": 44100, "decks": ["a"], "saved_at": 1.0, "parameters": {"a": 1},
     "scenes": [{"name": "s", "values": {}}], "scene": "", "loops": [{"request": {"start": {"prompt": "p", "seed": 1},
     "end": {"prompt": "p", "seed": 1}}, "frames": 9, "channels": 2, "stems": ["mix"], "notes": ""}]}
).encode()  # fmt: skip


def bundled(path: Path) -> None:
    BundledDescriptor().shape(str(path))
    BundledDescriptor().vocabulary(str(path))
    read_weights(path)


def declared_weights() -> list[bytes]:
    shape = json.dumps({"channels": 4, "context": 0, "words": 5, "width": 8, "depth": 1, "heads": 1})
    sound = json.dumps([{"name": "mix", "codec": {"n_mels": 8}, "dims": 4}])
    header = dict.fromkeys(("score", "render", "listener"), shape)
    header |= {"format": "riffengine-bundled-2", "stems": '["mix"]', "sound": sound, "vocabulary": "0" * 16}
    return [save({"score.a": torch.ones(2)}, header)]


def unfinished_recordings() -> list[bytes]:
    """FLAC files without their length, as a killed recorder leaves them."""
    found = []
    for channels, frames in ((2, 600), (1, 30)):
        file = io.BytesIO()
        samples = np.random.default_rng(3).normal(0, 0.1, (frames, channels)).astype(np.float32)
        soundfile.write(file, samples, 44100, format="FLAC", subtype="PCM_24")
        data = bytearray(file.getvalue())
        data[21] &= 0xF0
        data[22:26] = bytes(4)
        found.append(bytes(data))
    return found


LEARNED = b"map:\n  - {cc: 7, set: deck/a/gain}\n  - {note: 36, port: pads, set: next}  # a pad\n"


def read_learned(path: Path) -> None:
    learned = LearnedMap(path.parent)
    learned.read()
    learned.forget("deck/a/gain")


def read_pickle(path: Path) -> None:
    """As ``unpickle.py`` does in its own process, where every error is answered in a line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, on the captured stderr of that process
            tensors_in(torch.load(path, map_location="cpu", weights_only=True), torch)
    except Exception as error:
        raise ModelError(printable(reason(error))) from error


def pickles() -> list[bytes]:
    found = []
    for zipped in (True, False):
        file = io.BytesIO()
        torch.save({"state_dict": {"a.weight": torch.ones(3, 2)}}, file, _use_new_zipfile_serialization=zipped)
        found.append(file.getvalue())
    return found


def corpus_of(kind: str, folder: Path) -> tuple[Read, Sequence[bytes], tuple[type[RiffError], ...], str, int]:
    """What reads files of ``kind``, valid ones, the errors that are allowed, the file's name, and files per seed."""
    match kind:
        case "presets":
            files = [path.read_bytes() for path in sorted((ROOT / "presets").glob("*.yaml"))]
            return load_session, sorted(files, key=len)[:8], (PresetError,), "preset.yaml", 25
        case "maps":
            files = [path.read_bytes() for path in sorted((ROOT / "presets" / "maps").glob("*.yaml"))]
            return read_map, sorted(files, key=len)[:4], (PresetError,), "map.yaml", 10
        case "journals":
            return read_any_journal, journals(folder), (JournalError,), "set.jsonl", 150
        case "states":
            return read_state, [SAVED], (), "last.json", 150
        case "pictures":
            return read_picture, pictures(folder), (PictureError,), "picture.png", 60
        case "sounds":
            return lambda path: read_audio(path, 2, 8000), sounds(), (AudioFileError,), "sound.wav", 100
        case "loops":
            return lambda path: read_loop(str(path), 4, 120.0, 8000), sounds(), (AudioFileError,), "loop.wav", 15
        case "safetensors":
            return read_tensors, loras(), (ModelError,), "file.safetensors", 150
        case "LoRAs":
            known = layers()
            return lambda path: read_lora(path, known), loras(), (ModelError,), "lora.safetensors", 150
        case "weights":
            return bundled, declared_weights(), (ModelError,), "model.safetensors", 100
        case "recordings":
            return repair_flac, unfinished_recordings(), (AudioFileError,), "set.flac", 5
        case "learned maps":
            return read_learned, [LEARNED], (ControlError,), "midi.yaml", 10
        case "pickles":
            return read_pickle, pickles(), (ModelError,), "model.ckpt", 20
        case "configurations":
            files = [json.dumps(UNET).encode(), json.dumps({"num_frequencies": 64}).encode()]
            return lambda path: read_config(path, "UNet"), files, (ModelError,), "codec.json", 150
        case "single-file models":
            files = [json.dumps(model_config(size)).encode() for size in ("tiny", "full")]
            return lambda path: read_tools_model(path.parent), files, (ModelError,), "model_config.json", 150
        case _:
            return read_unet_config, [json.dumps(UNET).encode()], (ModelError,), "config.json", 15


KINDS = (
    "presets", "maps", "journals", "states", "pictures", "sounds", "loops", "safetensors", "LoRAs", "weights",
    "configurations", "single-file models", "checkpoints", "recordings", "learned maps",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_mangled_file_is_read_or_refused_in_words(
    kind: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    read, corpus, allowed, name, count = corpus_of(kind, tmp_path)
    path = tmp_path / "mangled" / name
    path.parent.mkdir()
    total = {"read": 0, "refused": 0}
    if kind == "checkpoints":
        (path.parent / "diffusion_pytorch_model.safetensors").write_bytes(save({"a": torch.ones(1)}))

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.integers(0, 2**31))
    def fuzz(seed: int) -> None:
        for verdict, number in verdicts(read, corpus, path, allowed, count, seed).items():
            total[verdict] += number

    fuzz()
    record_property("fuzzed", f"{kind}: {total['read']} read, {total['refused']} refused")
    assert sum(total.values()) == EXAMPLES * count and (total["refused"] or kind == "states")


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.tuples(st.integers(-(10**6), 10**7), st.text(max_size=40), st.booleans()), max_size=150),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=4),
    st.text(max_size=30),
)
def test_a_cue_sheet_is_whole_whatever_the_titles_are(
    titles: list[tuple[int, str, bool]], starts: list[int], name: str
) -> None:
    cues = [Cue(frame, title, remark) for frame, title, remark in titles]
    files = [CueFile(f"{name}-{number}", frame) for number, frame in enumerate(sorted(starts))]
    sheet = cue_sheet(name, 44100, files, 2 * 10**7, cues)
    lines = sheet.splitlines() if not re.search("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", sheet) else sheet.split("\n")
    assert sum(line.startswith("  TRACK") for line in lines) <= MOST_TRACKS
    assert all(c.isprintable() or c == "\n" for c in sheet), "an escape sequence in a title reaches no terminal"


def test_the_corpus_is_valid(tmp_path: Path) -> None:
    for kind in KINDS:
        if kind in ("weights", "checkpoints", "LoRAs"):
            continue  # those are complete up to their tensors; their own tests read whole ones
        (tmp_path / kind).mkdir()
        read, corpus, _, name, _ = corpus_of(kind, tmp_path / kind)
        for data in corpus:
            (tmp_path / kind / name).write_bytes(data)
            read(tmp_path / kind / name)
