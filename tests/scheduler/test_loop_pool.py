import pytest

from riffengine.errors import LoopStoreError
from riffengine.scheduler.loop_pool import LoopPool, SlotState

SHAPE = (1000, 1, ("mix",), 8)


def put(pool, loop_id, steps=8):
    return pool.put(loop_id, steps, pool.reserve(), SHAPE)


def test_a_slot_is_handed_out_once():
    pool = LoopPool(2)
    assert {pool.reserve(), pool.reserve()} == {0, 1}
    assert pool.reserve() is None


def test_a_loop_the_player_knows_keeps_its_slot_until_the_player_answers():
    pool = LoopPool(1)
    loop = put(pool, "m")
    loop.known_to_player = True
    assert pool.drop(loop)
    assert pool.reserve() is None
    pool.freed(loop.ref.slot)
    assert pool.reserve() == loop.ref.slot


def test_a_loop_the_player_never_saw_is_free_at_once():
    pool = LoopPool(1)
    assert not pool.drop(put(pool, "m"))
    assert pool.reserve() == 0


def test_the_finer_loop_wins_whatever_the_order_of_arrival():
    for order in ((4, 8), (8, 4)):
        pool = LoopPool(3)
        for steps in order:
            put(pool, "m", steps)
        assert pool.best("m").steps == 8
        assert [loop.steps for loop in pool.superseded()] == [4]


def test_the_least_recently_wanted_goes_first():
    pool = LoopPool(4)
    loops = {name: put(pool, name) for name in "abc"}
    pool.want("a")
    assert pool.evictable((), ()) is loops["b"]
    assert pool.evictable({"b"}, {loops["c"].ref.loop}) is loops["a"]
    assert pool.evictable({"a", "b", "c"}, ()) is None


def test_an_answer_that_makes_no_sense_is_refused():
    pool = LoopPool(1)
    with pytest.raises(LoopStoreError, match="slot 0 is free"):
        pool.freed(0)
    assert pool.count(SlotState.FREE) == 1
