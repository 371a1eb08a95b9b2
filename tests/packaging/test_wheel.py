"""The wheel as a user installs it: complete, and playing by name from an empty folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("riffengine", "presets", "pyproject.toml", "setup.py", "README.md", "LICENSE")
LITTER = shutil.ignore_patterns("__pycache__", "*.pyc")

pytestmark = pytest.mark.wire


def files_of(folder: str) -> set[str]:
    """The files under ``folder`` of the checkout, relative to the checkout."""
    paths = (path for path in (ROOT / folder).rglob("*") if path.is_file())
    return {str(path.relative_to(ROOT)) for path in paths if path.suffix != ".pyc"}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the wheel is made of, so that building leaves nothing in the checkout."""
    copy = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, copy / name, ignore=LITTER)
        else:
            shutil.copy(path, copy / name)
    return copy


@pytest.fixture(scope="module")
def wheel(source: Path) -> Path:
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(source / "dist"), str(source))
    (built,) = (source / "dist").glob("*.whl")
    return built


Riffengine = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def riffengine(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Riffengine:
    """Runs the installed command in an empty folder that it is given; the checkout is not on its path."""
    place, home = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("home")
    pip("install", "--no-deps", "--target", str(place), str(wheel))
    environment = os.environ | {"PYTHONPATH": str(place), "HOME": str(home), "XDG_STATE_HOME": str(home / "state")}
    environment.pop("XDG_CONFIG_HOME", None)

    def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "riffengine", *arguments]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)

    where = subprocess.run(
        [sys.executable, "-c", "import riffengine; print(riffengine.__file__)"],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert where.stdout.startswith(str(place)), where
    return run


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", arguments[0], "--no-index"]
    done = subprocess.run([*command, *arguments[1:]], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_holds_every_file_of_the_package_and_every_preset(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    wanted = files_of("riffengine") | {f"riffengine/{name}" for name in files_of("presets")}
    assert names == wanted
    assert {"riffengine/py.typed", "riffengine/presets/first-sound.yaml"} <= names


def test_a_source_archive_makes_the_same_wheel(source: Path, wheel: Path, tmp_path: Path) -> None:
    code = f"from setuptools import build_meta; build_meta.build_sdist({str(tmp_path)!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (archive,) = tmp_path.glob("*.tar.gz")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(archive))
    (again,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        assert set(one.namelist()) == set(other.namelist())


def test_presets_are_listed_shown_and_copied(riffengine: Riffengine, tmp_path: Path) -> None:
    listed = riffengine(tmp_path, "presets")
    assert listed.returncode == 0, listed.stderr
    names = {line.split("  ")[0] for line in listed.stdout.splitlines()}
    assert names == {path.stem for path in (ROOT / "presets").glob("*.yaml")}
    shown = riffengine(tmp_path, "presets", "--show", "first-sound")
    assert shown.stdout == (ROOT / "presets" / "first-sound.yaml").read_text(encoding="utf-8")
    assert riffengine(tmp_path, "presets", "--copy", "first-sound", "mine.yaml").returncode == 0
    assert (tmp_path / "mine.yaml").read_text(encoding="utf-8") == shown.stdout
    twice = riffengine(tmp_path, "presets", "--copy", "first-sound", "mine.yaml")
    assert twice.returncode == 2 and "exists already" in twice.stderr
    assert riffengine(tmp_path, "serve", "mine.yaml", "--check").returncode == 0


def test_clients_are_copied(riffengine: Riffengine, tmp_path: Path) -> None:
    for name in ("riffengine.maxpat", "riffengine.pd", "riffengine.tosc"):
        assert name in riffengine(tmp_path, "clients").stdout
        assert riffengine(tmp_path, "clients", "--copy", name, ".").returncode == 0
        assert (tmp_path / name).read_bytes() == (ROOT / "presets" / "clients" / name).read_bytes()


def test_a_preset_plays_by_its_name(riffengine: Riffengine, tmp_path: Path) -> None:
    options = ("--output", "paced", "--seconds", "3", "--no-midi", "--no-osc")
    done = riffengine(tmp_path, "play", "first-sound", *options, "--record", "heard.wav")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    samples, rate = soundfile.read(tmp_path / "heard.wav")
    assert len(samples) > 2 * rate and abs(samples).max() > 0.01


def test_a_controller_map_is_found_by_its_name(riffengine: Riffengine, tmp_path: Path) -> None:
    options = ("--output", "paced", "--seconds", "0.5", "--no-osc", "--map", "generic-8")
    done = riffengine(tmp_path, "play", "dj-two-prompts", *options)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_unknown_name_is_answered_with_the_nearest(riffengine: Riffengine, tmp_path: Path) -> None:
    done = riffengine(tmp_path, "play", "frist-sound")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean first-sound" in done.stderr
    done = riffengine(tmp_path, "play", "first-sound", "--map", "generic8")
    assert done.returncode == 2 and "did you mean generic-8" in done.stderr


def test_the_doctor_misses_nothing_of_the_package(riffengine: Riffengine, tmp_path: Path) -> None:
    done = riffengine(tmp_path, "doctor")
    rows = {line[8:28].strip(): line[:8].strip() for line in done.stdout.splitlines() if line[:1] not in ("", " ")}
    assert (rows["bundled model"], rows["presets"]) == ("ok", "ok")
