"""The Conductor alone, with a player and a renderer that do exactly what they are told."""

import heapq
import itertools

import pytest

from riffengine.errors import LoopStoreError
from riffengine.performance.command import Accepted, Command, Rejected
from riffengine.performance.parameters import standard_tree
from riffengine.playback.messages import BankLanded, FreeLoop, LaunchBank, LoopFreed, PlaceLoop, SetControl, SetGrid
from riffengine.renderer.request import Cancel, Cancelled, Delivery, Failed, Ready, Render, RenderCost
from riffengine.scheduler.actions import (
    Announce,
    Applied,
    Log,
    Policy,
    RestartRenderer,
    ToPlayerMessage,
    ToRendererMessage,
)
from riffengine.scheduler.conductor import Conductor
from riffengine.transport.grid import BeatGrid

RATE = 1000
READY = Ready("scripted", ("mix",), 1, (), 0.0, "")
BAR = 2000  # frames at 120 bpm


class Hall:
    """A conductor, and everything around it, in a world without surprises."""

    def __init__(self, decks=("a",), render_seconds=0.4, slots=32, policy=None, **values):
        tree = standard_tree(decks)
        state = tree.initial_state()
        for path, value in values.items():
            state, reply = tree.apply(state, Command(path.replace("__", "/"), value))
            assert isinstance(reply, Accepted), reply
        self.conductor = Conductor(tree, state, BeatGrid(RATE, 120.0), decks, slots, policy)
        self.render_seconds = render_seconds
        self.frame = 0
        self.events = []
        self.order = 0
        self.running = None
        self.fail = lambda request: False
        self.renders = []  # (frame, request)
        self.player = []  # (frame, message)
        self.actions = []
        self.do(self.conductor.start(0))
        self.do(self.conductor.renderer_ready(0, READY))

    def later(self, frame, what):
        heapq.heappush(self.events, (frame, self.order, what))
        self.order += 1

    def do(self, actions):
        self.actions += [(self.frame, action) for action in actions]
        for action in actions:
            if isinstance(action, ToPlayerMessage):
                message = action.message
                self.player.append((self.frame, message))
                if isinstance(message, LaunchBank):
                    self.later(
                        message.at_frame, BankLanded(message.deck, message.bank, message.at_frame, message.at_frame)
                    )
                elif isinstance(message, FreeLoop):
                    slot = next(m.loop.slot for m in self.sent(PlaceLoop) if m.loop.loop == message.loop)
                    self.later(self.frame + 50, LoopFreed(message.loop, slot))
            elif isinstance(action, ToRendererMessage):
                self.tell_renderer(action.message)
        return actions

    def tell_renderer(self, message):
        if isinstance(message, Cancel):
            if self.running is not None and self.running.job == message.job:
                self.running = None
                self.later(self.frame + 1, Cancelled(message.job))
            return
        assert self.running is None, "two jobs in flight"
        self.running = message
        self.renders.append((self.frame, message.request))
        self.later(self.frame + round(self.render_seconds * RATE), message)

    def hear(self, event):
        if isinstance(event, BankLanded | LoopFreed):
            return self.conductor.reported(self.frame, event)
        if isinstance(event, Cancelled):
            return self.conductor.cancelled(self.frame, event)
        assert isinstance(event, Render)
        if self.running is not event:
            return []
        self.running = None
        if self.fail(event.request):
            return self.conductor.failed(self.frame, Failed(event.job, "no"))
        delivery = Delivery(event.job, event.slot, event.request, 4000, 1, ("mix",), -14.0, 0.3, RenderCost())
        return self.conductor.delivered(self.frame, delivery)

    def run_to(self, frame):
        while True:
            wakeup = self.conductor.next_wakeup(self.frame)
            due = [frame, *([wakeup] if wakeup else []), *([self.events[0][0]] if self.events else [])]
            self.frame = max(self.frame, min(due))
            while self.events and self.events[0][0] <= self.frame:
                self.do(self.hear(heapq.heappop(self.events)[2]))
            if wakeup is not None and wakeup <= self.frame:
                self.do(self.conductor.tick(self.frame))
            if self.frame >= frame:
                return self

    def send(self, path, value, source="test"):
        reply, actions = self.conductor.submit(Command(path, value, source), self.frame)
        self.do(actions)
        return reply

    def sent(self, kind):
        return [message for _, message in self.player if isinstance(message, kind)]

    def controls(self, name):
        return [message for message in self.sent(SetControl) if message.name == name]

    @property
    def announced(self):
        return [action for _, action in self.actions if isinstance(action, Announce)]

    def status(self):
        return self.conductor.status(self.frame)


