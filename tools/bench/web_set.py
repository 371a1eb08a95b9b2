"""A real set with its web server for the benchmarks of the web: started, found, ended."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp


@dataclass(frozen=True)
class WebSet:
    """A performance whose first loop plays. ``pid`` is that of the engine, ``url`` the page's address without slash."""

    pid: int
    url: str

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    @property
    def web_pid(self) -> int:
        """The process that listens on the page's port."""
        inodes = {line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
                  if line.split()[1].endswith(f":{self.port:04X}") and line.split()[3] == "0A"}  # fmt: skip
        for path in Path("/proc").glob("[0-9]*/fd"):
            held = set()
            with contextlib.suppress(OSError):
                for link in path.iterdir():
                    with contextlib.suppress(OSError):
                        held.add(str(link.readlink()))
            if any(f"socket:[{inode}]" in held for inode in inodes):
                return int(path.parent.name)
        raise SystemExit("the web server was not found")


@contextlib.contextmanager
def web_set(port: int, *options: str) -> Iterator[WebSet]:
    """``riffengine play`` on the paced output with the page on ``port``, from its first loop on."""
    command = [sys.executable, "-m", "riffengine", "play", "--web", str(port), "--output", "paced"]
    engine = subprocess.Popen(
        [*command, "--no-osc", "--no-midi", *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert engine.stdout is not None
    url, lines = "", []
    try:
        for line in engine.stdout:
            lines.append(line)
            if found := re.search(r"web: (http\S+?)/?\s", line):
                url = found[1]
            if " deck a: " in line:
                break
        if not url:
            raise SystemExit("the set did not start:\n" + "".join(lines))
        yield WebSet(engine.pid, url)
    finally:
        engine.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            engine.communicate(timeout=30)  # reads on, so that it can end
        if engine.poll() is None:
            engine.kill()


def machine_text() -> str:
    """The machine, its load, and the versions."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, load {load}; "
        f"aiohttp {aiohttp.__version__}, Python {platform.python_version()}"
    )
