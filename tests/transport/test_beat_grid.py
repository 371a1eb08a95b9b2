import pytest

from riffengine.performance.parameters import QUANTUM_CHOICES
from riffengine.transport.beat_grid import quantum_beats


def test_every_choice_of_the_parameter_has_a_length():
    beats = {name: quantum_beats(name, 8) for name in QUANTUM_CHOICES}
    assert beats == {"off": 0.0, "beat": 1.0, "bar": 4.0, "2bars": 8.0, "4bars": 16.0, "loop": 8.0}


def test_a_loop_quantum_follows_the_loop():
    assert quantum_beats("loop", 16) == 16.0


def test_an_unknown_quantum_names_the_known_ones():
    with pytest.raises(ValueError, match=r"'fortnight'.*bar"):
        quantum_beats("fortnight", 8)