def test_the_first_loop_launches_as_soon_as_it_is_there_and_fades_in():
    hall = Hall(render_seconds=0.4).run_to(1000)
    launch = hall.sent(LaunchBank)[0]
    assert launch.at_frame == 450  # rendered at 400, half a lead for the player
    fade = hall.controls("fade")
    assert [(m.value, m.at_frame) for m in fade] == [(0.0, None), (1.0, 450)]


def test_the_knob_of_every_parameter_is_sent_before_anything_sounds():
    hall = Hall(master__gain=-6.0, deck__a__alpha=0.5)
    assert hall.controls("master/gain")[0].value == pytest.approx(0.501, abs=1e-3)
    assert hall.controls("deck/a/alpha")[0].value == 0.5
    assert hall.renders[0][1].alpha == 0.5


def test_a_change_lands_on_the_boundary_that_was_promised():
    hall = Hall().run_to(8100)
    reply = hall.send("deck/a/prompt", "techno")
    hall.run_to(20000)
    assert reply.landing.beat == 20.0
    assert reply.landing.seconds == pytest.approx(1.9)
    assert hall.sent(LaunchBank)[1].at_frame == 10000
    assert hall.announced == []
    assert hall.status().landing_error_frames_max == 0


def test_messages_leave_in_time_for_the_player():
    hall = Hall().run_to(8100)
    hall.send("deck/a/prompt", "techno")
    hall.run_to(20000)
    frame = next(f for f, m in hall.player if isinstance(m, LaunchBank) and m.at_frame == 10000)
    assert frame == 10000 - 100


def test_the_draft_comes_first_and_is_replaced_in_phase_by_a_finer_one():
    hall = Hall().run_to(20000)
    first = hall.renders[0][1]
    assert (first.alpha, first.steps) == (0.0, 4)
    placed = [m for m in hall.sent(PlaceLoop) if m.alpha == 0.0]
    assert len(placed) == 2
    assert placed[0].loop.loop in [m.loop for m in hall.sent(FreeLoop)]
    full = [request for _, request in hall.renders if request.steps == 8]
    assert {request.alpha for request in full} >= {0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875}
    assert hall.status().decks[0].coverage == 1.0


def test_a_late_render_moves_the_landing_and_says_so():
    hall = Hall().run_to(8100)
    hall.render_seconds = 5.0
    reply = hall.send("deck/a/prompt", "techno", source="osc:1")
    assert reply.landing.beat == 20.0
    hall.run_to(20000)
    launch = hall.sent(LaunchBank)[1]
    assert launch.at_frame == 14000  # ready at 13100, the next bar
    assert hall.announced[-1].landing.beat == 28.0
    assert hall.announced[-1].source == "osc:1"
    assert all(a.landing.moved and a.landing.path == "deck/a/prompt" for a in hall.announced)
    assert [a.landing.beat for a in hall.announced] == sorted({a.landing.beat for a in hall.announced})


def test_quantum_off_lands_as_soon_as_it_is_rendered():
    hall = Hall(transport__quantum="off").run_to(8100)
    hall.send("deck/a/prompt", "techno")
    hall.run_to(10000)
    assert hall.sent(LaunchBank)[1].at_frame == 8100 + 400 + 50


def test_the_newest_prompt_wins_and_the_older_job_is_cancelled():
    hall = Hall().run_to(8100)
    hall.render_seconds = 1.0
    hall.send("deck/a/prompt", "first")
    hall.run_to(8300)
    reply = hall.send("deck/a/prompt", "second")
    hall.run_to(20000)
    assert [m.at_frame for m in hall.sent(LaunchBank)][1:] == [round(reply.landing.beat * 500)] == [10000]
    assert hall.status().jobs_cancelled == 1
    assert [r.start.prompt for f, r in hall.renders if f >= 8100][:2] == ["first", "second"]


