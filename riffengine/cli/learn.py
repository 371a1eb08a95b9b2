"""``riffengine learn``: which control does what, shown by moving it; and the maps that ``play --map`` names."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from riffengine.errors import ControlError, RiffError

if TYPE_CHECKING:
    from riffengine.control.midi.binding import Binding
    from riffengine.control.midi.controller_map import ControllerMap

LEARN_EXAMPLES = """\
examples:
  riffengine learn deck/a/alpha                    then turn the knob from end to end, to the right first
  riffengine learn deck/a/prompt "dub" "techno"    a key that picks from these, or a knob
  riffengine learn                                 asks for one parameter after the other
  riffengine learn --list                          what was taught
  riffengine learn --forget deck/a/alpha

A set that plays meanwhile takes it in within a second. `/riff/learn deck/a/alpha` teaches the running set itself.
"""


def add_learn_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``learn``."""
    parser.add_argument(
        "path", nargs="?", metavar="PARAMETER", help="what the control is to move, such as deck/a/alpha"
    )
    parser.add_argument("values", nargs="*", metavar="VALUE", help="what it picks from, where that is text")
    parser.add_argument("--list", action="store_true", help="show what was taught, and where it is kept")
    parser.add_argument("--forget", metavar="PARAMETER", help="take out every control that was taught to move this")


def learn(arguments: argparse.Namespace) -> int:
    """Teach one control, or several; status 1 when none was moved or there is no MIDI."""
    from riffengine.session.learned_map import LearnedMap, line_of
    from riffengine.session.midi_map import config_folder, everything

    taught = LearnedMap(config_folder(os.environ))
    if arguments.list:
        bindings, problems = taught.read()
        print(f"{taught.path}: {len(bindings)} lines")
        for line in (*map(line_of, bindings), *problems):
            print(f"  {line}")
        return int(bool(problems))
    if arguments.forget:
        everything()[arguments.forget]
        print(f"{taught.forget(arguments.forget)} lines taken out of {taught.path}")
        return 0

    def keep(binding: Binding) -> None:
        taught.keep(binding)
        print(f"learned {line_of(binding)}\nkept in {taught.path}", flush=True)

    if arguments.path is not None:
        _check(arguments.path, arguments.values)
        return asyncio.run(_teach(str, arguments.path, tuple(arguments.values), keep))
    return asyncio.run(_teach(_asked, "", (), keep))


def chosen_maps(named: list[str] | None) -> tuple[ControllerMap, ...]:
    """The maps that ``--map NAME`` or ``--map NAME=PORT`` asks for; ``PresetError`` where there is none."""
    from riffengine.session.midi_map import find_map, map_folders, read_map

    found = []
    for name in named or ():
        name, _, port = name.partition("=")
        known = read_map(find_map(name, map_folders(os.environ)))
        found.append(replace(known, match=(port.lower(),)) if port else known)
    return tuple(found)


def _check(path: str, values: list[str]) -> None:
    """Raise what is wrong with teaching ``path``, before any port is opened."""
    from riffengine.session.midi_map import everything

    parameter = everything()[path]
    if parameter.kind == "str" and not values:
        raise ControlError(f'{path} is text; say what the control picks from: riffengine learn {path} "dub" "techno"')
    for value in values:
        parameter.check(value)
    if values and parameter.kind != "str":
        raise ControlError(f"{path} is {parameter.allowed} and needs no values; leave them out")


def _asked() -> str:
    """The next parameter that a person names; "" at the end."""
    while True:
        print("Which parameter? (for example deck/a/alpha; nothing ends) ", end="", flush=True)
        path = sys.stdin.readline().strip()
        if not path:
            return ""
        try:
            _check(path, [])
        except RiffError as error:
            print(error)
            continue
        return path


async def _teach(ask: Callable[[], str], path: str, values: tuple[str, ...], keep: Callable[[Binding], None]) -> int:
    from riffengine.clock import SystemClock
    from riffengine.control.midi.controllers import MidiSetup
    from riffengine.control.midi.server import MidiServer
    from riffengine.control.surface import SurfaceContext
    from riffengine.performance.command import Rejected
    from riffengine.session.midi_map import everything

    tree = everything()
    state = tree.initial_state()
    context = SurfaceContext(
        tree=tree,
        clock=SystemClock(),
        submit=lambda command: Rejected(command, "only listening"),
        state=lambda: state,
        say=lambda text: print(text, flush=True),
    )
    midi = MidiServer(context, MidiSetup())
    await midi.start()
    if not midi.api:
        return 1
    learned = 0
    try:
        while next_path := path or await asyncio.to_thread(ask):
            print(
                f"{next_path}: turn the knob or fader from end to end, to the right first, or press the pad once or "
                "twice; then let go",
                flush=True,
            )
            moved: asyncio.Future[Binding | None] = asyncio.get_running_loop().create_future()
            midi.learn(next_path, values, moved.set_result)
            binding = await moved
            if binding is None:
                print(f"nothing was learned for {next_path}: no control moved in a minute", flush=True)
            else:
                keep(binding)
                learned += 1
            if path:
                break
    finally:
        midi.close()
    return int(not learned and bool(path))
