"""torchaudio and the libraries that import it, each case in a new process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

# A package of the same shape as the real one, so that every case can be tested on every machine.
PACKAGES = {
    "real": {
        "__init__.py": "from . import _extension\n__version__ = 'made here'\n",
        "_extension/__init__.py": "_IS_TORCHAUDIO_EXT_AVAILABLE = True\n",
    },
    "stand-in": {
        "__init__.py": "from . import part\nfrom . import _extension\n__version__ = 'made here'\n",
        "part.py": "",
        "_extension/__init__.py": "raise OSError('libc10_cuda.so: cannot open shared object file')\n",
    },
    "broken": {"__init__.py": "raise OSError('libsomething.so')\n"},
}


def run(code: str, *path: Path, interpreter_options: tuple[str, ...] = ()) -> str:
    """Standard output of ``code`` in a fresh interpreter with ``path`` before everything else."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*path, ROOT))), "HF_HUB_OFFLINE": "1"}
    end = subprocess.run(
        [sys.executable, *interpreter_options, "-c", code], capture_output=True, text=True, env=environment, cwd=ROOT
    )
    assert end.returncode == 0, end.stderr
    return end.stdout.strip()


def make(folder: Path, case: str) -> Path:
    for name, text in PACKAGES[case].items():
        path = folder / "torchaudio" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize("case", PACKAGES)
def test_the_state_is_reported(case: str, tmp_path: Path) -> None:
    code = "from riffengine.renderer.torchaudio_import import torchaudio_case as c; print(c(), c())"
    assert run(code, make(tmp_path, case)) == f"{case} {case}"


def test_the_real_extension_is_left_alone_where_it_loads(tmp_path: Path) -> None:
    code = (
        "from riffengine.renderer.torchaudio_import import import_torchaudio\n"
        "print(import_torchaudio()._extension._IS_TORCHAUDIO_EXT_AVAILABLE)"
    )
    assert run(code, make(tmp_path, "real")) == "True"
    assert run(code, make(tmp_path / "other", "stand-in")) == "False"


def test_a_broken_torchaudio_is_refused_and_leaves_no_half_imported_modules(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from riffengine.errors import RendererError\n"
        "from riffengine.renderer.torchaudio_import import import_torchaudio\n"
        "try:\n    import_torchaudio()\nexcept RendererError as error:\n    print(error)\n"
        "print([name for name in sys.modules if name.startswith('torchaudio')])"
    )
    message, left = run(code, make(tmp_path, "broken")).splitlines()
    assert "libsomething.so" in message
    assert "pip uninstall torchaudio" in message
    assert left == "[]"


def test_without_torchaudio_nothing_is_prepared_and_the_error_says_what_to_install() -> None:
    code = (
        "from riffengine.errors import RendererError\n"
        "import riffengine.renderer.torchaudio_import as t\n"
        "t.prepare_for_transformers()\n"
        "print(t.torchaudio_case())\n"
        "try:\n    t.import_torchaudio()\nexcept RendererError as error:\n    print(error)"
    )
    case, message = run(code, interpreter_options=("-S",)).splitlines()  # -S: no installed packages at all
    assert case == "missing"
    assert "pip install torchaudio" in message


def test_the_installed_torchaudio_transforms_audio() -> None:
    code = (
        "import torch\n"
        "from riffengine.renderer.torchaudio_import import import_torchaudio\n"
        "torchaudio = import_torchaudio()\n"
        "x = torch.sin(torch.arange(4410.0) * 0.1)\n"
        "print(torchaudio.transforms.Resample(44100, 48000)(x).numel())\n"
        "print(tuple(torchaudio.functional.melscale_fbanks(201, 0.0, 8000.0, 40, 16000).shape))"
    )
    assert run(code).splitlines() == ["4800", "(201, 40)"]


@pytest.mark.slow
@pytest.mark.parametrize("first", ["nothing", "torchaudio", "transformers"])
def test_transformers_and_diffusers_import_whatever_was_tried_before(first: str) -> None:
    tried = {
        "nothing": "",
        "torchaudio": "try:\n    import torchaudio\nexcept OSError:\n    pass\n",
        "transformers": "try:\n    from transformers import CLIPTextModel\nexcept (OSError, RuntimeError):\n    pass\n",
    }
    code = (
        tried[first] + "from riffengine.renderer.torchaudio_import import prepare_for_transformers\n"
        "prepare_for_transformers()\n"
        "from transformers import CLIPTextModel\n"
        "from diffusers import UNet2DConditionModel\n"
        "print(CLIPTextModel.__name__, UNet2DConditionModel.__name__)"
    )
    assert run(code) == "CLIPTextModel UNet2DConditionModel"