@pytest.mark.parametrize(("quantum", "cancels"), [("4bars", 0), ("off", 1)])
def test_a_fill_of_another_deck_is_cancelled_only_if_the_landing_would_move(quantum, cancels):
    hall = Hall(decks=("a", "b"), deck__b__seed=9, deck__b__to_seed=10, transport__quantum=quantum).run_to(4000)
    while hall.running.request.start.seed != 0:
        hall.run_to(hall.frame + 10)
    assert hall.running.request.steps == 8
    hall.send("deck/b/prompt", "techno")
    sent = [a.message for _, a in hall.actions if isinstance(a, ToRendererMessage) and isinstance(a.message, Cancel)]
    assert len(sent) == cancels
    hall.run_to(hall.frame + 20000)
    assert hall.sent(LaunchBank)[-1].deck == "b"
    assert hall.announced == [] or quantum == "off"


@pytest.mark.parametrize(("quantum", "render_seconds"), [("bar", 0.4), ("bar", 3.0), ("off", 0.4), ("beat", 0.7)])
def test_a_slider_that_moves_on_every_tick_never_starves_and_wastes_nothing(quantum, render_seconds):
    hall = Hall(transport__quantum=quantum, render_seconds=render_seconds).run_to(60000)
    before, launched = hall.status(), len(hall.sent(LaunchBank))
    moves = 3000
    for move in range(moves):  # one minute at 20 ms
        hall.send("deck/a/guidance", 1.0 + 9.0 * move / moves)
        hall.run_to(60000 + 20 * (move + 1))
    after = hall.status()
    period = max({"bar": 2.0, "beat": 0.5, "off": 0.1}[quantum], render_seconds)
    started = after.jobs_started - before.jobs_started
    heard = after.jobs_heard - before.jobs_heard
    assert heard >= 0.95 * (started - 1), (started, heard)  # the last one may still be on its way
    assert len(hall.sent(LaunchBank)) - launched >= 60 / (2.2 * period)
    hall.run_to(140000)
    assert hall.status().decks[0].landing_beat is None
    assert hall.conductor._stage.parts["a"].settled  # the last value of the gesture is what sounds


def test_alpha_is_heard_at_once_and_costs_no_launch():
    hall = Hall().run_to(20000)
    reply = hall.send("deck/a/alpha", 0.7)
    assert reply.landing.seconds == 0.0
    control = hall.controls("deck/a/alpha")[-1]
    assert (control.value, control.at_frame, control.ramp_frames) == (0.7, None, 10)
    hall.run_to(30000)
    assert len(hall.sent(LaunchBank)) == 1


def test_gain_is_linear_and_the_bottom_is_silence():
    hall = Hall().run_to(1000)
    hall.send("deck/a/gain", -60.0)
    hall.send("master/gain", 6.0)
    assert hall.controls("deck/a/gain")[-1].value == 0.0
    assert hall.controls("master/gain")[-1].value == pytest.approx(1.995, abs=1e-3)


def test_panic_fades_in_20_ms_and_a_gain_gesture_brings_the_sound_back():
    hall = Hall().run_to(5000)
    hall.send("panic", True)
    assert (hall.controls("fade")[-1].value, hall.controls("fade")[-1].ramp_frames) == (0.0, 20)
    assert hall.status().panicked
    hall.send("deck/a/gain", -3.0)
    assert hall.controls("fade")[-1].value == 0.0
    hall.send("master/gain", -3.0)
    assert hall.controls("fade")[-1].value == 1.0
    assert not hall.status().panicked


def test_a_second_panic_restores_and_a_released_button_does_nothing():
    hall = Hall().run_to(5000)
    for value, expected in ((True, 0.0), (False, 0.0), (True, 1.0)):
        hall.send("panic", value)
        assert hall.controls("fade")[-1].value == expected


def test_a_refused_command_changes_nothing():
    hall = Hall().run_to(5000)
    before = hall.conductor.state
    sent = len(hall.actions)
    assert isinstance(hall.send("deck/a/alpha", 7.0), Rejected)
    assert isinstance(hall.send("deck/q/alpha", 0.5), Rejected)
    assert hall.conductor.state is before
    assert not any(isinstance(a, ToPlayerMessage) for _, a in hall.actions[sent:])


