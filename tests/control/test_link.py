"""Ableton Link where its library is missing, or is a different one of the same name."""

import sys
from types import ModuleType

import pytest

from riffengine.clock import SystemClock
from riffengine.control.link import LinkLeader
from riffengine.errors import ControlError


@pytest.mark.parametrize(
    ("found", "said"), [(None, "Ableton Link is not installed"), (ModuleType("link"), "is a different one")]
)
def test_a_missing_library_is_reported_with_what_to_do(
    found: ModuleType | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "link", found)
    with pytest.raises(ControlError, match=said) as refused:
        LinkLeader(120.0, SystemClock())
    assert str(refused.value).endswith("pip install 'riffengine[link]'")
