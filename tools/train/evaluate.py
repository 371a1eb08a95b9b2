"""Judge the shipped model: ``python -m tools.train.evaluate --heldout DIR --judge FILE [--count 320] [--json FILE]``.

Every score stands beside its references: real held-out loops (of the soundfont that the model learnt from), their
reconstruction (stems → latents → mel → phase), and generated loops scored against the captions of other loops
(``genre shuffled``). Pitches are measured on the pitched stems, all else on the mix. ``genre word only`` are loops from
a prompt of one word at the tempo of a loop of another genre: what a player types, with the tempo giving nothing away.
``without latents`` are the real loops after phase reconstruction alone; what is said of sound (buzz, rises, width,
loudness, bands) is of the stereo mix, or of its drums; ``listener`` is the encoder's score of
a real mix against the true one. Intervals are 95 % by bootstrap, over loops; for the instruments over instruments. With
``--beats 4`` or ``16`` the loops are that long, and judged two bars at a time: one bar twice, of four the first two.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from riffengine.processes.render_request import LOOP_BEATS, MorphEnd, RenderRequest
from riffengine.renderer.bundled import score as sheet
from riffengine.renderer.bundled.descriptor import packaged_weights
from riffengine.renderer.bundled.family import BundledModel
from riffengine.renderer.bundled.keys import parse_key
from riffengine.renderer.bundled.vocabulary import Vocabulary
from riffengine.renderer.codec import Codec, CodecParams
from tools.bench.codec import closeness
from tools.train import measures
from tools.train.features import load_shards, stems_of, stereo_stems_of
from tools.train.judge import Judge, hear, labels, verdicts
from tools.train.sound_report import StereoLoop, add_drums_rebuilt, add_sound
from tools.train.studio.mixes import MIXES
from tools.train.sweeps import alpha_steps, knob_ranks, takes_apart
from tools.train.table import Table, auc
from tools.train.written import bars_in_common, distinct_velocities, found_key

TONICS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
Stems = np.ndarray  # (3, frames) float32


def key_name(shift: int, mode: int) -> str:
    """The key parameter that gives ``shift`` semitones from home in ``mode`` (0 major, 1 minor)."""
    tonic = (shift + (9 if mode else 0)) % 12
    name = f"{TONICS[tonic]} {'minor' if mode else 'major'}"
    assert parse_key(name).shift == shift
    return name


@dataclass(frozen=True)
class Sampling:
    """How loops are asked for: as the package plays them, unless said otherwise."""

    steps: int = 8
    guidance: float = 3.0
    beats: int = sheet.BEATS


class Captions:
    """The held-out loops and what is true of them; only those whose genre can be heard have one."""

    def __init__(self, folder: Path, count: int) -> None:
        self.table = {key: value[:count] for key, value in load_shards(folder).items()}
        vocabulary = Vocabulary.load()
        self.words = [[vocabulary.words[w] for w in row if w >= 0] for row in self.table["words"]]
        stereo = [stems for stems, _ in zip(stereo_stems_of(folder), range(count), strict=False)]
        self.heard = [self.in_stereo(row, stems) for row, stems in enumerate(stereo)]
        self.stems = [stems.mean(axis=1) for stems in stereo]
        self.truth = labels(self.table)

    def in_stereo(self, row: int, stems: np.ndarray) -> StereoLoop:
        """Stems ``(3, 2, frames)`` that were played, or generated, for the caption of ``row``."""
        electronic = any(word in MIXES and MIXES[word].electronic for word in self.words[row])
        return StereoLoop(stems, float(self.table["bpm"][row]), electronic)

    def request(self, row: int, how: Sampling) -> RenderRequest:
        """What a player would ask for to get this loop."""
        point = MorphEnd(", ".join(self.words[row]), 1000 + row, guidance=how.guidance)
        key = key_name(int(self.table["key_shift"][row]), int(self.table["mode"][row]))
        bpm = float(self.table["bpm"][row])
        return RenderRequest(point, point, steps=how.steps, bpm=bpm, beats=how.beats, key=key)

    def score(self, row: int) -> np.ndarray:
        """The true score in the home key."""
        return np.asarray(self.table["scores"][row].astype(np.float32) / 255)

    def asked(self, row: int) -> np.ndarray:
        """The notes that begin in it, at sounding pitch."""
        return measures.written_onsets(sheet.transpose(self.score(row), int(self.table["key_shift"][row])))


def add_judged(table: Table, group: str, loops: list[np.ndarray], judge: Judge, captions: Captions) -> None:
    """Genre, drums and instruments, by the judge."""
    genre_true, bags, drums_true = captions.truth
    genre, words, drums = verdicts(judge, torch.stack([hear(loop) for loop in loops]))
    told = genre_true >= 0
    table.add(group, "genre", (genre.argmax(1) == genre_true)[told].numpy())
    # At random, for the genres of the captions go round.
    others = genre_true[told][torch.randperm(int(told.sum()), generator=torch.Generator().manual_seed(8))]
    table.add(group, "genre shuffled", (genre.argmax(1)[told] == others).numpy())
    table.add(group, "drums on/off", ((drums > 0).float() == drums_true).numpy())
    vocabulary = Vocabulary.load()
    instruments = [vocabulary.index(word) for word in vocabulary.with_role("instrument")]
    areas = [auc(words[:, i].numpy(), bags[:, i].numpy()) for i in instruments if bags[:, i].sum() >= 3]
    table.add(group, "instrument AUC", areas)


def add_measured(table: Table, group: str, stems: list[Stems], captions: Captions, *, whole: bool) -> None:
    """All that needs no judge; ``whole`` loops end where they begin."""
    pitched = {row: part[1:].sum(axis=0) for row, part in enumerate(stems) if np.abs(part[1:]).max() > 1e-3}
    pitches = {row: measures.pitch_measures(loop) for row, loop in pitched.items()}
    for name in ("diatonic", "in_tune", "peaks", "chroma_bits"):
        table.add(group, name, [measured[name] for measured in pitches.values()])
    shifts = captions.table["key_shift"]
    table.add(group, "key", [(p["scale"] - shifts[row]) % 12 == 0 for row, p in pitches.items()])
    table.add(group, "partial crest", [measures.partial_crest(loop) for loop in pitched.values()])
    mixes = [part.sum(axis=0) for part in stems]
    table.add(group, "onset grid", [measures.onset_grid(loop) for loop in mixes])
    if whole:  # half of a longer loop ends anywhere
        table.add(group, "seam ratio", [measures.seam_ratio(loop) for loop in mixes])
    table.add(group, "change at all borders", [measures.blockiness(loop) for loop in mixes])


def add_written(table: Table, group: str, scores: list[np.ndarray], keys: list[tuple[int, bool]]) -> None:
    """What stands in the scores: velocities, drums from bar to bar, the asked ``keys`` (tonic, minor)."""
    table.add(group, "velocities a part", [n for score in scores for n in distinct_velocities(score).values()])
    alike = [value for score in scores if np.isfinite(value := bars_in_common(score))]
    table.add(group, "drum bars in common", alike, np.median)
    found = [(found_key(score), key) for score, key in zip(scores, keys, strict=True)]
    table.add(group, "key in the notes", [one == key for one, key in found if one is not None])


def add_blockiness(table: Table, group: str, stems: list[Stems], scores: list[np.ndarray]) -> None:
    """Change at the borders of 16ths on which nothing begins in the loop's own score."""
    pairs = zip(stems, scores, strict=True)
    table.add(group, "blockiness", [measures.blockiness(part.sum(axis=0), score) for part, score in pairs])