def test_tempo_lands_with_all_decks_on_one_frame():
    hall = Hall(decks=("a", "b"), deck__b__seed=9, deck__b__to_seed=10).run_to(30100)
    reply = hall.send("transport/tempo", 100.0)
    hall.run_to(50000)
    grid = hall.sent(SetGrid)[-1]
    launches = [m for m in hall.sent(LaunchBank) if m.at_frame > 30000]
    assert {m.deck for m in launches} == {"a", "b"}
    assert {m.at_frame for m in launches} == {grid.at_frame} == {32000}
    assert grid.grid.beat_at(32000) == reply.landing.beat == 64.0
    assert grid.grid.bpm == hall.conductor.grid.bpm == 100.0
    assert {r.bpm for f, r in hall.renders if f > 30100} == {100.0}


def test_a_tempo_slider_with_two_decks_never_starves():
    hall = Hall(decks=("a", "b"), deck__b__seed=9, deck__b__to_seed=10).run_to(60000)
    for move in range(1000):
        hall.send("transport/tempo", 100.0 + 0.05 * (move % 700))
        hall.run_to(60000 + 20 * (move + 1))
    assert len([m for m in hall.sent(SetGrid) if m.at_frame > 60000]) >= 5
    hall.run_to(100000)
    assert hall.conductor.grid.bpm == hall.conductor.state.number("transport/tempo")


def test_a_walk_rolls_over_into_the_next_seed_without_a_sound_and_without_a_second_render():
    hall = Hall(deck__a__drift=0.5, deck__a__to="techno").run_to(60000)
    rollovers = [m for m in hall.sent(LaunchBank) if m.fade_frames == 0]
    assert len(rollovers) >= 5
    placed = {}
    for m in hall.sent(PlaceLoop):
        placed.setdefault(m.bank, {})[m.alpha] = m.loop.loop
    banks = [m.bank for m in hall.sent(LaunchBank)]
    for before, after in itertools.pairwise(banks):
        assert placed[before][1.0] == placed[after][0.0]
    digests = [request.digest() for _, request in hall.renders]
    assert len(digests) == len(set(digests))
    assert hall.status().famines == 0
    applied = [a for _, a in hall.actions if isinstance(a, Applied)]
    assert {a.command.source for a in applied} == {"walk"}
    intent = hall.conductor.state.deck("a")
    assert (intent.prompt, intent.to_seed) == ("techno", intent.seed + 1)


def test_the_walk_holds_at_the_end_until_the_next_bank_is_there():
    hall = Hall(deck__a__drift=1.0, render_seconds=0.4).run_to(4200)
    hall.render_seconds = 30.0
    hall.run_to(30000)
    assert hall.status().famines == 1
    assert hall.conductor.state.number("deck/a/alpha") == 1.0
    assert len(hall.sent(LaunchBank)) <= 2
    hall.render_seconds = 0.4
    hall.run_to(80000)
    assert hall.conductor.state.number("deck/a/seed") >= 3
    assert hall.status().famines == 1


def test_a_hand_on_alpha_is_not_undone_by_the_step_already_on_its_way():
    hall = Hall(deck__a__drift=0.1).run_to(20000)
    sent = [m for m in hall.controls("deck/a/alpha") if m.at_frame is not None]
    hall.run_to(sent[-1].at_frame - 10)
    pending = [m for m in hall.controls("deck/a/alpha") if m.at_frame is not None and m.at_frame >= hall.frame]
    assert pending
    hall.send("deck/a/alpha", 0.9)
    assert hall.controls("deck/a/alpha")[-1] == SetControl("deck/a/alpha", 0.9, pending[-1].at_frame, 0)


def test_next_rolls_over_on_the_quantum_and_alpha_jumps_with_it():
    hall = Hall(deck__a__to="techno", deck__a__alpha=0.5).run_to(30100)
    reply = hall.send("next", True)
    assert reply.landing.beat == 64.0
    hall.run_to(40000)
    launch = hall.sent(LaunchBank)[1]
    jump = hall.controls("deck/a/alpha")[-1]
    assert launch.at_frame == jump.at_frame == 32000
    assert jump.value == 0.0
    assert hall.conductor.state.text("deck/a/prompt") == "techno"


