"""A player that dies is given everything again, and no slot of the loop store is lost over it."""

from riffengine.performance.command import Accepted
from riffengine.processes.player_messages import (
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
from tests.scheduler.simulation import BAR, Hall, actions_of


def die(hall):
    """The player ends with what it has not answered yet; the messages that a new one is sent."""
    hall.events = [event for event in hall.events if not isinstance(event[2], BankLanded | LoopFreed)]
    actions = hall.do(hall.conductor.restore_player(hall.frame))
    return [action.message for action in actions if isinstance(action, ToPlayerMessage)]


def test_a_new_player_gets_grid_controls_and_banks_and_fades_in():
    hall = Hall(("a", "b"), deck__a__to="dub", deck__a__alpha=0.25, deck__b__gain=-6.0).run_to(40000)
    sent = die(hall)
    assert [m.grid for m in sent if isinstance(m, SetGrid)] == [hall.conductor.grid]
    fades = [(m.value, m.at_frame) for m in sent if isinstance(m, SetControl) and m.name == "fade"]
    assert fades == [(0.0, None), (1.0, None)]
    controls = {m.name: m.value for m in sent if isinstance(m, SetControl)}
    assert controls["deck/a/alpha"] == 0.25 and abs(controls["deck/b/gain"] - 10 ** (-6 / 20)) < 1e-9
    for deck in hall.conductor.scheduler.decks.values():
        bank = deck.sounding
        placed = {
            m.alpha: m.loop for m in sent if isinstance(m, PlaceLoop) and (m.deck, m.bank) == (deck.name, bank.number)
        }
        assert placed == {alpha: loop.ref for alpha, loop in bank.placed.items()} and placed
        launches = [m for m in sent if isinstance(m, LaunchBank) and m.deck == deck.name]
        assert [(m.bank, m.at_frame) for m in launches] == [(bank.number, None)]


def test_what_sounded_before_is_not_reported_as_landed_again():
    hall = Hall().run_to(20000)
    landed, strays = len(actions_of(hall, DeckLanded)), [a for a in actions_of(hall, Log) if a.kind == "stray landing"]
    bank = hall.conductor.scheduler.decks["a"].sounding.number
    die(hall)
    hall.do(hall.conductor.reported(hall.frame, BankLanded("a", bank, hall.frame, None)))
    assert len(actions_of(hall, DeckLanded)) == landed
    assert [a for a in actions_of(hall, Log) if a.kind == "stray landing"] == strays


def test_a_launch_that_the_dead_player_had_not_made_is_made_by_the_new_one():
    hall = Hall().run_to(20000)
    reply = hall.send("deck/a/prompt", "techno")
    assert isinstance(reply, Accepted) and reply.landing is not None
    due = hall.conductor.scheduler.timeline.frame_of(reply.landing.beat)
    hall.run_to(due - 60)  # within the lead: it is launched, and has not landed
    launching = hall.conductor.scheduler.decks["a"].launching
    assert launching is not None
    sent = [m for m in die(hall) if isinstance(m, LaunchBank)]
    assert (sent[-1].bank, sent[-1].at_frame) == (launching.number, due)
    hall.run_to(due + BAR)
    assert actions_of(hall, DeckLanded)[-1].prompt == "techno"


def test_forty_deaths_lose_no_slot_and_changes_land_between_them():
    hall = Hall(("a", "b"), slots=16, deck__a__drift=0.4).run_to(20000)
    for number in range(40):
        hall.send("deck/b/prompt", f"prompt {number}")
        hall.run_to(hall.frame + 900 + 37 * number)
        die(hall)
    hall.run_to(hall.frame + 4 * BAR)
    assert actions_of(hall, DeckLanded)[-1].deck in "ab"
    assert hall.conductor.scheduler.decks["b"].sounding.key.start.prompt == "prompt 39"
    pool = hall.conductor.scheduler.loops
    assert pool.count(SlotState.READY) == len(pool._best) + len(pool.superseded())  # every slot has its loop
    assert sum(pool.count(state) for state in (SlotState.FREE, SlotState.RENDERING, SlotState.FREEING)) >= 2
    freed = hall.sent(FreeLoop)
    assert freed  # loops were given up all the time


def test_a_panic_outlives_the_player():
    hall = Hall().run_to(20000)
    hall.send("panic", True)
    assert [m.value for m in die(hall) if isinstance(m, SetControl) and m.name == "fade"] == [0.0]