def add_notes(table: Table, group: str, stems: list[Stems], captions: Captions) -> None:
    """The notes of the true score found again in the pitched stems; ``notes shuffled`` are those of another loop."""
    heard = [measures.heard_onsets(part[1:].sum(axis=0)) for part in stems]
    for name, shift in (("note F1", 0), ("note F1 shuffled", 7)):
        found = [measures.note_f1(captions.asked(row), heard[(row + shift) % len(heard)]) for row in range(len(heard))]
        table.add(group, name, [value for value in found if np.isfinite(value)])


def nearest(loops: list[np.ndarray], others: list[np.ndarray], judge: Judge) -> np.ndarray:
    """Cosine distance of every loop to its nearest neighbour among ``others``, on what the judge hears."""

    def flat(group: list[np.ndarray]) -> torch.Tensor:
        rows = torch.stack([hear(loop).reshape(-1) for loop in group])
        return torch.nn.functional.normalize(rows - rows.mean(dim=1, keepdim=True), dim=1)

    return (1.0 - (flat(loops) @ flat(others).T).amax(dim=1)).numpy()


def rendered(model: BundledModel, request: RenderRequest, score: np.ndarray | None = None) -> Stems:
    """The stems of a request, mono."""
    return np.asarray(rendered_with_score(model, request, score)[0].mean(axis=1))


