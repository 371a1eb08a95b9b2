"""Text of others that is nested without bottom: json raises RecursionError for it, which is no ValueError."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from riffengine.errors import DawError, PluginError
from riffengine.plugins.chain import PluginChain
from riffengine.plugins.saved_state import unpack_state
from riffengine.processes.daw_handshake import Answer, Hello

NESTED = "[" * 60_000


@pytest.mark.parametrize("parse", [Hello.parse, Answer.parse])
def test_a_line_of_a_daws_plugin_is_refused_in_words(parse: Callable[[bytes], object]) -> None:
    with pytest.raises(DawError, match="not a line of JSON"):
        parse(NESTED.encode())


def test_a_chain_and_a_state_are_refused_in_words() -> None:
    with pytest.raises(PluginError, match="describes no chain"):
        PluginChain.from_text(NESTED)
    with pytest.raises(PluginError):
        unpack_state(NESTED.encode(), "plugin", "a name")
