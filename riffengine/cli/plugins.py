"""``plugins``: the effects and instruments of other makers on this machine: scan, list, describe and forgive them."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

from riffengine.cli.arguments import add_json_argument
from riffengine.cli.verb import Verb

if TYPE_CHECKING:
    from riffengine.plugins.catalogue import ScannedPlugin
    from riffengine.plugins.plugin import PluginInfo

_EXAMPLES = """\
examples:
  riffengine plugins scan                          run every new plugin once, each in a process of its own
  riffengine plugins list                          what there is, what it costs, and what went wrong
  riffengine plugins list reverb                   only what has this in its name, maker or reference
  riffengine plugins info "Calf Compressor"        its latency, cost and parameters
  riffengine plugins forgive synthv1               take it off the blacklist; the next scan tries it again

LV2 and CLAP plugins are found in the usual folders, or in those of LV2_PATH and CLAP_PATH; VST3 needs riffengine[vst].
The costs are microseconds for a stereo block of 128 frames, which lasts 2900 us at 44.1 kHz.
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        nargs="?",
        choices=("scan", "list", "info", "forgive"),
        default="list",
        help="look for plugins, list them, describe one, or take one off the blacklist (default: list)",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a plugin's name, a part of it, or its reference")
    parser.add_argument("--again", action="store_true", help="scan: run those too whose files have not changed")
    parser.add_argument(
        "--format",
        choices=("lv2", "clap", "vst3"),
        action="append",
        dest="formats",
        help="scan, list: this format only",
    )
    add_json_argument(parser)


def _plugins(arguments: argparse.Namespace) -> int:
    """Scan, list, describe or forgive."""
    if arguments.what == "scan":
        return _scan(arguments)
    if arguments.what == "list":
        return _list(arguments)
    if not arguments.name:
        print(f"riffengine plugins {arguments.what} needs a NAME; see `riffengine plugins --help`", file=sys.stderr)
        return 2
    return _info(arguments.name, arguments.json) if arguments.what == "info" else _forgive(arguments.name)


def _scan(arguments: argparse.Namespace) -> int:
    from riffengine.clock import SystemClock
    from riffengine.errors import PluginError
    from riffengine.plugins.blacklist import Blacklist
    from riffengine.plugins.catalogue import Catalogue
    from riffengine.plugins.native_server import build
    from riffengine.plugins.registry import FORMATS, plugin_files
    from riffengine.plugins.scan import scan

    catalogue, blacklist, clock = Catalogue.standard(), Blacklist.standard(), SystemClock()
    formats, every = _formats(arguments.formats), plugin_files()
    for kind in sorted(formats):
        problem = FORMATS[kind].problem()
        if problem:
            formats -= {kind}
            left_out = sum(file.format == kind for file in every)
            print(f"{left_out} {FORMATS[kind].name} files are left out: {problem}", file=sys.stderr)
    files = tuple(file for file in every if file.format in formats)
    if arguments.again:
        catalogue.forget_files(formats)

    def report(plugin: ScannedPlugin) -> None:
        cost = f"{plugin.median_us:6.0f} us" if plugin.verdict == "ran" else ""
        print(
            f"{plugin.verdict:10} {cost:9}  {plugin.name or plugin.reference}  {plugin.reason}".rstrip(),
            file=sys.stderr,
        )

    try:
        build()
    except PluginError as error:  # everything works without it
        print(f"plugins will cost about three times as much: {error}", file=sys.stderr)
    start_ns = clock.now_ns()
    count = scan(files, catalogue, blacklist, clock.unix_seconds(), report, formats=formats)
    seconds = (clock.now_ns() - start_ns) / 1e9
    if arguments.json:
        print(json.dumps(asdict(count) | {"seconds": round(seconds, 2), "catalogue": str(catalogue.path)}, indent=2))
        return 0
    print(f"{count.run_now} of {count.plugins} plugins were run in {seconds:.1f} s; the others are as they were")
    print(_totals(catalogue.plugins()))
    print("`riffengine plugins list` shows them")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from riffengine.plugins.blacklist import Blacklist
    from riffengine.plugins.catalogue import Catalogue

    wanted, formats = (arguments.name or "").casefold(), _formats(arguments.formats)
    every = list(Catalogue.standard().plugins())
    plugins = [
        plugin
        for plugin in every
        if plugin.format in formats and wanted in f"{plugin.name}\n{plugin.maker}\n{plugin.reference}".casefold()
    ]
    blames = Blacklist.standard().entries()
    if arguments.json:
        rows = [
            asdict(plugin)
            | {
                "kind": plugin.kind,
                "blacklisted": blames[plugin.reference].reason if plugin.reference in blames else "",
            }
            for plugin in plugins
        ]
        print(json.dumps({"plugins": rows}, indent=2))
        return 0
    if not every:
        print("No plugins are known yet: `riffengine plugins scan` looks for them.")
        return 0
    print(f"{'us/128':>7} {'p99':>6} {'latency':>7}  {'verdict':10} {'in-out':6} {'format':6} name, reference, remarks")
    for plugin in plugins:
        print(_line(plugin, blames[plugin.reference].reason if plugin.reference in blames else ""))
    print(_totals(plugins))
    return 0


