import pytest

from riffengine.performance.parameters import QUANTUM_CHOICES
from riffengine.transport.beat_grid import quantum_beats, rounded


def test_every_choice_of_the_parameter_has_a_length():
    beats = {name: quantum_beats(name, 8) for name in QUANTUM_CHOICES}
    assert beats == {"off": 0.0, "beat": 1.0, "bar": 4.0, "2bars": 8.0, "4bars": 16.0, "loop": 8.0}


def test_a_loop_quantum_follows_the_loop():
    assert quantum_beats("loop", 16) == 16.0


def test_an_unknown_quantum_names_the_known_ones():
    with pytest.raises(ValueError, match=r"'fortnight'.*bar"):
        quantum_beats("fortnight", 8)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (36.5621, "36.56"),
        (36.0, "36"),
        (36.004, "36"),
        (1200.5, "1200.5"),
        (0.0, "0"),
        (119.999, "120"),
        (1e6, "1000000"),
    ],
)
def test_a_beat_is_read_with_two_digits_at_most_and_none_where_it_is_whole(number, text):
    assert rounded(number) == text
