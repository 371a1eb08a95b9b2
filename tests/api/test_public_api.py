"""The public API: exactly what is exported, typed, and doing what its page says."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import riffengine
from riffengine.errors import AudioFileError, OutOfRange, ParameterError, SetEnded
from riffengine.processes.loop_store import stale_segments

PUBLIC = {
    "Accepted", "Command", "Landing", "Performance", "Rejected", "RenderedLoop", "RiffError", "Session", "__version__",
    "load_model", "load_session", "play", "render",
}  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]

CLIENT = """\
from pathlib import Path
import riffengine

def loop(path: Path) -> float:
    made: riffengine.RenderedLoop = riffengine.render("house", bpm=124, key="A minor", density=0.5)
    made.save(path)
    return made.loudness_lufs + float(made.samples.max())

def play() -> float:
    with riffengine.play("first-sound", output="paced") as performance:
        reply = performance.set("deck/a/prompt", "techno")
        if isinstance(reply, riffengine.Rejected):
            return float(len(reply.reason))
        landing = performance.wait_for_landing(reply)
        return 0.0 if landing is None else landing.beat
"""


def test_what_is_exported_is_what_is_written_here() -> None:
    assert set(riffengine.__all__) == PUBLIC
    for name in PUBLIC:
        assert getattr(riffengine, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = riffengine.no_such_name


def test_every_public_name_has_a_docstring() -> None:
    for name in PUBLIC - {"__version__"}:
        assert (getattr(riffengine, name).__doc__ or "").strip(), name
    for name, member in vars(riffengine.Performance).items():
        if not name.startswith("_"):
            assert (member.__doc__ or "").strip(), name


def test_a_typed_client_is_accepted_by_a_strict_type_checker(tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text(CLIENT)
    environment = os.environ | {"MYPYPATH": str(ROOT)}
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--no-error-summary", "client.py"]
    checked = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert (ROOT / "riffengine" / "py.typed").is_file()


def test_equal_arguments_give_equal_samples_and_the_stems_add_up(tmp_path: Path) -> None:
    model = riffengine.load_model()
    loops = [riffengine.render("house, driving", seed=3, bpm=120, model=model) for _ in range(2)]
    np.testing.assert_array_equal(loops[0].samples, loops[1].samples)
    assert loops[0].samples.shape == (8 * 22050, 2) and loops[0].samples.dtype == np.float32
    np.testing.assert_allclose(sum(loops[0].stems.values()), loops[0].samples, atol=1e-6)
    loops[0].save(tmp_path / "loop.wav")
    loops[0].save(tmp_path / "loop.mid")
    saved, rate = soundfile.read(tmp_path / "loop.wav", dtype="float32")
    assert rate == 44100 and np.abs(saved - loops[0].samples).max() < 2e-7
    assert (tmp_path / "loop.mid").read_bytes()[:4] == b"MThd"
    other = riffengine.render("house, driving", seed=3, bpm=120, model=model, density=-0.9)
    assert np.abs(other.samples - loops[0].samples).max() > 0.01


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"bpm": 5.0}, ParameterError, "allowed is"),
        ({"key": "H minor"}, ParameterError, "allowed is"),
        ({"beats": 7}, OutOfRange, "4, 8 or 16"),
        ({"swing": 0.5}, ParameterError, "swing"),
    ],
)
def test_bad_arguments_say_what_is_allowed(arguments: dict[str, float], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        riffengine.render("house", model=riffengine.load_model(), **arguments)


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    loop = riffengine.render("house", model=riffengine.load_model())
    with pytest.raises(AudioFileError, match="ending"):
        loop.save(tmp_path / "loop.xyz")


def children() -> int:
    return len(multiprocessing.active_children())


def test_a_performance_answers_lands_and_leaves_nothing_behind(tmp_path: Path) -> None:
    heard: list[str] = []
    for number in range(2):  # one after the other in one process
        record = tmp_path / f"set{number}.wav"
        with riffengine.play("first-sound", output="paced", record=record) as performance:
            performance.on_landing(lambda landed: heard.append(landed.path))
            assert performance.wait_until_sounding(120.0)
            reply = performance.set("deck/a/prompt", "techno, dark")
            assert isinstance(reply, riffengine.Accepted) and reply.landing is not None
            landing = performance.wait_for_landing(reply, 120.0)
            assert landing is not None and landing.beat > 0
            rejected = performance.set("deck/a/promt", "house")
            assert isinstance(rejected, riffengine.Rejected) and "deck/a/prompt" in rejected.reason
            now = performance.set("deck/a/filter", -0.5)
            assert performance.wait_for_landing(now) is not None
            assert isinstance(performance.fire("panic"), riffengine.Accepted)
        assert performance.ended and children() == 0 and not stale_segments()
        sound, rate = soundfile.read(record)
        assert len(sound) > rate and np.abs(sound).max() > 0.05
    assert heard.count("deck/a/prompt") >= 2
    with pytest.raises(SetEnded, match="ended"):
        performance.set("deck/a/prompt", "house")
    with pytest.raises(SetEnded, match="started before"):
        performance.start()


def test_a_set_that_cannot_begin_says_why(tmp_path: Path) -> None:
    with pytest.raises(riffengine.RiffError, match=r"cannot record|No such file"):
        riffengine.play("first-sound", output="paced", record=tmp_path / "no" / "set.wav").start()
    with pytest.raises(riffengine.RiffError, match="first-sound"):
        riffengine.play("first-sond", output="paced")
