import pytest

from riffengine.errors import LoopStoreError
from riffengine.scheduler.loop_pool import LoopPool, SlotState

SHAPE = (1000, 1, ("mix",), 8)


def put(shelf, loop_id, steps=8):
    return shelf.put(loop_id, steps, shelf.reserve(), SHAPE)


def test_a_slot_is_handed_out_once():
    shelf = LoopPool(2)
    assert {shelf.reserve(), shelf.reserve()} == {0, 1}
    assert shelf.reserve() is None


def test_a_loop_the_player_knows_keeps_its_slot_until_the_player_answers():
    shelf = LoopPool(1)
    loop = put(shelf, "m")
    loop.known_to_player = True
    assert shelf.drop(loop)
    assert shelf.reserve() is None
    shelf.freed(loop.ref.slot)
    assert shelf.reserve() == loop.ref.slot


def test_a_loop_the_player_never_saw_is_free_at_once():
    shelf = LoopPool(1)
    assert not shelf.drop(put(shelf, "m"))
    assert shelf.reserve() == 0


def test_the_finer_loop_wins_whatever_the_order_of_arrival():
    for order in ((4, 8), (8, 4)):
        shelf = LoopPool(3)
        for steps in order:
            put(shelf, "m", steps)
        assert shelf.best("m").steps == 8
        assert [loop.steps for loop in shelf.superseded()] == [4]


def test_the_least_recently_wanted_goes_first():
    shelf = LoopPool(4)
    loops = {name: put(shelf, name) for name in "abc"}
    shelf.want("a")
    assert shelf.evictable((), ()) is loops["b"]
    assert shelf.evictable({"b"}, {loops["c"].ref.loop}) is loops["a"]
    assert shelf.evictable({"a", "b", "c"}, ()) is None


def test_an_answer_that_makes_no_sense_is_refused():
    shelf = LoopPool(1)
    with pytest.raises(LoopStoreError, match="slot 0 is free"):
        shelf.freed(0)
    assert shelf.count(SlotState.FREE) == 1
