"""``learn``: assign a MIDI control to a parameter by moving the control."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from riffengine.cli.arguments import counted, show
from riffengine.cli.verb import Verb
from riffengine.errors import ControlError, RiffError

if TYPE_CHECKING:
    from riffengine.control.midi.binding import Binding

_EXAMPLES = """\
examples:
  riffengine learn deck/a/alpha                    then turn the knob from end to end, to the right first
  riffengine learn deck/a/prompt "dub" "techno"    a key, pad or knob that picks from these
  riffengine learn                                 ask for one parameter after the other
  riffengine learn --list                          list what was learned
  riffengine learn --forget deck/a/alpha

A set that is playing uses the new control within a second. The OSC message `/riff/learn deck/a/alpha` does the same in
a running set.
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path", nargs="?", metavar="PARAMETER", help="the parameter that the control moves, such as deck/a/alpha"
    )
    parser.add_argument(
        "values", nargs="*", metavar="VALUE", help="the texts that it picks from, for a parameter that is text"
    )
    parser.add_argument("--list", action="store_true", help="list the learned controls, and the file they are in")
    parser.add_argument("--forget", metavar="PARAMETER", help="remove every learned control of this parameter")


def _learn(arguments: argparse.Namespace) -> int:
    """Learn one control, or several; status 1 when none was moved or there is no MIDI."""
    from riffengine.session.binding_reader import full_tree
    from riffengine.session.learned_map import LearnedMap, line_of
    from riffengine.session.named_files import config_folder

    learned = LearnedMap(config_folder(os.environ))
    if arguments.list:
        bindings, problems = learned.read()
        count = counted(len(bindings), "line") if bindings else "nothing learned yet"
        show(f"{learned.path}: {count}")
        for line in (*map(line_of, bindings), *problems):
            show(f"  {line}")
        return int(bool(problems))
    if arguments.forget:
        full_tree()[arguments.forget]  # raises for a parameter that does not exist
        show(f"{counted(learned.forget(arguments.forget), 'line')} removed from {learned.path}")
        return 0

    def keep(binding: Binding) -> None:
        learned.keep(binding)
        show(f"learned {line_of(binding)}\nwritten to {learned.path}", flush=True)

    if arguments.path is not None:
        _check(arguments.path, arguments.values)
        return asyncio.run(_learn_controls(str, arguments.path, tuple(arguments.values), keep))
    return asyncio.run(_learn_controls(_ask_for_parameter, "", (), keep))


def _check(path: str, values: list[str]) -> None:
    """Raise an error where ``path`` cannot be learned with ``values``, before any port is opened."""
    from riffengine.session.binding_reader import full_tree

    parameter = full_tree()[path]
    if parameter.kind == "str" and not values:
        raise ControlError(
            f'{path} is text; name the texts that the control picks from: riffengine learn {path} "dub" "techno"'
        )
    for value in values:
        parameter.check(value)
    if values and parameter.kind != "str":
        raise ControlError(f"{path} is {parameter.allowed} and needs no values; leave them out")


def _ask_for_parameter() -> str:
    """The next parameter that a person names; "" at the end."""
    while True:
        show("Which parameter? (for example deck/a/alpha; an empty line ends) ", end="", flush=True)
        path = sys.stdin.readline().strip()
        if not path:
            return ""
        try:
            _check(path, [])
        except RiffError as error:
            show(error)
            continue
        return path


async def _learn_controls(
    ask: Callable[[], str], path: str, values: tuple[str, ...], keep: Callable[[Binding], None]
) -> int:
    """Learn ``path``, or every parameter that ``ask`` returns; ``keep`` gets each control that was moved."""
    from riffengine.clock import SystemClock
    from riffengine.control.midi.controllers import MidiSetup
    from riffengine.control.midi.server import MidiServer
    from riffengine.control.surface import SurfaceContext
    from riffengine.performance.command import Rejected
    from riffengine.session.binding_reader import full_tree

    tree = full_tree()
    state = tree.initial_state()
    context = SurfaceContext(
        tree=tree,
        clock=SystemClock(),
        submit=lambda command: Rejected(command, "only listening"),
        state=lambda: state,
        say=lambda text: show(text, flush=True),
    )
    midi = MidiServer(context, MidiSetup())
    await midi.start()
    if not midi.api:
        return 1
    count = 0
    try:
        while next_path := path or await asyncio.to_thread(ask):
            show(
                f"{next_path}: turn the knob or fader from end to end, to the right first, or press the pad once or "
                "twice; then let go",
                flush=True,
            )
            moved: asyncio.Future[Binding | None] = asyncio.get_running_loop().create_future()
            midi.learn(next_path, values, moved.set_result)
            binding = await moved
            if binding is None:
                show(f"nothing was learned for {next_path}: no control was moved within a minute", flush=True)
            else:
                keep(binding)
                count += 1
            if path:
                break
    finally:
        midi.close()
    return int(not count and bool(path))


LEARN = Verb("assign a MIDI control to a parameter by moving it", _learn, _add_arguments, _EXAMPLES)
