"""The log of a plugin that prints without end: its end is read, and it stays small."""

from __future__ import annotations

import os
from pathlib import Path

from riffengine.engine.plugins.plugin_log import MOST_BYTES, PluginLog


def test_the_last_line_of_a_log_is_read_without_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "master.log"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a terabyte that takes no room: reading all of it would end the test
        file.seek(0, os.SEEK_END)
        file.write(b"voice 17: note on\nassertion failed: x\x1b > 0\n\n  \n")
    assert PluginLog(str(path)).last_line() == "assertion failed: x > 0"
    path.write_text("w" * 5000)
    assert PluginLog(str(path)).last_line() == "w" * 120
    path.write_text("")
    assert PluginLog(str(path)).last_line() == PluginLog("").last_line() == ""
    assert PluginLog(str(tmp_path / "none")).last_line() == ""


def test_a_log_that_has_become_large_is_emptied_and_written_on(tmp_path: Path) -> None:
    path = tmp_path / "master.log"
    log = PluginLog(str(path))
    log.trim()
    host = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(host, b"x" * MOST_BYTES)
    log.trim()
    assert path.stat().st_size == MOST_BYTES
    os.write(host, b"\n")
    log.trim()
    os.write(host, b"after")
    os.close(host)
    assert path.read_bytes() == b"after"
    PluginLog("").trim()
