"""Builds the plugin from its C sources with the system's compiler: an LV2 bundle, a CLAP, a VST3."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from riffengine.daw.lv2_bundle import description, manifest
from riffengine.daw.names import names_header
from riffengine.errors import DawError, printable

NATIVE = Path(__file__).parent / "native"
CORE = ("clock.c", "reader.c", "link.c", "core.c")
FLAGS = ("-std=c11", "-O2", "-fPIC", "-fvisibility=hidden", "-pthread", "-Wall", "-Wextra", "-Werror")
COMPILER_SECONDS = 120


def compile_library(
    sources: tuple[str, ...], library: Path, compiler: str = "cc", flags: tuple[str, ...] = FLAGS
) -> None:
    """Compile ``sources`` of ``daw/native`` to the shared ``library``; ``DawError`` has the compiler's words."""
    found = shutil.which(compiler)
    if found is None:
        raise DawError(
            f"there is no C compiler {compiler!r}; install one (Debian: apt-get install gcc libc6-dev), "
            "or name another one with --compiler"
        )
    with tempfile.TemporaryDirectory(prefix="riffengine-") as folder:
        Path(folder, "names.h").write_text(names_header(), encoding="ascii")
        new = Path(folder, library.name)
        command = [found, *flags, "-shared", f"-I{NATIVE}", f"-I{NATIVE / 'vendor'}", f"-I{folder}"]
        command += [*(str(NATIVE / source) for source in sources), "-lm", "-o", str(new)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=COMPILER_SECONDS)
        except subprocess.CalledProcessError as error:
            raise DawError(f"{compiler} could not build {library.name}:\n{error.stderr.strip()}") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DawError(f"{compiler} could not build {library.name}: {printable(error)}") from error
        library.parent.mkdir(parents=True, exist_ok=True)
        # A host may have the old file mapped: it is replaced under its name, never written into.
        beside = library.with_name(f".{library.name}.new")
        shutil.copy2(new, beside)
        beside.replace(library)


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