def _line(plugin: ScannedPlugin, blame: str) -> str:
    ran = plugin.verdict in ("ran", "not finite")
    cost = f"{plugin.median_us:7.0f} {plugin.p99_us:6.0f} {plugin.latency_frames:7}" if ran else f"{'':22}"
    channels = f"{plugin.inputs}-{plugin.outputs}{'n' if plugin.midi_in else ''}" if ran else ""
    remarks = [plugin.reason] if plugin.reason else []
    if ran and not plugin.repeatable:
        remarks.append("no two runs are equal")
    if blame:
        remarks.append("blacklisted")
    name = "; ".join([f"{plugin.name}  {plugin.reference}" if plugin.name else plugin.reference, *remarks])
    return f"{cost}  {plugin.verdict:10} {channels:6} {plugin.format:6} {name}"


def _totals(plugins: Iterable[ScannedPlugin]) -> str:
    verdicts = Counter(plugin.verdict for plugin in plugins)
    parts = [f"{verdicts[verdict]} {verdict}" for verdict in ("ran", "refused", "crashed", "hung", "not finite")]
    return f"{verdicts.total()} plugins: {', '.join(parts)}"


def _info(name: str, as_json: bool) -> int:
    from riffengine.errors import PluginError
    from riffengine.plugins.blacklist import Blacklist
    from riffengine.plugins.catalogue import Catalogue
    from riffengine.plugins.child import call_in_child
    from riffengine.plugins.plugin import PluginInfo
    from riffengine.plugins.probe import describe
    from riffengine.plugins.scan import LIMIT_SECONDS

    plugin = Catalogue.standard().find(name)
    blame = Blacklist.standard().entries().get(plugin.reference)
    info: PluginInfo | None = None
    if plugin.verdict in ("ran", "not finite"):
        end = call_in_child(describe, (plugin.reference,), LIMIT_SECONDS)
        info = next((message for message in end.messages if isinstance(message, PluginInfo)), None)
        if info is None:
            raise PluginError(f"{plugin.name} ran at the scan, but now: {end.ended}, {end.detail}")
    if as_json:
        facts = asdict(plugin) | {"kind": plugin.kind, "blacklisted": blame.reason if blame else ""}
        facts["parameters"] = [asdict(parameter) for parameter in info.parameters] if info else []
        print(json.dumps(facts, indent=2))
        return 0
    for key, value in _facts(plugin).items():
        print(f"{key:12}{value}")
    if blame:
        print(f'{"blacklisted":12}{blame.reason}; `riffengine plugins forgive "{plugin.name or plugin.reference}"`')
    if info:
        _print_parameters(info)
    return 0


def _facts(plugin: ScannedPlugin) -> dict[str, str]:
    facts = {"name": plugin.name, "maker": plugin.maker, "reference": plugin.reference, "verdict": plugin.verdict}
    if plugin.reason:
        facts["reason"] = plugin.reason
    if plugin.verdict in ("ran", "not finite"):
        takes = " and notes" if plugin.midi_in else ""
        facts |= {
            "kind": f"{plugin.kind}: {plugin.inputs} in{takes}, {plugin.outputs} out",
            "cost": f"{plugin.median_us:.0f} us a block of 128 frames (p99 {plugin.p99_us:.0f}, in silence"
            f" {plugin.silence_us:.0f}); loaded in {plugin.load_ms:.0f} ms",
            "latency": f"{plugin.latency_frames} frames",
            "state": f"{plugin.state_bytes} bytes",
            "replay": "two runs gave the same samples" if plugin.repeatable else "no two runs are equal",
            "NaN": "never recovers; the host starts it anew" if plugin.keeps_nan else "recovers",
        }
    return facts


def _print_parameters(info: PluginInfo) -> None:
    print("parameters" if info.parameters else "no parameters")
    width = max((len(parameter.symbol) for parameter in info.parameters), default=0)
    for parameter in info.parameters:
        unit = f" {parameter.unit}" if parameter.unit else ""
        kind = "meter" if parameter.output else f"default {parameter.default:g}"
        labels = ", ".join(f"{value:g} {label}" for value, label in parameter.labels[:8])
        more = ", …" if len(parameter.labels) > 8 else ""
        print(
            f"  {parameter.symbol:{width}}  {parameter.low:g} to {parameter.high:g}{unit}, {kind}  {parameter.name}"
            f"{f' ({labels}{more})' if labels else ''}"
        )


def _forgive(name: str) -> int:
    from riffengine.plugins.blacklist import Blacklist
    from riffengine.plugins.catalogue import Catalogue

    catalogue, blacklist = Catalogue.standard(), Blacklist.standard()
    reference = name if name in blacklist.entries() else catalogue.find(name).reference
    was_listed = blacklist.forgive(reference)
    catalogue.forget(reference)
    catalogue.write()
    state = "is off the blacklist" if was_listed else "was not on the blacklist"
    print(f"{reference} {state}; the next `riffengine plugins scan` runs it again")
    return 0


def _formats(named: list[str] | None) -> frozenset[str]:
    from riffengine.plugins.registry import FORMATS

    return frozenset(named or FORMATS)


PLUGINS = Verb("scan, list or describe effects and instruments of other makers", _plugins, _add_arguments, _EXAMPLES)