def rendered_with_score(
    model: BundledModel, request: RenderRequest, score: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The stems of a request ``(3, 2, frames)``, and the score that they play, both two bars long in any case."""
    rendition = model.render(request, lambda: None, score)
    stems, notes = rendition.audio.transpose(0, 2, 1), rendition.score
    assert notes is not None
    if request.beats < sheet.BEATS:
        repeats = sheet.BEATS // request.beats
        stems, notes = np.tile(stems, repeats), np.tile(notes, (repeats, 1))
    share = max(request.beats // sheet.BEATS, 1)
    return np.asarray(stems[..., : stems.shape[2] // share]), np.asarray(notes[: sheet.STEPS])


@dataclass(frozen=True)
class Evaluated:
    """The model, the judge, the held-out loops, and what the model made of their captions, loop by loop."""

    model: BundledModel
    judge: Judge
    captions: Captions
    how: Sampling
    rebuilt: list[Stems]
    made: list[Stems]

    @property
    def few(self) -> range:
        """The rows for the slow measures."""
        return range(min(120, len(self.captions.stems)))


def add_reconstruction(table: Table, found: Evaluated) -> None:
    """How close reconstructed loops are to the real ones, with and without the latents."""
    model, captions = found.model, found.captions
    codec = Codec(CodecParams(n_fft=2048, n_mels=128, frames=512))
    phased = [model.reconstruct(captions.stems[row], latents=False) for row in found.few]
    for name, loops in (("", found.rebuilt), (", without latents", phased)):
        pairs = [(torch.from_numpy(a.sum(0))[None], torch.from_numpy(b.sum(0))[None])
                 for a, b in zip(captions.stems, loops, strict=False)]  # fmt: skip
        close = np.array([closeness(codec, a, b) for a, b in pairs])
        table.add("reconstructed", f"spectral convergence{name}", close[:, 0])
        table.add("reconstructed", f"LSD dB{name}", close[:, 1])


def add_scores(table: Table, found: Evaluated) -> None:
    """The notes that the encoder finds in real mixes, and the notes found in loops that were rendered from a score."""
    model, captions, few = found.model, found.captions, found.few
    listened = [measures.written_onsets(model.encode(captions.stems[row].sum(axis=0)).score.numpy()) for row in few]
    table.add("real", "note F1, listener", [measures.note_f1(captions.asked(row), listened[row]) for row in few])
    with_score = [rendered(model, captions.request(row, found.how), captions.score(row)) for row in few]
    for group, stems in (("real", captions.stems[: len(few)]), ("reconstructed", found.rebuilt[: len(few)]),
                         ("generated", with_score)):  # fmt: skip
        add_notes(table, group, stems, captions)


def add_genre_word_only(table: Table, found: Evaluated) -> None:
    """The genre of loops whose prompt is a genre word alone, at the tempo of another row."""
    captions, genres = found.captions, Vocabulary.load().with_role("genre")
    named = rows_with_genre(found)
    single = []
    for row in named:
        point = MorphEnd(genres[int(captions.truth[0][row])], 5000 + row, guidance=found.how.guidance)
        request = replace(captions.request(row - 7, found.how), start=point, end=point, key="")
        single.append(rendered(found.model, request))
    verdict, _, _ = verdicts(found.judge, torch.stack([hear(stems.sum(axis=0)) for stems in single]))
    table.add("generated", "genre word only", (verdict.argmax(1) == captions.truth[0][named]).numpy())


def rows_with_genre(found: Evaluated) -> list[int]:
    """Those of the few rows whose genre can be heard."""
    return [row for row in found.few if found.captions.truth[0][row] >= 0]


def add_knobs(table: Table, found: Evaluated) -> None:
    """Whether density, brightness, alpha and the seed change a loop as they should."""
    model, captions = found.model, found.captions
    requests = [captions.request(row, found.how) for row in rows_with_genre(found)[:40]]
    ranks = np.array(knob_ranks(model, requests, "density", measures.events_heard, measures.onset_count))
    table.add("generated", "density rank", ranks[:, 0])
    table.add("generated", "density rank, onsets", ranks[:, 1])
    table.add("generated", "brightness rank", np.ravel(knob_ranks(model, requests, "brightness", measures.brightness)))
    written = sheet.events(captions.table["scores"].astype(np.float32))
    for name, measure in (("density", measures.events_heard), ("density, onsets", measures.onset_count)):
        for group, stems in (("real", captions.stems), ("reconstructed", found.rebuilt)):
            heard = [measure(part.sum(axis=0)) for part in stems]
            table.add(group, f"{name}, across loops", [measures.rank_correlation(heard, written)])
    table.add("generated", "alpha largest/mean step", alpha_steps(model, requests[:8]))
    table.add("generated", "distance of seeds", takes_apart(model, requests[:10], lambda loop: hear(loop).numpy()))


def add_novelty(table: Table, found: Evaluated, train: Path) -> None:
    """The distance of real and generated loops to the nearest of the training loops in ``train``."""
    known = [stems.sum(axis=0) for stems, _ in zip(stems_of(train), range(1500), strict=False)]
    for group, stems in (("real", found.captions.stems), ("generated", found.made)):
        near = nearest([part.sum(axis=0) for part in stems[:100]], known, found.judge)
        table.add(group, "distance to training", near)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heldout", type=Path, required=True)
    parser.add_argument("--judge", type=Path, required=True)
    parser.add_argument("--train", type=Path, help="training loops, for the novelty")
    parser.add_argument("--weights", type=Path, default=packaged_weights())
    parser.add_argument("--count", type=int, default=320)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--beats", type=int, default=sheet.BEATS, choices=LOOP_BEATS, help="other than 8: --quick")
    parser.add_argument("--quick", action="store_true", help="only genre, drums, instruments and pitch")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    args.quick = args.quick or args.beats != sheet.BEATS
    return args


def main() -> None:
    args = parse_arguments()
    how = Sampling(args.steps, args.guidance, args.beats)
    torch.set_num_threads(1)
    captions = Captions(args.heldout, args.count)
    vocabulary = Vocabulary.load()
    judge = Judge(len(vocabulary.with_role("genre")), len(vocabulary))
    judge.load_state_dict(load_file(args.judge))
    model = BundledModel.load(args.weights)
    rows = range(len(captions.stems))
    seconds, made, heard, scores = [], [], [], []
    for row in rows:
        began = time.perf_counter()
        stems, notes = rendered_with_score(model, captions.request(row, how))
        heard.append(captions.in_stereo(row, stems))
        made.append(stems.mean(axis=1))
        scores.append(notes)
        seconds.append(time.perf_counter() - began)
    table = Table()
    found = Evaluated(model, judge, captions, how, [model.reconstruct(stems) for stems in captions.stems], made)
    for group, loops in (("real", captions.stems), ("reconstructed", found.rebuilt), ("generated", made)):
        add_judged(table, group, [part.sum(axis=0) for part in loops], judge, captions)
        add_measured(table, group, loops, captions, whole=group != "generated" or how.beats <= sheet.BEATS)
        add_blockiness(table, group, loops, scores if group == "generated" else [captions.score(row) for row in rows])
    modes, shifts = captions.table["mode"], captions.table["key_shift"]
    home = [(9, True) if mode else (0, False) for mode in modes]
    add_written(table, "real", [captions.score(row) for row in rows], home)
    asked = [(int(tonic + shift) % 12, minor) for (tonic, minor), shift in zip(home, shifts, strict=True)]
    add_written(table, "generated", scores, asked)
    add_sound(table, "real", captions.heard)
    add_sound(table, "generated", heard)
    if not args.quick:
        add_drums_rebuilt(table, captions.heard, found.rebuilt)
        add_reconstruction(table, found)
        add_scores(table, found)
        add_genre_word_only(table, found)
        add_knobs(table, found)
        if args.train:
            add_novelty(table, found, args.train)
    table.add("generated", "seconds a loop, median", seconds, np.median)
    table.add("generated", "weights MB", [args.weights.stat().st_size / 1e6])
    print(f"{len(rows)} held-out captions, {int((captions.truth[0] >= 0).sum())} of them with a genre, {args.steps} "
          f"steps, guidance {args.guidance}, weights {model.weights_digest}, chance of genre "
          f"{1 / len(vocabulary.with_role('genre')):.3f}")  # fmt: skip
    print(table.show())
    if args.json:
        about = {"weights": model.weights_digest, "count": len(rows), "steps": args.steps, "guidance": args.guidance}
        args.json.write_text(json.dumps({**about, "rows": table.rows}, indent=1))


if __name__ == "__main__":
    main()
