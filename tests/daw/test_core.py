"""The C core under the sanitizers: engine, helper thread and audio thread at once, and every frame at its beat."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from riffengine.daw.build import CORE, NATIVE
from riffengine.daw.names import names_header

BLOCKS = 5000


@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
def test_the_threads_of_the_core_neither_race_nor_leak_nor_overrun(
    tmp_path: Path, compiler: str, sanitizer: str
) -> None:
    (tmp_path / "names.h").write_text(names_header())
    program = tmp_path / "core_test"
    sources = [Path(__file__).with_name("core_test.c"), *(NATIVE / name for name in CORE)]
    flags = ["-std=c11", "-g", "-O1", f"-fsanitize={sanitizer}", "-Wall", "-Wextra", "-Werror", "-pthread"]
    include = [f"-I{NATIVE}", f"-I{tmp_path}"]
    subprocess.run([compiler, *flags, *include, *map(str, sources), "-lm", "-o", str(program)], check=True)
    environment = {
        **os.environ,
        "RIFFENGINE_DAW_SOCKET": str(tmp_path / "daw.sock"),
        "TSAN_OPTIONS": "halt_on_error=1 exitcode=3",
        "UBSAN_OPTIONS": "halt_on_error=1 exitcode=4",
    }
    ended = subprocess.run([program, str(BLOCKS)], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " wrong 0 " in ended.stdout
