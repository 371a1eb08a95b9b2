"""Ardour without a display: its Lua shell runs a script in a folder of its own, beside an engine that can be killed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from riffengine.daw.build import build_lv2, build_vst3
from tests.daw import run_ramp_engine
from tests.daw.probe import Heard, Sounded, build_probe, read_probe, read_sound

PROGRAMS = ("ardour7-lua", "ardour7-export", "cc")
AHEAD_FRAMES = 8192
RATE = 48000
_SPECIFICATIONS = Path("/usr/lib/lv2")
_SECONDS = 150
_VST3_SCANNER = Path("/usr/lib/ardour7/ardour-vst3-scanner")


def missing_programs() -> list[str]:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    return missing if (_SPECIFICATIONS / "core.lv2").is_dir() else [*missing, "lv2-dev"]


class ArdourSession:
    """One session, ``set``, with our plugins and a probe behind each; ``folder`` holds everything.

    A program of Ardour that runs for more than ``seconds`` is ended.
    """

    def __init__(self, folder: Path, seconds: int = _SECONDS) -> None:
        self._seconds = seconds
        self.folder = folder
        self.session = folder / "session"
        self.plugins = folder / "lv2"
        self.plugins.mkdir()
        build_lv2(self.plugins)
        build_probe(self.plugins)
        for bundle in _SPECIFICATIONS.glob("*.lv2"):  # Ardour takes every bundle of LV2_PATH; others take minutes
            if "lv2:Specification" in (bundle / "manifest.ttl").read_text(errors="replace"):
                (self.plugins / bundle.name).symlink_to(bundle)
        (folder / "answers").mkdir()
        home = folder / "home"
        home.mkdir()
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")},
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "LV2_PATH": str(self.plugins),
            "SESSION_FOLDER": str(self.session),
            "SCRIPTS": str(Path(__file__).parent),
            "ANSWERS": str(folder / "answers"),
            "RIFFENGINE_DAW_SOCKET": str(folder / "daw.sock"),
        }
        self.engine: subprocess.Popen[str] | None = None

    def install_vst3(self) -> None:
        """Build the VST3 and have Ardour's scanner find it: the Lua shell lists only what is in the scanner's cache."""
        bundle = build_vst3(self.folder / "home" / ".vst3")
        for path in (bundle, *bundle.rglob("*")):  # the cache has whole seconds: it is older than what was just built
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 2.0))
        environment = {**self.environment, "LD_LIBRARY_PATH": str(_VST3_SCANNER.parent)}
        subprocess.run([_VST3_SCANNER, "-f", bundle], env=environment, check=True, capture_output=True, timeout=60)

    def start_engine(self, log: str) -> None:
        command = [sys.executable, run_ramp_engine.__file__, str(self.folder / "daw.sock"), str(AHEAD_FRAMES)]
        self.engine = subprocess.Popen(
            [*command, str(self.folder / log)], stdout=subprocess.PIPE, text=True, env=os.environ
        )
        assert self.engine.stdout is not None
        assert self.engine.stdout.readline() == "ready\n"

    def kill_engine(self) -> None:
        if self.engine is not None:
            self.engine.kill()
            self.engine.communicate()
            self.engine = None

    def run(self, program: str, *arguments: str, probes: str) -> subprocess.Popen[str]:
        """Start a program of Ardour; its plugins write to the folder ``probes``."""
        (self.folder / probes).mkdir()
        environment = {**self.environment, "RIFFENGINE_PROBE": str(self.folder / probes)}
        return subprocess.Popen(
            ["timeout", str(self._seconds), program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )

    def export(self, out: Path, probes: str) -> None:
        """Export the session to ``out``, a float WAV.

        Not judged by its exit status: at its end ``ardour7-export`` of Ardour 7.3 frees the memory of a
        ``PortExportChannel`` twice, and aborts in one run of five, with no plugin in the session too.
        """
        running = self.run("ardour7-export", "-b", "float", "-o", str(out), str(self.session), "set", probes=probes)
        output = running.communicate()[0]
        assert "* Done." in output, output

    def answer(self, word: str) -> None:
        """Let the script go on, which has said ``word`` and waits."""
        (self.folder / "answers" / word).touch()

    def heard(self, probes: str) -> list[list[Heard]]:
        """What each track has heard while it rolled, in the order of the tracks."""
        return [list(read_probe(path)) for path in self._files(probes)]

    def sounded(self, probes: str) -> list[list[Sounded]]:
        """The same as it sounded."""
        return [list(read_sound(path)) for path in self._files(probes)]

    def _files(self, probes: str) -> list[Path]:
        return sorted((self.folder / probes).glob("*.bin"), key=lambda path: int(path.stem))

    def said(self, log: str) -> list[dict[str, Any]]:
        """The last line of each instance in an engine's log."""
        rows = [json.loads(line) for line in (self.folder / log).read_text().splitlines()]
        return list({row["instance"]: row for row in rows if row["host"] is not None}.values())

    def add_ranges(self, loop_seconds: tuple[int, int], end_seconds: int) -> None:
        """Give the saved session a loop range and an end; Ardour's Lua shell cannot."""
        clock = 282_240_000  # of Ardour's positions, ticks a second
        path = self.session / "set.ardour"
        rows = "".join(
            f'<Location id="{number}" name="{name}" start="a{start * clock}" end="a{end * clock}" flags="{flags}" '
            f'locked="0" timestamp="{number}"/>'
            for number, name, start, end, flags in (
                (90001, "Loop", *loop_seconds, "IsAutoLoop,IsHidden"),
                (90002, "session", 0, end_seconds, "IsSessionRange"),
            )
        )
        text = path.read_text()
        assert "<Locations/>" in text
        path.write_text(text.replace("<Locations/>", f"<Locations>{rows}</Locations>"))
