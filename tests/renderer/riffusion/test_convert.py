"""Pickles and single files become safetensors in a separate process; anything else is refused and never executed."""

from __future__ import annotations

import io
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from riffengine.cli import main
from riffengine.errors import ModelError
from riffengine.renderer.checkpoints.model_library import RIFFUSION, Library, holding
from riffengine.renderer.riffusion import unpickle
from riffengine.renderer.riffusion.checkpoint import read_checkpoint
from riffengine.renderer.riffusion.convert import convert
from riffengine.renderer.riffusion.model_spec import ModelSpec
from riffengine.renderer.riffusion.unpickle import tensors_in
from tests.renderer.riffusion.checkpoints import toy_checkpoints
from tests.renderer.riffusion.single_file import write_single_file


def silent(_: str) -> None:
    """Ignore progress messages."""


def weights(folder: Path) -> dict[str, torch.Tensor]:
    checkpoint = read_checkpoint(ModelSpec(str(folder)))
    parts = {"text": checkpoint.text, "unet": checkpoint.unet, "vae": checkpoint.vae}
    return {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_the_pickles_of_2022_become_the_same_weights_in_place_or_elsewhere(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(toy_checkpoints() / "pickled", tmp_path / "old"))
    library = Library(tmp_path / "models")
    with pytest.raises(ModelError, match="is a pickle"):
        read_checkpoint(ModelSpec(str(folder)))
    lines: list[str] = []
    new = convert(folder, tmp_path / "new", "", library, lines.append)
    assert len(lines) == 3 and holding("new", new).state == "ready" and holding("old", folder).state == "pickled"
    assert not list(new.rglob("*.bin")) and not list(tmp_path.rglob("*.partial"))
    for part in ("unet", "vae"):  # only the text encoder's is left to do
        name = "diffusion_pytorch_model.safetensors"
        shutil.copyfile(new / part / name, folder / part / name)
    assert convert(folder, None, "", library, silent) == folder
    assert same(weights(new), weights(toy_checkpoints() / "modern")) and same(weights(folder), weights(new))
    with pytest.raises(ModelError, match="holds no pickles"):
        convert(folder, None, "", library, silent)
    with pytest.raises(ModelError, match="exists already"):
        convert(toy_checkpoints() / "pickled", new, "", library, silent)


class Trap:
    """Makes a file when it is unpickled by a reader that believes everything."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Path]]:
        return Path.touch, (self._path,)


def test_a_pickle_that_would_run_code_is_refused_and_nothing_is_run_or_left(tmp_path: Path) -> None:
    folder, trap = Path(shutil.copytree(toy_checkpoints() / "pickled", tmp_path / "evil")), tmp_path / "trap"
    torch.save({"a": Trap(trap)}, folder / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(ModelError, match="more than weights"):
        convert(folder, tmp_path / "out", "", Library(tmp_path), silent)
    assert not trap.exists() and not (tmp_path / "out").exists() and not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize("link", ["unet", "unet/diffusion_pytorch_model.safetensors.partial"])
def test_nothing_is_written_through_a_link_in_a_downloaded_folder(link: str, tmp_path: Path) -> None:
    folder, victim = Path(shutil.copytree(toy_checkpoints() / "pickled", tmp_path / "evil")), tmp_path / "victim"
    if link == "unet":
        (folder / "unet").rename(victim)
    else:
        victim.write_text("kept")
    (folder / link).symlink_to(victim)
    with pytest.raises(ModelError, match="is a link"):
        convert(folder, None, "", Library(tmp_path), silent)
    assert victim.read_text() == "kept" if victim.is_file() else not list(victim.glob("*.safetensors*"))


def test_a_lora_is_not_written_through_a_link_to_nowhere(tmp_path: Path) -> None:
    torch.save({"unet.x.lora_A.weight": torch.ones(2, 4)}, tmp_path / "lora.pt")
    (tmp_path / "lora.safetensors").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match="exists already"):
        convert(tmp_path / "lora.pt", None, "", Library(tmp_path), silent)
    assert not (tmp_path / "elsewhere").exists()


def test_only_the_files_of_a_checkpoint_are_copied_and_no_device_is_read(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(toy_checkpoints() / "pickled", tmp_path / "old"))
    (folder / "tokenizer" / "added_tokens.json").symlink_to("/dev/null")
    (folder / "tokenizer" / "run.py").touch()
    unet = folder / "unet" / "diffusion_pytorch_model.bin"
    unet.rename(unet.with_name("a\x1b[2J.bin"))
    (folder / "tokenizer" / "deep").mkdir()
    lines: list[str] = []
    new = convert(folder, tmp_path / "new", "", Library(tmp_path), lines.append)
    assert all(line.isprintable() for line in lines)
    assert {path.name for path in (new / "tokenizer").iterdir()} == {
        "merges.txt", "vocab.json", "tokenizer_config.json", "special_tokens_map.json"
    }  # fmt: skip
    assert holding("new", new).state == "ready"


def test_what_a_pickle_names_reaches_the_message_without_escapes(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(b"cos\x1b[2J\nsystem\n.")
    with pytest.raises(ModelError) as caught:
        convert(tmp_path / "x.pt", None, "", Library(tmp_path), silent)
    assert str(caught.value).isprintable()


def test_what_holds_no_weights_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(b"no pickle at all")
    with pytest.raises(ModelError, match="not converted"):
        convert(tmp_path / "x.pt", None, "", Library(tmp_path), silent)
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]
    for found, words in (([1, 2], "holds a list"), ({"epoch": 3}, "no tensor"), ({"state_dict": {}}, "no tensor")):
        with pytest.raises(TypeError, match=words):
            tensors_in(found, torch)


def test_a_pickled_lora_becomes_one_file(tmp_path: Path) -> None:
    halves = {"unet.x.lora_A.weight": torch.ones(2, 4), "unet.x.lora_B.weight": torch.zeros(4, 2)}
    torch.save({"state_dict": halves, "epoch": 3}, tmp_path / "lora.pt")
    found = convert(tmp_path / "lora.pt", None, "", Library(tmp_path), silent)
    assert found == tmp_path / "lora.safetensors" and same(load_file(found), halves)
    with pytest.raises(ModelError, match="already safetensors and not a single-file"):
        convert(found, None, "", Library(tmp_path), silent)


@pytest.mark.parametrize("ending", ["ckpt", "safetensors"])
def test_a_single_file_becomes_a_folder_like_another_checkpoint(ending: str, tmp_path: Path) -> None:
    library = Library(tmp_path / "models")
    one = write_single_file(tmp_path / f"one.{ending}")
    found = convert(one, None, str(toy_checkpoints() / "modern"), library, silent)
    assert found == library.home / "one" and holding("one", found).state == "ready"
    assert same(weights(found), weights(toy_checkpoints() / "modern"))


@pytest.mark.parametrize("ending", ["ckpt", "safetensors"])
@pytest.mark.parametrize(
    "words", ["render --prompt x -o x.wav --model", "play --output paced --seconds 1 --model", "models check"]
)
def test_a_single_file_as_a_model_is_answered_with_the_next_command(
    ending: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = write_single_file(tmp_path / f"my model.{ending}")
    assert main([*words.split(), str(one)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    command = shlex.split(said.partition("riffengine convert ")[2])
    assert command == [str(one), "--like", RIFFUSION]


def test_a_single_file_wants_a_checkpoint_like_it_and_says_when_it_does_not_fit(tmp_path: Path) -> None:
    single = {"model.diffusion_model.input_blocks.0.0.weight": torch.ones(1), "first_stage_model.x": torch.ones(1)}
    save_file(single, tmp_path / "one.safetensors")
    library = Library(tmp_path / "models")
    with pytest.raises(ModelError, match="--like"):
        convert(tmp_path / "one.safetensors", None, "", library, silent)
    with pytest.raises(ModelError, match=r"does not fit the shape|no UNet of the shape|missing"):
        convert(tmp_path / "one.safetensors", None, str(toy_checkpoints() / "modern"), library, silent)
    assert not (library.home / "one").exists() and not list(tmp_path.rglob("*.partial"))
    with pytest.raises(ModelError, match="there is no"):
        convert(tmp_path / "nothing.ckpt", None, "", library, silent)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends it there alone")
def test_what_reads_a_pickle_ends_with_a_command_that_is_killed() -> None:
    reader = (
        "import time; from riffengine.renderer.riffusion.unpickle import confine; confine(1); "
        "print(1, flush=True); time.sleep(60); print(2)"
    )
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {reader!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "1\n"
        command.kill()
        assert command.stdout.read() == ""  # the reader holds this pipe too: it is closed when both have ended


def test_a_damaged_pickle_is_refused_in_one_line_and_without_a_traceback(tmp_path: Path) -> None:
    whole = io.BytesIO()
    torch.save({"a.weight": torch.ones(3, 2)}, whole, _use_new_zipfile_serialization=False)
    damaged = tmp_path / "lora.pt"
    damaged.write_bytes(whole.getvalue()[:28])  # torch raises struct.error
    done = subprocess.run(
        [sys.executable, "-I", unpickle.__file__, damaged, tmp_path / "out"], capture_output=True, text=True, check=True
    )
    assert not done.stderr and "requires a buffer" in json.loads(done.stdout)["error"]
    with pytest.raises(ModelError, match="is not converted: unpack requires a buffer"):
        convert(damaged, tmp_path / "out", "", Library(tmp_path), silent)