def test_a_failing_render_is_retried_three_times_with_growing_pauses_and_then_given_up():
    hall = Hall().run_to(20000)
    hall.fail = lambda request: request.start.prompt == "bad"
    hall.send("deck/a/prompt", "bad")
    hall.run_to(40000)
    tries = [f for f, r in hall.renders if r.start.prompt == "bad"]
    assert len(tries) == 4
    pauses = [b - a for a, b in itertools.pairwise(tries)]
    assert pauses == sorted(pauses)
    assert "render given up" in [a.kind for _, a in hall.actions if isinstance(a, Log)]
    reply = hall.send("deck/a/prompt", "good")
    hall.run_to(50000)
    assert hall.sent(LaunchBank)[-1].at_frame == round(reply.landing.beat * 500)


def logs(hall, kind):
    return [action.values for _, action in hall.actions if isinstance(action, Log) and action.kind == kind]


def test_what_landed_is_named_though_something_else_is_wanted_by_now():
    hall = Hall().run_to(8100)
    hall.send("deck/a/prompt", "techno")
    hall.send("deck/a/seed", 7, source="osc:1")
    hall.run_to(9950)
    hall.send("deck/a/prompt", "dub")  # too late for beat 20
    hall.run_to(10100)
    landed, kept = logs(hall, "landed")[-1], logs(hall, "kept")
    assert (landed["prompt"], landed["seed"], landed["to"], landed["to_seed"]) == ("techno", 7, "techno", 1)
    assert (landed["deck"], landed["beat"], landed["frame"], landed["error_frames"]) == ("a", 20.0, 10000, 0)
    assert [(k["path"], k["value"], k["source"], k["frame"]) for k in kept] == [
        ("deck/a/prompt", "techno", "test", 10000),
        ("deck/a/seed", 7, "osc:1", 10000),
    ]
    hall.run_to(20000)
    assert logs(hall, "landed")[-1]["prompt"] == logs(hall, "kept")[-1]["value"] == "dub"


def test_a_rollover_and_next_tell_every_seed_they_brought():
    hall = Hall(deck__a__drift=0.5).run_to(20000)
    seeds = [k["value"] for k in logs(hall, "kept") if k["path"] == "deck/a/seed"]
    assert seeds and seeds == list(range(1, len(seeds) + 1))
    hall = Hall(deck__a__to="techno").run_to(20100)
    hall.send("next", True, source="midi")
    hall.run_to(30000)
    brought = {k["path"]: k["value"] for k in logs(hall, "kept")}
    assert brought["next"] is True
    assert (brought["deck/a/prompt"], brought["deck/a/seed"], brought["deck/a/to_seed"]) == ("techno", 1, 2)


def test_only_the_small_steps_of_the_walk_are_routine():
    hall = Hall(deck__a__drift=0.5).run_to(20000)
    applied = [a for _, a in hall.actions if isinstance(a, Applied)]
    assert {a.command.path.rsplit("/", 1)[1] for a in applied if a.routine} == {"alpha"}
    assert {a.command.path.rsplit("/", 1)[1] for a in applied if not a.routine} == {"seed", "to_seed", "alpha"}


def test_a_file_that_is_no_sound_is_not_tried_again():
    hall = Hall(deck__a__init="bad.wav", deck__a__strength=0.5)
    job = hall.running
    hall.running = None
    actions = hall.do(hall.conductor.failed(10, Failed(job.job, "bad.wav cannot be read", hopeless=True)))
    hall.run_to(20000)
    assert len(hall.renders) == 1
    text = next(a.text for a in actions if isinstance(a, Log) and a.kind == "render given up")
    assert text == "deck a: bad.wav cannot be read; nothing can play until you change init"
    hall.send("deck/a/init", "")
    hall.run_to(22000)
    assert len(hall.sent(LaunchBank)) == 1


def test_a_renderer_that_hangs_is_ended_once():
    hall = Hall().run_to(20000)
    hall.render_seconds = 1e6
    hall.send("deck/a/prompt", "techno")
    hall.run_to(39000)
    assert not [a for _, a in hall.actions if isinstance(a, RestartRenderer)]
    hall.run_to(90000)
    restarts = [(frame, a) for frame, a in hall.actions if isinstance(a, RestartRenderer)]
    assert [frame for frame, _ in restarts] == [40000]
    hall.running = None
    hall.do(hall.conductor.renderer_lost(hall.frame))
    hall.render_seconds = 0.4
    hall.do(hall.conductor.renderer_ready(hall.frame, READY))
    hall.run_to(100000)
    assert logs(hall, "landed")[-1]["prompt"] == "techno"


