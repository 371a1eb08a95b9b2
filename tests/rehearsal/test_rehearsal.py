"""Whole sets on virtual time, with the real mixer: no gap, exact landings, the same bits for every block size."""

import math
import random

import numpy as np
import pytest

from riffengine.errors import LoopStoreError
from riffengine.performance.command import Accepted, Command
from riffengine.performance.parameters import standard_tree
from riffengine.processes.player_messages import LoopRef, PlaceLoop
from riffengine.rehearsal import Rehearsal, RendererScript, ScriptLine, WatchedStore

PROMPTS = ("techno", "ambient piano", "drum and bass", "jazz trio", "dub")
ANY_TEMPO = tuple(float(bpm) for bpm in range(90, 150))
WHOLE_TEMPI = (
    96.0,
    100.0,
    120.0,
    125.0,
    128.0,
)  # eight beats are whole frames at 500 Hz: no interpolation, half the time


def state_of(tree, **values):
    state = tree.initial_state()
    for path, value in values.items():
        state, reply = tree.apply(state, Command(path.replace("__", "/"), value))
        assert isinstance(reply, Accepted), reply
    return state


def random_script(seconds, seed, decks, every_seconds=20.0, tempi=ANY_TEMPO):
    """Random prompts, seeds, alphas, tempi and fader moves, always the same for one seed."""
    rng, lines, at = random.Random(f"hands {seed}"), [], 5.0
    while at < seconds:
        deck = rng.choice(decks)
        commands = {
            "prompt": Command(f"deck/{deck}/prompt", rng.choice(PROMPTS)),
            "seed": Command(f"deck/{deck}/seed", rng.randrange(1000)),
            "alpha": Command(f"deck/{deck}/alpha", round(rng.random(), 3)),
            "guidance": Command(f"deck/{deck}/guidance", round(rng.uniform(1, 9), 2)),
            "tempo": Command("transport/tempo", rng.choice(tempi)),
            "quantum": Command("transport/quantum", rng.choice(("beat", "bar", "loop", "off"))),
            "crossfader": Command("crossfader", round(rng.uniform(0.2, 0.8), 2)),
            "next": Command("next", True),
        }
        kinds, weights = list(commands), (6, 4, 6, 4, 1, 1, 2, 2)
        lines.append(ScriptLine((commands[rng.choices(kinds, weights)[0]],), at))
        if rng.random() < 0.1:  # a slider: 50 moves in one second
            lines += [
                ScriptLine((Command(f"deck/{deck}/guidance", 1.0 + move / 10),), at + 1.0 + move / 50)
                for move in range(50)
            ]
        at += rng.expovariate(1.0 / every_seconds)
    return lines


def play(
    seconds,
    block_frames=256,
    seed=0,
    decks=("a", "b"),
    every_seconds=20.0,
    slots=40,
    drift=0.2,
    tempi=ANY_TEMPO,
    **trouble,
):
    tree = standard_tree(decks)
    values = {f"deck__{deck}__drift": drift for deck in decks}
    values |= {f"deck__{deck}__seed": 1000 * i for i, deck in enumerate(decks)}
    values |= {f"deck__{deck}__to_seed": 1000 * i + 1 for i, deck in enumerate(decks)}
    state = state_of(tree, crossfader=0.5 if len(decks) > 1 else 0.0, **values)
    rehearsal = Rehearsal(
        tree,
        state,
        random_script(seconds, seed, decks, every_seconds, tempi),
        RendererScript(seed=seed, **trouble),
        sample_rate=500,
        block_frames=block_frames,
        slots=slots,
    )
    return rehearsal.run(seconds)


def check(report):
    assert (report.gaps, report.longest_gap_seconds) == (0, 0.0)
    assert report.landing_error_frames_max == 0
    assert (report.late_messages, report.refused_messages) == (0, 0)
    assert report.repeated_renders == 0
    assert 0.1 < report.peak <= 1.0


def test_the_same_set_is_the_same_to_the_last_bit_for_every_block_size():
    reports = [play(240, block, failure_share=0.03, crash_every_seconds=50) for block in (7, 64, 256, 1024)]
    check(reports[0])
    assert len({report.digest for report in reports}) == 1
    assert reports[0].crashes >= 2
    assert len(reports[0].landings) > 20


def test_another_seed_is_another_set():
    assert play(60, seed=1).digest != play(60, seed=2).digest


@pytest.mark.parametrize("seed", range(4))
def test_twenty_minutes_with_failures_and_crashes_have_no_gap(seed):
    report = play(1200, seed=seed, every_seconds=8.0, failure_share=0.05, crash_every_seconds=120)
    check(report)
    assert report.crashes >= 3
    assert report.renders_failed >= 10
    assert report.renders_delivered >= 400


@pytest.mark.parametrize("crash_seed", range(6))
def test_a_renderer_that_keeps_dying_never_silences_the_set(crash_seed):
    report = play(300, seed=crash_seed, every_seconds=5.0, crash_every_seconds=8, restart_seconds=3.0)
    check(report)
    assert report.crashes >= 10


