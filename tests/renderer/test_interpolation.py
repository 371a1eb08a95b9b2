import pytest
import torch

from riffengine.errors import RendererError
from riffengine.renderer.bundled.keys import parse_key
from riffengine.renderer.interpolation import lerp, slerp


def test_slerp_keeps_the_norm_and_equals_its_ends() -> None:
    a, b = torch.randn(4000, generator=torch.Generator().manual_seed(0)), torch.randn(4000)
    assert torch.allclose(slerp(a, b, 0.0), a, atol=1e-5)
    assert torch.allclose(slerp(a, b, 1.0), b, atol=1e-4)
    for alpha in (0.25, 0.5, 0.75):
        between = slerp(a, b, alpha)
        assert float(between.norm()) == pytest.approx(float(a.norm()), rel=0.05)
        assert float(torch.lerp(a, b, 0.5).norm()) < 0.8 * float(a.norm())  # linear interpolation would lose it


def test_slerp_of_parallel_noise_is_linear() -> None:
    a = torch.randn(100)
    assert torch.allclose(slerp(a, a * 1.0001, 0.5), a, rtol=1e-3)


def test_lerp() -> None:
    assert lerp(2.0, 4.0, 0.25) == 2.5


@pytest.mark.parametrize(
    ("text", "shift", "mode"),
    [
        ("", 0, ""),
        ("C major", 0, "major"),
        ("A minor", 0, "minor"),
        ("G major", -5, "major"),
        ("F# major", -6, "major"),
        ("F major", 5, "major"),
        ("E minor", -5, "minor"),
        ("C minor", 3, "minor"),
        ("Eb major", 3, "major"),
        ("Bb minor", 1, "minor"),
    ],
)
def test_keys(text: str, shift: int, mode: str) -> None:
    key = parse_key(text)
    assert (key.shift, key.mode) == (shift, mode)


@pytest.mark.parametrize("text", ["H major", "C", "C dorian", "minor", "Cx major"])
def test_no_keys(text: str) -> None:
    with pytest.raises(RendererError, match="is not a key"):
        parse_key(text)
