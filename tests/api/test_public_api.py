"""The public API: exactly what is exported, typed, and doing what its page says."""

from __future__ import annotations

import multiprocessing
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from safetensors import safe_open
from safetensors.numpy import save_file

import riffengine
from riffengine.cli.parser import build_parser
from riffengine.cli.render import render_job
from riffengine.errors import (
    AudioFileError,
    DeviceError,
    JournalError,
    OutOfRange,
    ParameterError,
    PresetError,
    RendererError,
    SetEnded,
)
from riffengine.renderer.bundled.descriptor import packaged_weights

PUBLIC = {
    "Accepted", "Command", "EngineEvent", "Family", "Landing", "LoopNote", "Observation", "ParameterError",
    "ParameterLanded", "Performance", "Rejected", "RenderRequest", "RenderedLoop", "Rendition", "ReplayReport",
    "RiffError", "Session", "SetEnded", "__version__", "load_model", "load_session", "play", "render", "render_journal",
}  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]
LOOP = ROOT / "docs" / "examples" / "techno.ogg"
SESSION = riffengine.Session(
    name="two decks",
    decks=("a", "b"),
    parameters={"deck/a/prompt": "lo-fi hip hop, warm", "deck/b/prompt": "dub, deep", "key": "d minor"},
)

CLIENT = """\
from pathlib import Path
import riffengine

def loop(path: Path) -> float:
    made: riffengine.RenderedLoop = riffengine.render("house", bpm=124, key="A minor", density=0.5)
    made.save(path)
    return made.loudness_lufs + float(made.samples.max())

heard: list[riffengine.ParameterLanded] = []

def play() -> float:
    session = riffengine.Session(decks=("a", "b"), parameters={"deck/b/prompt": "dub"})
    riffengine.play(session, osc=True)
    with riffengine.play("first-sound", output="paced") as performance:
        reply = performance.set("deck/a/prompt", "techno")
        if isinstance(reply, riffengine.Rejected):
            return float(len(reply.reason))
        performance.on_landing(heard.append)
        observation: riffengine.Observation | None = performance.observation
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
    page = (ROOT / "docs" / "api.md").read_text()
    programs = [block.partition("```")[0] for block in page.split("```python\n")[1:3]]  # those that are whole
    names = [f"client{number}.py" for number in range(3)]
    for name, program in zip(names, [CLIENT, *programs], strict=True):
        (tmp_path / name).write_text(program)
    # With the project's own options, so that what the check of the types has left in its cache is used.
    command = [sys.executable, "-m", "mypy", "--no-error-summary", *(str(tmp_path / name) for name in names)]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
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
        ({"swing": 0.5}, ParameterError, "swing does not determine a loop; allowed are"),
        ({"gain": -6.0}, ParameterError, "gain does not determine a loop"),
        ({"takes": "flute:1-8:1"}, OutOfRange, "drums, bass, harmony"),
        ({"sample_rate": 8000}, OutOfRange, "44100 or 48000"),
    ],
)
def test_bad_arguments_say_what_is_allowed(arguments: dict[str, float], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        riffengine.render("house", model=riffengine.load_model(), **arguments)


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    loop = riffengine.render("house", model=riffengine.load_model())
    with pytest.raises(AudioFileError, match="ending"):
        loop.save(tmp_path / "loop.xyz")


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ({"chords": "Am F C G", "transpose": 3}, ["--chords", "Am F C G", "--transpose", "3"]),
        ({"takes": "drums:1-8:1", "key": "D minor"}, ["--takes", "drums:1-8:1", "--key", "D minor"]),
        ({"to": "techno", "alpha": 0.4, "to_seed": 9}, ["--to", "techno", "--alpha", "0.4", "--to-seed", "9"]),
        ({"init": str(LOOP)}, ["--init", str(LOOP)]),
    ],
    ids=["chords", "takes", "morph", "init"],
)
def test_the_render_verb_gives_the_same_request(arguments: dict[str, Any], options: list[str], tmp_path: Path) -> None:
    asked: list[riffengine.RenderRequest] = []
    with pytest.raises(RendererError):
        riffengine.render("house, piano", seed=4, model=Silent(asked), **arguments)
    typed = ["render", "--prompt", "house, piano", "--seed", "4", *options, "-o", str(tmp_path / "loop.wav")]
    job = render_job(build_parser().parse_args(typed))
    assert [replace(request, model="bundled") for request in asked] == [job.request.canonical()]


class Silent:
    """A model that only keeps what it is asked for, with the stems of the bundled one."""

    name, stems, channels, vocabulary, weights_digest = "silent", ("drums", "bass", "harmony"), 1, (), "1"

    def __init__(self, asked: list[riffengine.RenderRequest]) -> None:
        self._asked = asked

    def render(self, request: riffengine.RenderRequest, check: Callable[[], None]) -> riffengine.Rendition:
        self._asked.append(request)
        raise RendererError("it is silent")


def test_a_sound_to_start_from_is_heard_and_stems_are_written(tmp_path: Path) -> None:
    model = riffengine.load_model()
    plain, started = (riffengine.render("house, piano", model=model, init=init) for init in ("", LOOP))
    assert np.abs(plain.samples - started.samples).max() > 0.01
    paths = plain.save_stems(tmp_path)
    assert [path.name for path in paths] == ["drums.wav", "bass.wav", "harmony.wav"]
    drums, _ = soundfile.read(paths[0], dtype="float32")
    assert np.abs(drums - plain.stems["drums"]).max() < 2e-7


def left_behind() -> list[object]:
    """Processes and shared memory of this process's sets, once those that were killed have had time to end."""
    for child in multiprocessing.active_children():
        child.join(20.0)
    return [*multiprocessing.active_children(), *Path("/dev/shm").glob(f"riffengine-{os.getpid()}-*")]


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
        assert performance.ended and not left_behind()
        sound, rate = soundfile.read(record)
        assert len(sound) > rate and np.abs(sound).max() > 0.05
    assert heard.count("deck/a/prompt") >= 2
    with pytest.raises(SetEnded, match="ended"):
        performance.set("deck/a/prompt", "house")
    with pytest.raises(SetEnded, match="started before"):
        performance.start()


