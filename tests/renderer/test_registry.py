"""A family that the package does not know plays everywhere once it has a line in the table."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile

from riffengine.cli import main
from riffengine.clock import SystemClock
from riffengine.engine.context import build_context, slot_floats
from riffengine.engine.options import PlayOptions
from riffengine.engine.surfaces.unknown_words import UnknownWords
from riffengine.errors import ModelError, OutOfRange
from riffengine.notes.loop_notes import LoopNote, unpack
from riffengine.offline.render import RenderJob, load_alone, render_file
from riffengine.processes.loop_store import LoopStore
from riffengine.processes.render_messages import Delivery, FromRenderer, Render, RenderCost
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer import process, registry
from riffengine.renderer.family import Check, Family, FamilyDescriptor, ModelShape, Rendition
from riffengine.session.audio import AudioSettings
from riffengine.session.session import Session, load_session

NOTE = LoopNote("bass", 33, 0, 4, 100)


class Sines:
    """Two stems, each a sine."""

    name, stems, channels, vocabulary, weights_digest = "sines", ("low", "high"), 1, ("sine",), "51e5"

    def render(self, request: RenderRequest, check: Check) -> Rendition:
        check()
        frames = round(request.beats * 60 * request.sample_rate / request.bpm)
        turns = 2 * np.pi * np.arange(frames) / frames
        audio = np.stack([np.sin(k * turns) for k in (100, 400)]).astype(np.float32)[:, :, None] * 0.2
        return Rendition(request, audio, np.zeros((1, 1), np.float32), None, -19.0, 0.4, RenderCost(), notes=(NOTE,))


class SinesDescriptor(FamilyDescriptor):
    """Owns every model whose name begins with ``sines``."""

    name = "sines"
    stems = ("sines", *Sines.stems)

    def owns(self, model: str) -> bool:
        return model.startswith("sines")

    def shape(self, model: str) -> ModelShape:
        return ModelShape(Sines.stems, 1)

    def load(self, model: str) -> Family:
        return Sines()

    def weights_digest(self, model: str) -> str:
        return Sines.weights_digest

    def vocabulary(self, model: str) -> OneWord:
        return OneWord()


class OneWord:
    def by_role(self) -> Mapping[str, tuple[str, ...]]:
        return {"wave": ("sine",)}

    def unknown(self, prompt: str) -> tuple[str, ...]:
        return tuple(word for word in prompt.split() if word != "sine")

    def suggest(self, word: str) -> tuple[str, ...]:
        return ("sine",) if word.startswith("si") else ()


@pytest.fixture(autouse=True)
def sines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "FAMILIES", (SinesDescriptor(), *registry.FAMILIES))


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("bundled", "bundled"), ("my/weights.safetensors", "bundled"), ("bundled2", "riffusion"), ("sines", "sines"),
        ("riffusion/riffusion-model-v1?lora=a.safetensors", "riffusion"), ("~/folder", "riffusion"),
    ],
)  # fmt: skip
def test_every_model_has_one_family(model: str, name: str) -> None:
    assert registry.family_of(model).name == name


def test_the_known_stems_are_those_of_every_family() -> None:
    known = registry.known_stems()
    assert known == ("sines", "low", "high", "mix", "drums", "bass", "harmony", "mid")
    for model in ("bundled", "a/b", "sines"):
        assert set(registry.model_shape(model).stems) <= set(registry.family_of(model).stems)


def test_the_table_needs_no_torch() -> None:
    code = """
import sys
from riffengine.renderer.registry import family_of, model_shape
for model in ("bundled", "a/b"):
    model_shape(model), family_of(model).weights_digest(model), family_of(model).vocabulary(model)
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_only_a_checkpoint_takes_a_memory_limit() -> None:
    assert registry.family_of("a/b").with_memory_limit("a/b?batch=2", "4GiB") == "a/b?batch=2&vram=4GiB"
    for model in ("bundled", "sines"):
        with pytest.raises(ModelError, match="--vram is for checkpoints"):
            registry.family_of(model).with_memory_limit(model, "4GiB")


def test_it_renders_to_a_file_with_its_stems_and_notes(tmp_path: Path) -> None:
    request = RenderRequest(MorphEnd("sine", 1), MorphEnd("sine", 2), model="sines")
    job = RenderJob(tmp_path / "mix.wav", request, levels={"high": 0.0}, stems=tmp_path, midi=tmp_path / "notes.mid")
    report = render_file(job, load_alone("sines"))
    assert (report.weights, report.notes, report.stems) == ("51e5", 1, (str(tmp_path / "low.wav"),))
    assert soundfile.info(tmp_path / "mix.wav").frames == report.frames == 8 * 22050


def test_a_preset_sets_the_stems_of_its_model(tmp_path: Path) -> None:
    preset = tmp_path / "sines.yaml"
    preset.write_text('model: sines\ndeck: {a: {prompt: "sine", stem: {high: {gain: -6}}}}\n')
    session = load_session(preset)
    assert session.parameters["deck/a/stem/high/gain"] == -6.0 and "deck/a/stem/low/mute" in session.tree()


def test_the_engine_is_made_for_its_loops(tmp_path: Path) -> None:
    session = Session(model="sines:2", audio=AudioSettings(sample_rate=8000))
    options = PlayOptions(journal=tmp_path / "set.jsonl")
    context = build_context(session, options, SystemClock(), print)
    try:
        assert context.conductor.scheduler.facts.model == "sines:2"
        assert slot_floats(session) == 8 * 8000 * 2  # eight beats at 60 bpm, two mono stems
        assert context.renderer_options().model == "sines:2"
    finally:
        context.surfaces.close()
        context.store.close()
    assert json.loads((tmp_path / "set.jsonl").read_text().splitlines()[0])["model_digest"] == "51e5"


def test_its_loops_and_notes_cross_the_process_border() -> None:
    request = RenderRequest(MorphEnd("sine", 1), MorphEnd("sine", 1), sample_rate=8000)
    store = LoopStore.create(1, 2 * 8 * 8000)
    try:
        queue = process._JobQueue()
        queue.put(Render(1, request, 0))
        answers: list[FromRenderer] = []

        def send(message: FromRenderer) -> None:
            answers.append(message)
            queue.close()

        process._render_jobs(queue, store, registry.load_family("sines"), send)
    finally:
        store.close()
    [delivery] = [answer for answer in answers if isinstance(answer, Delivery)]
    assert (delivery.stems, delivery.channels, unpack(delivery.notes)) == (("low", "high"), 1, (NOTE,))


def test_the_words_it_does_not_know_are_noted() -> None:
    said: list[str] = []
    words = UnknownWords("sines", said.append)
    assert words.note("deck/a/prompt", "sine sinus") == "the model does not know 'sinus'; did you mean sine?"
    assert UnknownWords("a/checkpoint", said.append).note("deck/a/prompt", "sinus") == ""
    assert said == ["the model does not know 'sinus'; did you mean sine?"]


def test_its_words_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["words", "--model", "sines"]) == 0
    assert capsys.readouterr().out.startswith("wave: sine\n")
    note = UnknownWords("sines", print).note("deck/a/prompt", "house")
    assert note == "the model does not know 'house'; `riffengine words --model sines` lists the words that it knows"


def test_a_stem_that_it_does_not_have_is_refused(tmp_path: Path) -> None:
    request = RenderRequest(MorphEnd("sine", 1), MorphEnd("sine", 1), model="sines")
    with pytest.raises(OutOfRange, match="it has low, high"):
        render_file(RenderJob(tmp_path / "mix.wav", request, levels={"drums": 1.0}), load_alone("sines"))