def test_a_renderer_slower_than_the_music_only_stops_the_drift():
    report = play(600, every_seconds=1e9, draft_seconds=9.0, full_seconds=15.0, drift=1.0, decks=("a",))
    check(report)
    assert report.famines >= 5
    assert report.runway_min_s == 0.0


def test_a_renderer_fast_enough_never_stops_the_drift():
    report = play(600, every_seconds=1e9, decks=("a",), drift=0.5)
    check(report)
    assert report.famines == 0
    assert report.runway_min_s > 0.0


@pytest.mark.parametrize("slots", [14, 16, 20])
def test_few_slots_are_never_written_while_they_are_read(slots):
    report = play(600, every_seconds=4.0, slots=slots, failure_share=0.05, crash_every_seconds=60)
    check(report)


@pytest.mark.parametrize("poison", [{1}, {2}, {5, 6}, {1, 3, 4}])
def test_a_seed_that_cannot_be_rendered_is_skipped(poison):
    report = play(400, every_seconds=1e9, decks=("a",), drift=1.0, poisoned_seeds=frozenset(poison))
    check(report)
    assert report.logs["seed skipped"] >= len(poison)
    assert len(report.landings) > 40  # a rollover every 4 s; three tries with their pauses take another four


def test_a_renderer_that_hangs_is_restarted_and_the_set_continues():
    report = play(1200, every_seconds=20.0, hang_share=0.02)
    check(report)
    assert report.restarts >= 3
    assert report.restarts == report.crashes
    assert report.landings[-1][1] > 1000 * 500


def test_a_rollover_is_inaudible():
    """With one seed at both ends of every bank drift must sound as one unbroken tone."""
    tree = standard_tree(["a"])
    state = state_of(tree, deck__a__drift=1.0, deck__a__alpha=1.0, steps=4)
    rehearsal = Rehearsal(tree, state, (), RendererScript(spread=0.0, slow_share=0.0), sample_rate=1000)
    heard = []
    add = rehearsal._analyser.add
    rehearsal._analyser.add = lambda block: (heard.append(block), add(block))
    report = rehearsal.run(60)
    sound = np.concatenate(heard)[5000:, 0]
    assert len(report.landings) > 10
    # The fastest tone: 0.25 at 133 cycles in 4 s moves by 0.052 in a frame, two in a crossfade by at most 0.075.
    assert float(np.abs(np.diff(sound)).max()) < 0.08


def test_the_silence_of_a_panic_is_no_gap():
    tree = standard_tree(["a"])
    script = [ScriptLine((Command("panic", True),), 20.0), ScriptLine((Command("master/gain", -3.0),), 25.0)]
    report = Rehearsal(tree, tree.initial_state(), script).run(40)
    check(report)


def test_the_analyser_finds_a_gap():
    tree = standard_tree(["a"])
    script = [ScriptLine((Command("deck/a/mute", True),), 20.0), ScriptLine((Command("deck/a/mute", False),), 21.0)]
    report = Rehearsal(tree, tree.initial_state(), script).run(40)
    assert report.gaps == 1
    assert report.longest_gap_seconds == pytest.approx(1.0, abs=0.02)


def test_a_slot_written_while_it_may_be_read_is_an_error():
    store = WatchedStore(2)
    ref = LoopRef(1, 0, 10, 1, ("mix",), 8)
    store.write(0, np.zeros((1, 10, 1), dtype=np.float32))
    store.sent(PlaceLoop("a", 1, 0.0, ref))
    with pytest.raises(LoopStoreError, match="slot 0 was written"):
        store.write(0, np.zeros((1, 10, 1), dtype=np.float32))
    with pytest.raises(LoopStoreError, match="before it was written"):
        store.view(LoopRef(2, 1, 10, 1, ("mix",), 8))


def test_a_view_that_is_still_held_keeps_its_slot():
    store = WatchedStore(1)
    store.write(0, np.zeros((1, 10, 1), dtype=np.float32))
    view = store.view(LoopRef(1, 0, 10, 1, ("mix",), 8))
    with pytest.raises(LoopStoreError, match="slot 0 was written"):
        store.write(0, np.ones((1, 10, 1), dtype=np.float32))
    del view
    store.write(0, np.ones((1, 10, 1), dtype=np.float32))


HOURS: dict[str, object] = {
    "decks": ("a",),
    "every_seconds": 45.0,
    "failure_share": 0.02,
    "crash_every_seconds": 1800,
    "drift": 0.1,
    "tempi": WHOLE_TEMPI,
}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_eight_hours_have_no_gap():
    report = play(8 * 3600, 256, **HOURS)
    check(report)
    assert report.frames >= 8 * 3600 * 500 - 1000
    assert not math.isinf(report.runway_min_s)


@pytest.mark.slow
def test_an_hour_has_one_digest_for_three_block_sizes():
    reports = [play(3600, block, **HOURS) for block in (64, 256, 1024)]
    for report in reports:
        check(report)
        assert report.frames >= 3600 * 500 - 1000
    assert len({report.digest for report in reports}) == 1