def test_callbacks_may_fail_wait_and_send_commands(caplog: pytest.LogCaptureFixture) -> None:
    answers: list[object] = []
    threads: set[str] = set()

    def fail(landed: riffengine.ParameterLanded) -> None:
        raise ValueError(landed.path)

    with riffengine.play(SESSION, output="paced") as performance:

        def answer(landed: riffengine.ParameterLanded) -> None:
            threads.add(threading.current_thread().name)
            answers.append(performance.set("deck/b/gain", -3.0))

        performance.on_landing(fail)
        performance.on_landing(answer)
        assert performance.wait_until_sounding(120.0)
        reply = performance.set("deck/b/seed", 5)
        assert performance.wait_for_landing(reply, 120.0) is not None
        observation = performance.observation
        assert observation is not None and observation.faults == 0
    assert answers and all(isinstance(answer, riffengine.Accepted) for answer in answers)
    assert threads == {"riffengine-callbacks"}
    assert "ValueError: deck/b/seed" in caplog.text and not left_behind()


def test_a_set_made_in_python_plays_its_decks_and_a_journal_is_rendered_again(tmp_path: Path) -> None:
    journal, heard = tmp_path / "set.jsonl", tmp_path / "set.wav"
    with riffengine.play(SESSION, output="paced", journal=journal, record=heard) as performance:
        assert performance.wait_until_sounding(120.0)
        performance.wait(1.0)
        assert performance.values["deck/b/prompt"] == "dub, deep" and performance.values["key"] == "D minor"
    report = riffengine.render_journal(journal, tmp_path / "again.wav")
    assert report.same_weights and report.renders > 0
    first, again = soundfile.read(heard, dtype="float32")[0], soundfile.read(report.output, dtype="float32")[0]
    np.testing.assert_array_equal(first[: len(again)], again[: len(first)])
    with pytest.raises(JournalError, match="exist"):
        riffengine.play(SESSION, output="paced", journal=journal).start()
    assert not left_behind()


@pytest.mark.parametrize(
    ("session", "arguments", "error", "said"),
    [
        (riffengine.Session(parameters={"deck/a/promt": "house"}), {}, ParameterError, "deck/a/prompt"),
        (riffengine.Session(parameters={"deck/a/alpha": 2.0}), {}, ParameterError, "from 0 to 1"),
        (riffengine.Session(), {"output": "radio"}, DeviceError, "auto, device, paced or daw"),
        (riffengine.Session(), {"record": "set.mp3"}, AudioFileError, ".wav or .flac"),
        (riffengine.Session(), {"record": "no/folder/set.wav"}, AudioFileError, "no folder"),
        ("first-sond", {}, PresetError, "first-sound"),
    ],
)  # fmt: skip
def test_what_cannot_be_played_is_refused_before_anything_starts(
    session: riffengine.Session | str, arguments: dict[str, str], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=re.escape(said)):
        riffengine.play(session, **arguments)


def test_a_set_whose_renderer_cannot_start_says_why(tmp_path: Path) -> None:
    weights = tmp_path / "other.safetensors"  # its header is read here, its vocabulary in the renderer's process
    with safe_open(packaged_weights(), framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        save_file(tensors, weights, {**file.metadata(), "vocabulary": "another"})
    performance = riffengine.play(riffengine.Session(model=str(weights)), output="paced")
    with pytest.raises(riffengine.RiffError, match="another vocabulary"), performance:
        performance.wait(60.0)
    assert performance.ended and not left_behind()


SCRIPT = """
import riffengine
performance = riffengine.play("first-sound", output="paced").start()
print("started", performance.session.name, flush=True)
"""


def test_a_script_that_ends_without_stop_fades_out_and_leaves_nothing(tmp_path: Path) -> None:
    ended = run_script(tmp_path, "if __name__ == '__main__':" + SCRIPT.replace("\n", "\n    "))
    assert ended.returncode == 0, ended.stderr
    assert "started" in ended.stdout and "Traceback" not in ended.stderr and "leaked" not in ended.stderr


def test_a_script_without_a_guard_is_told_what_to_write(tmp_path: Path) -> None:
    ended = run_script(tmp_path, SCRIPT)
    assert ended.returncode == 1
    assert 'below `if __name__ == "__main__":`' in ended.stderr and "started" not in ended.stdout


def run_script(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(text)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "script.py"]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
