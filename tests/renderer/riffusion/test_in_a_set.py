"""A checkpoint in use: on the command line, and in the renderer process of an engine."""

from __future__ import annotations

import json
import select
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
import torch

from riffengine.cli import main
from riffengine.processes.loop_store import LoopStore
from riffengine.processes.render_messages import Alive, Cancel, Cancelled, Delivery, Failed, FromRenderer, Ready, Render
from riffengine.renderer.process import RendererOptions, RendererProcess
from riffengine.renderer.riffusion.bands import BANDS
from riffengine.session.session import load_session
from tests.renderer.riffusion.checkpoints import REQUEST, toy_checkpoints

SLOTS, FLOATS = 3, 3 * 2 * 44100
PATIENCE_SECONDS = 240.0  # of a loaded machine
MODEL = f"{toy_checkpoints() / 'modern'}?device=cpu&scheduler=ddim"


def test_an_engines_renderer_plays_a_checkpoint_and_stops_between_steps(tmp_path: Path) -> None:
    store = LoopStore.create(SLOTS, FLOATS)
    renderer = RendererProcess(RendererOptions(store.name, SLOTS, FLOATS, MODEL))
    renderer.start()
    received: list[FromRenderer] = []

    def receive_until(enough: Callable[[FromRenderer], bool]) -> FromRenderer:
        while not any(map(enough, received)):
            assert select.select([renderer.fileno()], [], [], PATIENCE_SECONDS)[0], "the renderer sent nothing"
            messages, connected = renderer.receive()
            assert messages or connected, "the renderer is gone"
            received.extend(message for message in messages if not isinstance(message, Alive))
        return next(filter(enough, received))

    try:
        ready = receive_until(lambda message: isinstance(message, Ready))
        assert isinstance(ready, Ready) and (ready.model, ready.stems, ready.channels) == ("riffusion", BANDS, 1)
        (tmp_path / "empty.png").touch()
        renderer.send(Render(1, replace(REQUEST, steps=50, beats=8), 0))
        renderer.send(Cancel(1))
        half = replace(REQUEST.start, strength=0.5)
        renderer.send(Render(2, replace(REQUEST, start=half, init=str(tmp_path / "empty.png")), 0))
        renderer.send(Render(3, replace(REQUEST, beats=65), 0))
        renderer.send(Render(4, REQUEST, 1))
        delivery = receive_until(lambda message: isinstance(message, Delivery))
        assert [type(message) for message in received] == [Ready, Cancelled, Failed, Failed, Delivery]
        hopeless = {message.job: message.hopeless for message in received if isinstance(message, Failed)}
        assert hopeless == {2: True, 3: False}
        assert isinstance(delivery, Delivery) and (delivery.job, delivery.frames, delivery.stems) == (4, 44100, BANDS)
        assert store.view(1, 3, 44100, 1).any() and not store.view(0, 3, 44100, 1).any()
    finally:
        renderer.stop()
        store.close()


def test_render_writes_a_loop_of_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typed = ["render", "--model", MODEL, "--prompt", "funk (saxophone:1.3)", "--steps", "2", "--guidance", "7"]
    typed += ["--init", "straight?mask=keep-low", "--vram", "64GiB", "-o", str(tmp_path / "a.wav"), "--json"]
    assert main(typed) == 0
    report = json.loads(capsys.readouterr().out)
    info = soundfile.info(tmp_path / "a.wav")
    assert (info.frames, info.channels, report["unknown_words"]) == (176400, 2, [])


def test_models_and_convert_as_they_are_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIFFENGINE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert main(["models"]) == 0
    assert "There is no checkpoint yet" in capsys.readouterr().out
    shutil.copytree(toy_checkpoints() / "pickled", tmp_path / "models" / "old")
    assert main(["models", "list", "--json"]) == 0
    listed = {row["name"]: row["state"] for row in json.loads(capsys.readouterr().out)["models"]}
    assert listed == {"bundled": "ready", "old": "pickled"}
    assert main(["models", "check", "old"]) == 2
    assert "riffengine convert" in capsys.readouterr().err
    torch.save({"x.lora_A.weight": torch.ones(1)}, tmp_path / "lora.pt")
    assert main(["convert", str(tmp_path / "lora.pt"), "-o", str(tmp_path / "lora.safetensors")]) == 0
    assert "safetensors, ready" in capsys.readouterr().out
    assert main(["models", "check", str(toy_checkpoints() / "modern"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bands"] == 64
    assert main(["models", "get"]) == 2
    assert main(["render", "--prompt", "x", "--vram", "4GiB", "-o", str(tmp_path / "x.wav")]) == 2
    assert "--vram is for checkpoints" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["play", "serve"])
def test_nothing_starts_without_the_checkpoint(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIFFENGINE_MODELS", str(tmp_path / "models"))
    (tmp_path / "empty").mkdir()
    wrong = {
        "nobody/nothing": "riffengine models get nobody/nothing",
        str(tmp_path / "empty"): "model_index.json is missing): give a folder",
        str(toy_checkpoints() / "pickled"): "riffengine convert",
        f"{toy_checkpoints() / 'modern'}?colour=red": "known are scheduler=",
    }
    for model, words in wrong.items():
        (tmp_path / "mine.yaml").write_text(f'model: "{model}"\n')
        assert main([verb, str(tmp_path / "mine.yaml"), "--no-osc"]) == 2
        said = capsys.readouterr()
        assert words in said.err and "output:" not in said.out


def test_a_preset_of_a_checkpoint_has_bands_for_stems(tmp_path: Path) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text("model: somebody/something\ndeck: {a: {stem: {low: {gain: -3}}, guidance: 7}}\n")
    assert load_session(preset).parameters["deck/a/stem/low/gain"] == -3
