"""Random sets with scenes, undo, drift, failures, lost renderers and new players come to rest as they were asked to."""

import heapq
import random

import pytest

from riffengine.performance.command import Command
from riffengine.processes.player_messages import BankLanded, LoopFreed
from riffengine.scheduler.loop_pool import SlotState
from riffengine.scheduler.scene_player import ScenePlayer
from tests.scheduler.simulation import READY, SchedulerSimulation


def command(rng, deck):
    """A random path and value; what must be rendered most often."""
    choices = (
        (30, f"deck/{deck}/prompt", ("one", "two", "three", "four")),
        (10, f"deck/{deck}/seed", range(5)),
        (10, "transport/tempo", (100.0, 120.0, 140.0)),
        (8, f"deck/{deck}/alpha", (0.0, 0.25, 0.33, 0.5, 1.0)),
        (6, "scene/store", "xy"),
        (10, "scene/recall", "xy"),
        (6, "undo", (True,)),
        (3, "redo", (True,)),
        (4, "transport/quantum", ("off", "beat", "bar", "2 bars", "4 bars", "loop")),
        (3, f"deck/{deck}/drift", (0.0, 0.25, 1.0)),
        (3, "key", ("", "A minor", "D minor")),
        (3, f"deck/{deck}/to", ("one", "five", "")),
        (2, "panic", (True,)),
        (2, "scene/morph_bars", (0.0, 2.0)),
    )
    _, path, values = rng.choices(choices, [weight for weight, _, _ in choices])[0]
    return path, rng.choice(values)


class RandomSet:
    """One set; all of it is determined by ``seed``."""

    def __init__(self, seed):
        rng = self.rng = random.Random(seed)
        self.decks = ("a", "b")[: rng.choice((1, 2))]
        slots, seconds = rng.choice((14, 20, 32)), rng.choice((0.1, 0.4, 1.5, 4.0))
        self.sim = SchedulerSimulation(self.decks, seconds, slots)
        self.scenes = ScenePlayer(self.sim.conductor)

    def do(self, path, value):
        self.sim.do(self.scenes.submit(Command(path, value, "osc:1"), self.sim.frame)[1])

    def later(self, frames, step=50):
        end = self.sim.frame + frames
        while self.sim.frame < end:
            self.sim.run_to(min(end, self.sim.frame + step))
            self.sim.do(self.scenes.tick(self.sim.frame))

    def lose_renderer(self):
        sim = self.sim
        sim.running = None
        sim.do(sim.conductor.renderer_lost(sim.frame))
        sim.run_to(sim.frame + self.rng.randrange(3000))
        sim.do(sim.conductor.renderer_ready(sim.frame, READY))

    def replace_player(self):
        sim = self.sim
        sim.events = [event for event in sim.events if not isinstance(event[2], BankLanded | LoopFreed)]
        heapq.heapify(sim.events)
        sim.do(sim.conductor.restore_player(sim.frame))

    def play(self):
        rng, sim = self.rng, self.sim
        sim.run_to(rng.randrange(30000))
        for _ in range(rng.randrange(3, 20)):
            share = rng.choice((0.0, 0.0, 0.3, 0.9))
            sim.fail = lambda request, share=share: rng.random() < share
            self.do(*command(rng, rng.choice(self.decks)))
            accident = rng.random()
            if accident < 0.06:
                self.lose_renderer()
            elif accident < 0.1:
                self.replace_player()
            self.later(rng.choice((5, 40, 300, 2000, 6000)))
        sim.fail = lambda request: False
        for deck in self.decks:
            self.do(f"deck/{deck}/drift", 0.0)
        self.later(70000, step=500)


@pytest.mark.parametrize("seed", range(30, 80))
def test_a_random_set_comes_to_rest_with_nothing_left_over(seed):
    played = RandomSet(seed)
    played.play()
    sim, scheduler = played.sim, played.sim.conductor.scheduler
    for deck in scheduler.decks.values():
        assert deck.settled or deck.gave_up
        assert not deck.promises and not deck.alpha_waits and deck.target is None
        assert deck.launching is None or sim.frame - deck.launching.frame <= 100
    assert scheduler.loops.count(SlotState.FREEING) == 0
    if not any(deck.gave_up for deck in scheduler.decks.values()):
        assert scheduler.timeline.grid.bpm == scheduler.state.number("transport/tempo")
