"""The player's end of the pipe to an engine that does not read, or has ended."""

from __future__ import annotations

from multiprocessing import Pipe

from riffengine.output.engine_pipe import EnginePipe
from riffengine.processes.message_pipe import MessagePipe
from riffengine.processes.player_messages import PlayerNotice, Proceed

_LONG = PlayerNotice("x" * 1_000_000)


def test_a_player_does_not_wait_for_an_engine_that_stands_still_and_drops_only_what_may_be_dropped() -> None:
    ours, theirs = Pipe()
    player, engine = EnginePipe(ours), MessagePipe[object, object](theirs)
    player.send(_LONG)
    player.send(PlayerNotice("dropped"), droppable=True)
    player.send(PlayerNotice("kept"))
    got: list[object] = []
    while len(got) < 2:
        got += engine.receive()[0]
        player.flush()
    player.send(PlayerNotice("a status"), droppable=True)
    assert [*got, *engine.receive()[0]] == [_LONG, PlayerNotice("kept"), PlayerNotice("a status")]
    engine.close()
    player.send(_LONG)
    assert not player.open


def test_a_player_gets_one_message_after_the_other_and_the_last_ones_of_an_engine_that_has_ended() -> None:
    ours, theirs = Pipe()
    player, engine = EnginePipe(ours), MessagePipe[object, object](theirs)
    assert player.receive(0.0) is None and player.open
    for frame in (1, 2, 3):
        engine.send(Proceed(frame))
    engine.close()
    assert [player.receive(1.0) for _ in range(3)] == [Proceed(1), Proceed(2), Proceed(3)]
    assert player.open
    assert player.receive(1.0) is None and not player.open
