"""What an import may load: seen from outside, in fresh processes."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import riffengine

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "riffengine"
HEAVY = {"torch", "torchaudio", "diffusers", "transformers", "safetensors"}
AUDIO = {"sounddevice", "soundfile"}
WIRE = {"pythonosc", "rtmidi", "zeroconf"}
OTHERS = {"numpy", "yaml", "soxr", "rich"}


def loaded_by(*modules: str) -> set[str]:
    """Top-level names in ``sys.modules`` of a fresh interpreter after importing ``modules``."""
    code = f"import sys, {', '.join(modules)}; print(' '.join({{name.split('.')[0] for name in sys.modules}}))"
    end = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert end.returncode == 0, end.stderr
    return set(end.stdout.split())


def modules_of(folder: str) -> list[str]:
    """Every module of a folder, dotted."""
    paths = sorted((PACKAGE / folder).rglob("*.py")) or [PACKAGE / f"{folder}.py"]
    return [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]


def test_the_package_loads_nothing_but_itself() -> None:
    assert not loaded_by("riffengine") & (HEAVY | AUDIO | WIRE | OTHERS)


def test_the_package_exports_exactly_its_all() -> None:
    modules = {path.stem for path in PACKAGE.iterdir()}  # submodules appear as attributes once anything imports them
    public = {name for name in dir(riffengine) if not name.startswith("_")} - modules
    assert public | {"__version__"} == set(riffengine.__all__)


def test_help_loads_no_library() -> None:
    assert not loaded_by("riffengine.cli") & (HEAVY | AUDIO | WIRE | OTHERS)


@pytest.mark.parametrize("folder", ["transport", "performance", "scheduler", "playback"])
def test_the_pure_folders_load_neither_torch_nor_devices_nor_protocol_libraries(folder: str) -> None:
    assert not loaded_by(*modules_of(folder)) & (HEAVY | AUDIO | WIRE)


def test_control_and_output_load_no_torch_and_not_each_other() -> None:
    assert not loaded_by(*modules_of("control")) & (HEAVY | AUDIO)
    assert not loaded_by(*modules_of("output")) & (HEAVY | WIRE)


def test_the_processes_that_must_stay_light_do() -> None:
    for module in ("engine", "session", "processes", "clock"):
        if (PACKAGE / f"{module}.py").exists() or (PACKAGE / module).exists():
            assert not loaded_by(*modules_of(module)) & HEAVY, module


def test_every_library_that_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[<>=!\[; ]", line)[0].lower() for line in project["dependencies"]}
    for extra in ("riffusion", "link", "vst", "web", "agent", "cluster"):
        declared |= {re.split(r"[<>=!\[; ]", line)[0].lower() for line in project["optional-dependencies"][extra]}
    distributions = packages_distributions()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"riffengine"}:
                owners = {owner.lower().replace("_", "-") for owner in distributions.get(name, [name])}
                assert owners & declared, f"{path.relative_to(ROOT)} imports {name}, which pyproject.toml does not name"


def test_every_declared_library_has_its_tested_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    wanted = {re.split(r"[<>=!\[; ]", line)[0].lower() for line in lines} - {"riffengine"}
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9a-z.]+", pin) for pin in pins)  # no local versions, no file paths
    assert wanted <= {pin.split("==")[0] for pin in pins}
