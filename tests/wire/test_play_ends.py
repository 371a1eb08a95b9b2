"""How a performance ends: a failed start gives the reason, and Ctrl-C works at any time."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile

from riffengine.processes.loop_store import sweep_stale_segments

PATIENCE_SECONDS = 180.0
QUIET = ["--no-osc", "--no-midi"]


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "riffengine", "play", *arguments, *QUIET],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    try:
        return process.communicate(timeout=PATIENCE_SECONDS)[0]
    finally:
        process.kill()


def preset(folder: Path, text: str) -> str:
    path = folder / "set.yaml"
    path.write_text('deck: {a: {prompt: "techno"}}\n' + text)
    return str(path)


@pytest.mark.wire
@pytest.mark.parametrize(
    ("text", "arguments", "reason", "status"),
    [
        ("model: nowhere.safetensors", (), "nowhere.safetensors", 2),  # refused before anything starts
        ("output: {to: paced}", ("--record", "/nowhere/set.flac"), "/nowhere", 1),
        ('output: {to: device, device: "no such card"}', (), "device", 1),
    ],
)
def test_a_failed_start_gives_the_reason_and_an_exit_status(
    tmp_path: Path, text: str, arguments: tuple[str, ...], reason: str, status: int
) -> None:
    process = start(preset(tmp_path, text), *arguments)
    output = finish(process)
    assert process.returncode == status, output
    assert reason in output
    assert "Traceback" not in output


@pytest.mark.wire
def test_a_journal_that_exists_is_refused_before_anything_starts(tmp_path: Path) -> None:
    journal = tmp_path / "last-night.jsonl"
    journal.write_text("precious")
    process = start(preset(tmp_path, "output: {to: paced}"), "--journal", str(journal))
    output = finish(process)
    assert process.returncode == 2, output
    assert "last-night.jsonl" in output
    assert journal.read_text() == "precious"


@pytest.mark.wire
def test_ctrl_c_before_the_first_sound_ends_at_once_without_sound(tmp_path: Path) -> None:
    record = tmp_path / "set.wav"
    process = start(preset(tmp_path, "output: {to: paced, fade_out: 60}"), "--record", str(record))
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while not record.exists() and time.perf_counter() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output = finish(process)
    assert process.returncode == 0, output
    sound, rate = soundfile.read(record)
    assert len(sound) < 50 * rate and not sound.any()  # a fade-out of a minute was not waited for


@pytest.mark.wire
def test_the_other_processes_end_when_the_engine_is_killed(tmp_path: Path) -> None:
    process = start(preset(tmp_path, "output: {to: paced}"), "--record", str(tmp_path / "set.wav"))
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while not (tmp_path / "set.wav").exists() and time.perf_counter() < deadline:
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) >= 2  # the renderer and the player
    process.kill()
    process.communicate(timeout=PATIENCE_SECONDS)
    while any(_runs(child) for child in children) and time.perf_counter() < deadline:
        time.sleep(0.2)
    assert not any(_runs(child) for child in children)
    sweep_stale_segments()
    assert list(Path("/dev/shm").glob(f"riffengine-{process.pid}-*")) == []


@pytest.mark.wire
@pytest.mark.parametrize("reader", ["2>said | head -1", "2>said >&-", "<&- >&- 2>&-", "2>said >/dev/full"])
def test_a_set_outlives_whoever_reads_its_output(tmp_path: Path, reader: str) -> None:
    preset(tmp_path, "output: {to: paced, fade_out: 0.1}")
    assert _in_a_shell(tmp_path, reader, {}) == 0
    assert not (tmp_path / "said").exists() or (tmp_path / "said").read_text() == ""
    assert soundfile.read(tmp_path / "set.wav")[0].any()


@pytest.mark.wire
def test_a_set_ends_although_its_reader_takes_nothing(tmp_path: Path) -> None:
    """As a pager that shows its first page, or a connection that stands still."""
    record = tmp_path / "set.wav"
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writer, b"full")
    os.set_blocking(writer, True)
    process = subprocess.Popen(
        [sys.executable, "-m", "riffengine", "play", preset(tmp_path, "output: {to: paced, fade_out: 0.1}"),
         "--record", str(record), *QUIET],
        stdout=writer, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while not record.exists() and time.perf_counter() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=PATIENCE_SECONDS)[1]
    os.close(writer)
    os.close(reader)
    assert (process.returncode, output) == (0, "")


@pytest.mark.wire
def test_a_terminal_of_ascii_alone_shows_a_set_of_every_script(tmp_path: Path) -> None:
    (tmp_path / "set.yaml").write_text(
        'deck: {a: {prompt: "techno für Bläser → ♪ 日本"}}\noutput: {to: paced, fade_out: 0.1}\n', "utf-8"
    )
    ascii_alone = {"PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    assert _in_a_shell(tmp_path, ">said 2>&1", ascii_alone) == 0
    said = (tmp_path / "said").read_text("ascii")
    assert "techno f?r Bl?ser" in said and "rror" not in said


@pytest.mark.wire
def test_a_set_whose_ports_are_taken_says_so_once_each_and_plays(tmp_path: Path) -> None:
    """As when a second set is started with the preset of the first."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as osc, socket.socket() as web:
        osc.bind(("127.0.0.1", 0))
        web.bind(("127.0.0.1", 0))
        web.listen()
        ports = [str(taken.getsockname()[1]) for taken in (osc, web)]
        process = subprocess.Popen(
            [sys.executable, "-m", "riffengine", "play", preset(tmp_path, "output: {to: paced, fade_out: 0.1}"),
             "--no-midi", "--osc-port", ports[0], "--web", ports[1], "--seconds", "4"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        said = finish(process)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    for port in ports:
        (told,) = (line for line in said.splitlines() if port in line)
        assert "in use" in told and "another" in told, told


def _in_a_shell(folder: Path, redirection: str, environment: dict[str, str]) -> int:
    """Play a second of ``set.yaml`` with ``redirection``, and record it to ``set.wav``; the exit status."""
    command = (
        f"{shlex.quote(sys.executable)} -m riffengine play set.yaml --seconds 1 --record set.wav {' '.join(QUIET)}"
    )
    shell = ["bash", "-c", f"{command} {redirection}; exit ${{PIPESTATUS[0]}}"]
    return subprocess.run(
        shell, cwd=folder, env=os.environ | environment, timeout=PATIENCE_SECONDS, check=False
    ).returncode


def _runs(pid: str) -> bool:
    """Whether the process runs and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
