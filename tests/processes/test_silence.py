"""A process that says nothing is taken for dead, but not after a time in which we stood still ourselves."""

from riffengine.processes.silence import Silence

TICK = 20_000_000
HOUR = 3600 * 1_000_000_000


def looks(silence: Silence, from_ns: int, count: int) -> float:
    for number in range(1, count + 1):
        seconds = silence.seconds(from_ns + number * TICK)
    return seconds


def test_silence_is_counted_from_the_last_word() -> None:
    silence = Silence(0)
    assert looks(silence, 0, 500) == 10.0
    silence.heard(500 * TICK)
    assert looks(silence, 500 * TICK, 50) == 1.0


def test_an_hour_of_standing_still_counts_as_a_second() -> None:
    silence = Silence(0)
    assert looks(silence, 0, 100) == 2.0
    assert silence.seconds(100 * TICK + HOUR) == 3.0
    assert looks(silence, 100 * TICK + HOUR, 100) == 5.0
