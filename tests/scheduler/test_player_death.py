"""A player that dies is given everything again, and no slot of the loop store is lost over it."""

from riffengine.performance.command import Accepted, Command
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import (
    FADE,
    BankLanded,
    FreeLoop,
    LaunchBank,
    LoopFreed,
    PlaceLoop,
    SetControl,
    SetGrid,
)
from riffengine.scheduler.actions import DeckLanded, Log, ToPlayerMessage
from riffengine.scheduler.loop_pool import SlotState
from tests.scheduler.simulation import BAR, SchedulerSimulation, actions_of


def die(sim):
    """The player ends with what it has not answered yet; the messages that a new one is sent."""
    sim.events = [event for event in sim.events if not isinstance(event[2], BankLanded | LoopFreed)]
    actions = sim.do(sim.conductor.restore_player(sim.frame))
    return [action.message for action in actions if isinstance(action, ToPlayerMessage)]


def test_a_new_player_gets_grid_controls_and_banks_and_fades_in():
    sim = SchedulerSimulation(("a", "b"), deck__a__to="dub", deck__a__alpha=0.25, deck__b__gain=-6.0).run_to(40000)
    sent = die(sim)
    assert [m.grid for m in sent if isinstance(m, SetGrid)] == [sim.conductor.grid]
    fades = [(m.value, m.at_frame) for m in sent if isinstance(m, SetControl) and m.target == FADE]
    assert fades == [(0.0, None), (1.0, None)]
    controls = {str(m.target): m.value for m in sent if isinstance(m, SetControl)}
    assert controls["deck/a/alpha"] == 0.25 and abs(controls["deck/b/gain"] - 10 ** (-6 / 20)) < 1e-9
    for deck in sim.conductor.scheduler.decks.values():
        bank = deck.sounding
        placed = {
            m.alpha: m.loop for m in sent if isinstance(m, PlaceLoop) and (m.deck, m.bank) == (deck.name, bank.number)
        }
        assert placed == {alpha: loop.ref for alpha, loop in bank.placed.items()} and placed
        launches = [m for m in sent if isinstance(m, LaunchBank) and m.deck == deck.name]
        assert [(m.bank, m.at_frame) for m in launches] == [(bank.number, None)]


def test_what_sounded_before_is_not_reported_as_landed_again():
    sim = SchedulerSimulation().run_to(20000)
    landed, strays = len(actions_of(sim, DeckLanded)), [a for a in actions_of(sim, Log) if a.kind == "stray landing"]
    bank = sim.conductor.scheduler.decks["a"].sounding.number
    die(sim)
    sim.do(sim.conductor.reported(sim.frame, BankLanded("a", bank, sim.frame, None)))
    assert len(actions_of(sim, DeckLanded)) == landed
    assert [a for a in actions_of(sim, Log) if a.kind == "stray landing"] == strays


def test_a_launch_that_the_dead_player_had_not_made_is_made_by_the_new_one():
    sim = SchedulerSimulation().run_to(20000)
    reply = sim.send("deck/a/prompt", "techno")
    assert isinstance(reply, Accepted) and reply.landing is not None
    due = sim.conductor.scheduler.timeline.frame_of(reply.landing.beat)
    sim.run_to(due - 60)  # within the lead: it is launched, and has not landed
    launching = sim.conductor.scheduler.decks["a"].launching
    assert launching is not None
    sent = [m for m in die(sim) if isinstance(m, LaunchBank)]
    assert (sent[-1].bank, sent[-1].at_frame) == (launching.number, due)
    sim.run_to(due + BAR)
    assert actions_of(sim, DeckLanded)[-1].prompt == "techno"


def test_forty_deaths_lose_no_slot_and_changes_land_between_them():
    sim = SchedulerSimulation(("a", "b"), slots=16, deck__a__drift=0.4).run_to(20000)
    for number in range(40):
        sim.send("deck/b/prompt", f"prompt {number}")
        sim.run_to(sim.frame + 900 + 37 * number)
        die(sim)
    sim.run_to(sim.frame + 4 * BAR)
    assert actions_of(sim, DeckLanded)[-1].deck in "ab"
    assert sim.conductor.scheduler.decks["b"].sounding.key.start.prompt == "prompt 39"
    pool = sim.conductor.scheduler.loops
    assert pool.count(SlotState.READY) == len(pool._best) + len(pool.superseded())  # every slot has its loop
    assert sum(pool.count(state) for state in (SlotState.FREE, SlotState.RENDERING, SlotState.FREEING)) >= 2
    freed = sim.sent(FreeLoop)
    assert freed  # loops were given up all the time


def test_a_panic_outlives_the_player():
    sim = SchedulerSimulation().run_to(20000)
    sim.send("panic", True)
    assert [m.value for m in die(sim) if isinstance(m, SetControl) and m.target == FADE] == [0.0]


def alphas_sent(messages):
    return [
        (m.value, m.at_frame) for m in messages if isinstance(m, SetControl) and m.target == parse_path("deck/a/alpha")
    ]


def send_scene(sim):
    commands = (Command("deck/a/prompt", "techno", "test"), Command("deck/a/alpha", 0.75, "test"))
    replies, actions = sim.conductor.submit_all(commands, sim.frame, as_one=True)
    sim.do(actions)
    return sim.conductor.scheduler.timeline.frame_of(replies[0].landing.beat)


def test_alpha_that_waits_for_a_render_stays_where_it_is_heard():
    sim = SchedulerSimulation(deck__a__alpha=0.25).run_to(20_100)
    sim.render_seconds = 1e6
    send_scene(sim)
    assert alphas_sent(die(sim))[-1] == (0.25, None)


def test_a_launch_that_waits_for_its_beat_lands_on_it_with_its_alpha():
    sim = SchedulerSimulation(deck__a__alpha=0.25).run_to(20_100)
    due = send_scene(sim)
    sim.run_to(due - 60)  # launched, and not heard yet
    assert sim.conductor.scheduler.decks["a"].launching is not None
    assert alphas_sent(die(sim))[-2:] == [(0.25, None), (0.75, due)]
    sim.run_to(due + 10)
    assert alphas_sent(die(sim))[-1] == (0.75, None)