def test_a_loop_given_up_because_renderers_die_over_it_is_told():
    hall = Hall().run_to(20000)
    hall.send("deck/a/prompt", "techno")
    for _ in range(5):
        hall.running = None
        hall.do(hall.conductor.renderer_lost(hall.frame))
        hall.do(hall.conductor.renderer_ready(hall.frame, READY))
    assert len(logs(hall, "render given up")) == 1


def test_when_the_renderer_dies_its_slots_come_back_and_the_job_is_sent_again():
    hall = Hall().run_to(20000)
    hall.send("deck/a/prompt", "techno")
    hall.run_to(20100)
    free = hall.status().slots_free
    assert hall.running is not None
    hall.running = None
    hall.do(hall.conductor.renderer_lost(hall.frame))
    assert hall.status().slots_free == free + 1
    hall.run_to(25000)
    assert len(hall.sent(LaunchBank)) == 1
    hall.do(hall.conductor.renderer_ready(hall.frame, READY))
    assert hall.renders[-1][1].start.prompt == "techno"
    hall.run_to(30000)
    assert len(hall.sent(LaunchBank)) == 2


def test_a_delivery_from_a_dead_renderer_is_not_used():
    hall = Hall().run_to(100)
    job = hall.running
    hall.running = None
    hall.do(hall.conductor.renderer_lost(hall.frame))
    delivery = Delivery(job.job, job.slot, job.request, 4000, 1, ("mix",), -14.0, 0.3, RenderCost())
    actions = hall.conductor.delivered(hall.frame, delivery)
    assert [a.kind for a in actions if isinstance(a, Log)] == ["stray delivery"]
    assert hall.sent(LaunchBank) == []


def test_few_slots_are_shared_out_and_never_block_a_change():
    hall = Hall(slots=7).run_to(20000)
    for change in range(30):
        reply = hall.send("deck/a/seed", 100 + change)
        hall.run_to(hall.frame + 4000)
        assert hall.sent(LaunchBank)[-1].at_frame == round(reply.landing.beat * 500)
    assert hall.status().slots_free >= 1


def test_a_change_that_changes_nothing_to_hear_renders_nothing():
    hall = Hall().run_to(20000)
    renders = len(hall.renders)
    reply = hall.send("deck/a/strength", 0.3)  # there is no sound to start from
    hall.run_to(24000)
    assert reply.landing.seconds == 0.0
    assert len(hall.renders) == renders


def test_coming_back_before_the_landing_cancels_it():
    hall = Hall().run_to(20100)
    hall.send("deck/a/prompt", "techno")
    hall.run_to(20200)
    hall.send("deck/a/prompt", "ambient piano")
    hall.run_to(30000)
    assert len(hall.sent(LaunchBank)) == 1
    assert hall.status().decks[0].landing_beat is None


def test_extra_ticks_change_nothing():
    def play(step):
        hall = Hall(deck__a__drift=0.3).run_to(8100)
        hall.send("deck/a/prompt", "techno")
        for frame in range(8100, 30000, step):
            hall.run_to(frame)
            if step < 1000:
                hall.do(hall.conductor.tick(hall.frame))
        hall.run_to(30000)
        return hall.player

    assert play(7) == play(20000)


def test_too_few_slots_are_refused_with_the_number_that_is_enough():
    with pytest.raises(LoopStoreError, match="use 14 or more"):
        Hall(decks=("a", "b"), slots=13)


def test_the_figures_of_the_policy_are_kept():
    hall = Hall(policy=Policy(lead_seconds=0.2, fade_in_seconds=0.5)).run_to(8100)
    assert hall.controls("fade")[-1].ramp_frames == 500
    hall.send("deck/a/prompt", "techno")
    hall.run_to(12000)
    assert next(f for f, m in hall.player if isinstance(m, LaunchBank) and m.at_frame == 10000) == 9800
