"""Builds the plugin from its C sources with the system's compiler: an LV2 bundle, a CLAP, and, around DPF, a VST3."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from riffengine.daw.lv2_bundle import description, manifest
from riffengine.daw.names import names_header
from riffengine.errors import DawError, printable

NATIVE = Path(__file__).parent / "native"
CORE = ("clock.c", "reader.c", "engine_socket.c", "start_engine.c", "link.c", "core.c")
FLAGS = ("-std=c11", "-O2", "-fPIC", "-fvisibility=hidden", "-pthread", "-Wall", "-Wextra", "-Werror")
CPP_FLAGS = ("-std=gnu++14", "-O2", "-fPIC", "-fvisibility=hidden", "-pthread")
COMPILER_SECONDS = 300


DPF_VARIABLE = "RIFFENGINE_DPF"


def compile_library(sources: tuple[str, ...], library: Path, compiler: str = "cc") -> None:
    """Compile ``sources`` of ``daw/native`` to the shared ``library``; ``DawError`` has the compiler's words."""
    with tempfile.TemporaryDirectory(prefix="riffengine-") as folder:
        new = Path(folder, library.name)
        command = [*FLAGS, "-shared", *_includes(Path(folder)), *_paths(sources), "-lm", "-o", str(new)]
        _run(compiler, command, library.name)
        _put(new, library)


def dpf_folder() -> Path | None:
    """Where DPF is: ``$RIFFENGINE_DPF``, or the folder of Debian's package dpf-source; ``None`` where it is not."""
    folder = Path(os.environ.get(DPF_VARIABLE) or "/usr/share/dpf")
    return folder if (folder / "distrho" / "DistrhoPluginMain.cpp").is_file() else None


def build_lv2(folder: Path, compiler: str = "cc") -> Path:
    """``riffengine.lv2`` in ``folder``; returns the bundle."""
    bundle = folder / "riffengine.lv2"
    compile_library((*CORE, "lv2.c"), bundle / "riffengine.so", compiler)
    (bundle / "riffengine.ttl").write_text(description(), encoding="utf-8")
    (bundle / "manifest.ttl").write_text(manifest("riffengine.so"), encoding="utf-8")
    return bundle


def build_clap(folder: Path, compiler: str = "cc") -> Path:
    """``riffengine.clap`` in ``folder``; returns the file."""
    library = folder / "riffengine.clap"
    compile_library((*CORE, "clap.c"), library, compiler)
    return library


def build_vst3(folder: Path, compiler: str = "cc") -> Path:
    """``riffengine.vst3`` in ``folder``, the audio effect alone; returns the bundle. It needs DPF and ``c++``."""
    dpf = dpf_folder()
    if dpf is None:
        raise DawError(
            "VST3 is built around DPF, which is not here; install it (Debian: apt-get install dpf-source g++), "
            f"or name its folder in {DPF_VARIABLE}"
        )
    bundle = folder / "riffengine.vst3"
    library = bundle / "Contents" / f"{platform.machine()}-linux" / "riffengine.so"
    with tempfile.TemporaryDirectory(prefix="riffengine-") as place:
        here = Path(place)
        includes = _includes(here)
        objects = [str(here / f"{source}.o") for source in CORE]
        for source, made in zip(_paths(CORE), objects, strict=True):
            _run(compiler, [*FLAGS, *includes, "-c", source, "-o", made], library.name)
        shell = [str(NATIVE / "vst3" / "vst3.cpp"), str(dpf / "distrho" / "DistrhoPluginMain.cpp")]
        more = [f"-I{NATIVE / 'vst3'}", f"-I{dpf / 'distrho'}", "-DDISTRHO_PLUGIN_TARGET_VST3"]
        new = here / library.name
        _run("c++", [*CPP_FLAGS, "-shared", *includes, *more, *shell, *objects, "-lm", "-o", str(new)], library.name)
        _put(new, library)
    return bundle


def _paths(sources: tuple[str, ...]) -> list[str]:
    return [str(NATIVE / source) for source in sources]


def _includes(folder: Path) -> list[str]:
    """The options for headers; ``names.h`` is written into ``folder``."""
    (folder / "names.h").write_text(names_header(), encoding="ascii")
    return [f"-I{NATIVE}", f"-I{NATIVE / 'vendor'}", f"-I{folder}"]


def _run(compiler: str, options: list[str], making: str) -> None:
    found = shutil.which(compiler)
    if found is None:
        raise DawError(
            f"there is no C compiler {compiler!r}; install one (Debian: apt-get install gcc g++ libc6-dev), "
            "or name another one with --compiler"
        )
    try:
        subprocess.run([found, *options], check=True, capture_output=True, text=True, timeout=COMPILER_SECONDS)
    except subprocess.CalledProcessError as error:
        raise DawError(f"{compiler} could not build {making}:\n{error.stderr.strip()}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DawError(f"{compiler} could not build {making}: {printable(error)}") from error


def _put(new: Path, library: Path) -> None:
    """A host may have the old file mapped: it is replaced under its name, never written into."""
    library.parent.mkdir(parents=True, exist_ok=True)
    beside = library.with_name(f".{library.name}.new")
    shutil.copy2(new, beside)
    beside.replace(library)
