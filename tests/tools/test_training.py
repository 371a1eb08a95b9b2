"""The training loops on loops made up for the purpose: they learn, stop, go on, and move to another device whole."""

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from riffengine.renderer.bundled import conditioning as cond
from riffengine.renderer.bundled import score as sheet
from riffengine.renderer.bundled.encoder import encoder_shape
from riffengine.renderer.bundled.flow_transformer import FlowShape, FlowTransformer, flow_times
from riffengine.renderer.bundled.vocabulary import Vocabulary
from riffengine.renderer.bundled.weights import packaged_weights, read_weights
from tools.train import distil, flow, listen
from tools.train.flow import LoopSet, flow_loss
from tools.train.listen import MixSet, encoder_loss
from tools.train.loop import take_over

LOOPS, CHANNELS = 260, 24
WORDS = len(Vocabulary.load().words)


@pytest.fixture
def features(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    folder = tmp_path / "features"
    folder.mkdir()
    np.save(folder / "latents.npy", rng.normal(size=(LOOPS, 32, CHANNELS)).astype(np.float16))
    np.save(folder / "heard.npy", rng.random((LOOPS, 384, 256)).astype(np.float16))
    np.savez(
        folder / "conditions.npz",
        words=rng.integers(-1, WORDS, (LOOPS, 4)),
        mode=rng.integers(0, 2, LOOPS),
        scores=((rng.random((LOOPS, 32, sheet.COLUMNS)) < 0.05) * 255).astype(np.uint8),
        energy=rng.random(LOOPS),
        bpm=rng.uniform(80, 160, LOOPS),
        key_shift=rng.integers(-5, 7, LOOPS),
        brightness=rng.uniform(-1, 1, LOOPS),
    )
    return folder


def train(module, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]) -> list[dict]:
    monkeypatch.setattr("sys.argv", ["train", *words, "--width", "64", "--depth", "1", "--batch", "4", "--save", "2"])
    module.main()
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("stage", ["score", "render", "listener"])
def test_a_training_stops_and_goes_on_where_it_was(stage, features, tmp_path, monkeypatch, capsys):
    source = features if stage != "score" else features / "conditions.npz"
    module, first = (listen, []) if stage == "listener" else (flow, [stage])
    words = [*first, "--source", str(source), "--out", str(tmp_path / "runs")]
    assert [line["step"] for line in train(module, monkeypatch, capsys, [*words, "--steps", "4"])] == [2, 4]
    lines = train(module, monkeypatch, capsys, [*words, "--steps", "6"])
    assert [line["step"] for line in lines] == [6]
    assert all(np.isfinite(line["train"]) and np.isfinite(line["held"]) for line in lines)
    saved = torch.load(tmp_path / "runs" / f"{stage}.pt", weights_only=True)
    assert saved["step"] == 6
    assert saved["optimizer"]["state"]


@pytest.mark.parametrize(("stage", "flow_steps"), [("score", 6), ("render", 0)])
def test_a_stage_is_distilled_from_where_its_teacher_is(stage, flow_steps, features, tmp_path, monkeypatch, capsys):
    source = features if stage != "score" else features / "conditions.npz"
    words = [stage, "--source", str(source), "--out", str(tmp_path / "runs")]
    train(flow, monkeypatch, capsys, [*words, "--steps", "2"])
    lines = train(distil, monkeypatch, capsys, [*words, "--steps", "2", "--lr", "0"])
    assert [line["step"] for line in lines] == [2]
    teacher, student = (
        torch.load(tmp_path / "runs" / f"{name}.pt", weights_only=True) for name in (stage, f"{stage}-distilled")
    )
    assert FlowShape(**student["shape"]) == replace(FlowShape(**teacher["shape"]), guided=True, flow_steps=flow_steps)
    for name, tensor in teacher["average"].items():
        torch.testing.assert_close(student["average"][name], tensor)


def test_two_steps_of_the_teacher_become_one(monkeypatch):
    """With a velocity that is known, the target of the student leads to where the teacher's two steps do."""
    monkeypatch.setattr(distil, "guided", lambda teacher, x, t, batch, strength: t[:, None, None] * torch.ones_like(x))
    times = flow_times(12, 1.0, distil.SCORE_SHIFT)
    x, t, then = torch.zeros(1, 2, 3), torch.tensor([times[4]]), torch.tensor([times[6]])
    velocity = distil.mean_velocity(None, x, t, then, None, torch.ones(1))
    led = (times[5] - times[4]) * times[4] + (times[6] - times[5]) * times[5]
    torch.testing.assert_close((then - t) * velocity[0, 0, 0], torch.tensor([led]))


def test_a_deeper_net_begins_from_what_a_shallow_one_learnt(features, tmp_path, monkeypatch, capsys):
    words = ["render", "--source", str(features), "--steps", "2"]
    train(flow, monkeypatch, capsys, [*words, "--out", str(tmp_path / "one")])
    start = ["--start", str(tmp_path / "one" / "render.pt"), "--steps", "4"]
    train(flow, monkeypatch, capsys, [*words, "--out", str(tmp_path / "two"), *start, "--depth", "2"])
    train(
        flow,
        monkeypatch,
        capsys,
        [*words, "--out", str(tmp_path / "three"), "--start", str(tmp_path / "two/render.pt")],
    )


def test_the_shipped_weights_are_a_start_with_every_word_they_know(tmp_path):
    shipped = read_weights(packaged_weights()).score
    net = FlowTransformer(replace(shipped.shape, words=WORDS, velocities=True))
    take_over(net, packaged_weights(), "score")
    known = shipped.shape.words
    torch.testing.assert_close(net.word_vectors[:known], shipped.word_vectors[:known])
    torch.testing.assert_close(net.word_vectors[-1], shipped.word_vectors[-1])  # that of an empty prompt
    assert not net.word_vectors[known:-1].any()
    torch.testing.assert_close(net.outlet.weight, shipped.outlet.weight)


def test_a_batch_moves_to_another_device_whole(features, monkeypatch):
    # The meta device computes nothing and refuses tensors of any other, as a GPU would.
    monkeypatch.setattr(torch, "autocast", lambda *_: nullcontext())  # it has no bfloat16 of its own
    rows = np.arange(4)
    with torch.device("meta"):
        net = FlowTransformer(FlowShape(CHANNELS, cond.CONTEXT_COLUMNS, WORDS, 64, 1, 1, scalars=cond.SCALARS))
        loops = LoopSet(features, "render", slice(0, 20), [1])
        batch = loops.batch(0, rows)
        loss = flow_loss(net, batch, torch.rand(4), torch.randn(batch[0].shape))
        assert loss.device.type == "meta"
        encoder = FlowTransformer(encoder_shape(CHANNELS, WORDS, 64, 1))
        heard = MixSet(features, slice(0, 20), [1]).batch(rows, coloured=True)
        assert encoder_loss(encoder, heard).device.type == "meta"
