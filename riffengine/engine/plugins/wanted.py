"""The plugins that a set begins with: from its preset, or from the state of the last set."""

from __future__ import annotations

from riffengine.performance.insert_parameters import plugins_in
from riffengine.recovery import Recovery
from riffengine.session.fx import PluginSetting
from riffengine.session.session import Session


def wanted_plugins(session: Session, recovery: Recovery | None) -> tuple[PluginSetting, ...]:
    """Those of ``session``; where the last set is resumed, those that it had, with their values and states."""
    saved = recovery.saved if recovery is not None else None
    if saved is None:
        return session.plugins
    wanted = []
    for place, numbers in plugins_in(saved.parameters).items():
        for number, reference in sorted(numbers.items()):
            at = f"{place}/fx/{number}/"
            values = {p.removeprefix(at): v for p, v in saved.parameters.items() if p.startswith(at)}
            values.pop("plugin")
            state = saved.plugin_states.get(at.rstrip("/"), b"")
            wanted.append(PluginSetting(place, number, reference, values, state))
    return tuple(wanted)
