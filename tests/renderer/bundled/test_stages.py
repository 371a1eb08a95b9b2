"""Scores as the networks know them: with velocities, or, if they were trained before there were any, without."""

from pathlib import Path

import numpy as np
import pytest
import torch

from riffengine.processes.render_request import MorphEnd, RenderRequest, Retake
from riffengine.renderer.bundled import conditioning as cond
from riffengine.renderer.bundled import score as sheet
from riffengine.renderer.bundled.flow_transformer import FlowShape, FlowTransformer
from riffengine.renderer.bundled.latent_codec import STEMS, LatentCodec
from riffengine.renderer.bundled.sampling import Sampler
from riffengine.renderer.bundled.score import Hit, Note, notes_from_score, score_from_notes
from riffengine.renderer.bundled.score_notes import loop_notes
from riffengine.renderer.bundled.stages import as_trained, score_from_flow, score_to_flow
from riffengine.renderer.bundled.vocabulary import Vocabulary
from riffengine.renderer.bundled.weights import Networks, packaged_weights, read_weights, write_weights

NOTES = [
    Note("bass", 33, 0, 4, 0.0),
    Note("comp", 60, 2, 6, 0.3),
    Note("comp", 64, 2, 6, 0.3),
    Note("lead", 72, 4, 2, 1.0),
]
OLD, NEW = FlowShape(166, 0, 4), FlowShape(166, 0, 4, velocities=True)


def flow_of(notes: list[Note], shape: FlowShape) -> torch.Tensor:
    score = torch.from_numpy(score_from_notes(notes, [Hit("kick", 0, 0.7)]))[None]
    return score_to_flow(as_trained(score, shape))


def test_velocities_survive_the_flow_of_a_network_that_has_them() -> None:
    read, hits = notes_from_score(score_from_flow(flow_of(NOTES, NEW), NEW.velocities)[0].numpy())
    assert read == NOTES and hits == [Hit("kick", 0, float(np.float32(0.7)))]


def test_soft_onsets_are_found_and_noise_is_not() -> None:
    rough = flow_of(NOTES, NEW)
    rough[..., sheet.ONSETS] += 0.4 * torch.sign(torch.randn(rough[..., sheet.ONSETS].shape))
    read, _ = notes_from_score(score_from_flow(rough, True)[0].numpy())
    assert [(note.part, note.pitch, note.start_step) for note in read] == [
        (note.part, note.pitch, note.start_step) for note in NOTES
    ]


def test_a_network_without_velocities_is_read_as_before() -> None:
    x = flow_of(NOTES, OLD)
    assert set(x[..., sheet.ONSETS].unique().tolist()) == {0.0, 2.0}
    for factor in (1.0, 0.6):  # a weak prediction of an onset is no soft note
        read, _ = notes_from_score(score_from_flow(x * factor, OLD.velocities)[0].numpy())
        assert [note.velocity for note in read] == [0.8] * 4
    weak = x.clone()
    weak[..., sheet.ONSETS] = 0.9  # below the middle: no onset, except that every note starts
    assert len(notes_from_score(score_from_flow(weak, OLD.velocities)[0].numpy())[0]) == 4
    notes = loop_notes(score_from_flow(x, OLD.velocities)[0].numpy())
    assert {note.velocity for note in notes if note.part != "drums"} == {102}


def test_a_retake_keeps_the_velocities_of_what_it_keeps() -> None:
    codec = LatentCodec(STEMS)
    small = {"width": 64, "depth": 1, "heads": 1, "scalars": 5, "velocities": True}
    words = Vocabulary.load()
    # Networks that were never trained leave the noise as it is: notes at random, with velocities at random.
    nets = (
        FlowTransformer(FlowShape(166, 0, len(words), **small)),
        FlowTransformer(FlowShape(codec.channels, cond.CONTEXT_COLUMNS, len(words), **small)),
    )
    sampler = Sampler(*nets, codec, words)
    point = MorphEnd("jazz trio", 7)

    def notes(*retakes: Retake, transpose: int = 0) -> dict[str, list[tuple[int, float]]]:
        request = RenderRequest(point, point, steps=1, bpm=120.0, retakes=retakes, transpose=transpose)
        with torch.inference_mode():
            score = sampler.sample(request, lambda: None, None, lambda _: pytest.fail("there is no init")).score
        found: dict[str, list[tuple[int, float]]] = {}
        for note in notes_from_score(score.numpy())[0]:
            found.setdefault(note.part, []).append((note.start_step, note.velocity))
        return found

    first, bass_again = notes(), notes(Retake(("bass",), 0xFF, 1))
    assert len({velocity for _, velocity in first["lead"]}) > 8
    assert (bass_again["lead"], bass_again["comp"]) == (first["lead"], first["comp"])
    assert bass_again["bass"] != first["bass"]
    assert set(notes(transpose=3)["bass"]) <= set(first["bass"])


def test_weights_declare_velocities_and_the_words_they_know(tmp_path: Path) -> None:
    shipped = read_weights(packaged_weights())
    assert shipped.score.shape.velocities and shipped.render.shape.velocities
    assert shipped.vocabulary.words == Vocabulary.load().words
    codec = LatentCodec(STEMS)
    small = {"width": 64, "depth": 1, "heads": 1, "scalars": 5}
    stages = [FlowTransformer(FlowShape(166, 0, 118, velocities=True, **small))]
    stages += [FlowTransformer(FlowShape(codec.channels, 195, 116, **small)) for _ in range(2)]
    write_weights(tmp_path / "mixed.safetensors", Networks(stages[0], stages[1], stages[2], codec, ""))
    mixed = read_weights(tmp_path / "mixed.safetensors")
    assert mixed.score.shape.velocities and not mixed.render.shape.velocities
    assert mixed.vocabulary.words[-2:] == ("melodica", "trio")
