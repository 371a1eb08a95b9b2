"""`riffengine play --tui` on a pseudo-terminal: keys are written as bytes, and a terminal emulator reads the screen."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte
import pytest

PATIENCE_SECONDS = 180.0  # enough on a busy machine; nothing here measures time
PRESET = """
name: Tonight
quantum: beat
deck: {a: {prompt: "techno, driving", to: "ambient, pad", seed: 3}}
output: {to: paced, fade_in: 0.02, fade_out: 0.3}
record: {keep_minutes: 1, folder: %s}
midi: {enabled: false}
osc: {enabled: false}
"""


class Terminal:
    """A terminal of 80 × 24 that runs the program."""

    def __init__(self, folder: Path) -> None:
        (folder / "set.yaml").write_text(PRESET % folder)
        self.screen = pyte.Screen(80, 24)
        self.stream = pyte.ByteStream(self.screen)
        self.master, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.settings = termios.tcgetattr(child)
        environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "riffengine", "play", str(folder / "set.yaml"), "--tui"],
            stdin=child, stdout=child, stderr=child, env=environment, start_new_session=True,
        )  # fmt: skip
        self.child = child

    def text(self) -> str:
        return "\n".join(self.screen.display)

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while not condition():
            assert time.perf_counter() < deadline, self.text()
            if select.select([self.master], [], [], 0.1)[0]:
                self.stream.feed(os.read(self.master, 65536))

    def wait_for_text(self, *parts: str) -> None:
        self.wait(lambda: all(part in self.text() for part in parts))

    def ended(self) -> bool:
        return self.process.poll() is not None

    def close(self) -> None:
        if not self.ended():
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.child)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path)
    yield made
    made.close()


def children(pid: int) -> dict[int, str]:
    pids = [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return {p: Path(f"/proc/{p}/cmdline").read_text().replace("\0", " ") for p in pids}


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_set_is_played_by_keys(terminal: Terminal, tmp_path: Path) -> None:
    terminal.wait_for_text("Tonight", "▶a techno, driving", "xruns", "q quit")
    terminal.wait(lambda: "Tonight" in terminal.text() and "loading" not in terminal.text())  # it plays
    terminal.press("\x1b[C\x1b[C")  # the right arrow, twice
    terminal.wait_for_text("deck/a/alpha: 0.1", "0.10")
    terminal.press("m")
    terminal.wait_for_text("MUTE")
    terminal.press("pdub, harmonica\r")  # condition was there is selected
    terminal.wait_for_text("▶a dub, harmonica")
    terminal.press("l")
    terminal.wait_for_text("saved the last")
    assert len(list(tmp_path.glob("riffengine-last-*.flac"))) == 1
    terminal.press("q")
    terminal.wait(terminal.ended)
    assert terminal.process.returncode == 0
    assert termios.tcgetattr(terminal.child) == terminal.settings  # the terminal is restored


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_music_continues_when_the_dashboard_is_killed(terminal: Terminal) -> None:
    terminal.wait_for_text("Tonight")
    screen = next(pid for pid, line in children(terminal.process.pid).items() if "riffengine.dashboard" in line)
    os.kill(screen, signal.SIGKILL)
    terminal.wait(lambda: termios.tcgetattr(terminal.child)[3] & termios.ICANON != 0)
    assert not terminal.ended() and len(children(terminal.process.pid)) >= 2  # the renderer and the player
    terminal.process.send_signal(signal.SIGINT)
    terminal.wait(terminal.ended)
    assert terminal.process.returncode == 0


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_an_engine_wrote_before_its_death_is_shown_by_the_dashboard(terminal: Terminal) -> None:
    terminal.wait_for_text("Tonight")
    words = "this is why"
    with Path(f"/proc/{terminal.process.pid}/fd/2").open("ab") as stderr:
        stderr.write(f"{words}\n".encode())
    terminal.process.kill()
    terminal.wait_for_text(words)
    terminal.wait(lambda: termios.tcgetattr(terminal.child) == terminal.settings)


@pytest.mark.wire
def test_without_a_terminal_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set.yaml").write_text(PRESET % tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "riffengine", "play", str(tmp_path / "set.yaml"), "--tui"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "--tui needs a terminal" in done.stderr
