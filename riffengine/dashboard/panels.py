"""Panels: formats an observation as lines of text that fit the width of the terminal. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich.text import Text

from riffengine.errors import plain
from riffengine.processes.parameter_path import stems_of
from riffengine.scheduler.actions import DeckStatus
from riffengine.telemetry.observation import LatencyFigures, Observation
from riffengine.transport.beat_grid import BEATS_PER_BAR, rounded

_FLOOR_DB = -60.0
_BARS = " ▁▂▃▄▅▆▇█"
QUIET, LOUD, GOOD, WARN, BAD = "grey62", "bold", "green", "yellow", "bold red"


def header(o: Observation, width: int) -> Text:
    """Name, beat, tempo, scene, recording, output."""
    moment = o.conductor.moment
    position = int(moment.beat % BEATS_PER_BAR)
    dots = "".join("●" if n == position else "○" for n in range(BEATS_PER_BAR))
    line = Text(f" {o.name or 'riffengine'}  ", LOUD)
    line.append(f"{dots} beat {moment.beat:.1f}  {rounded(moment.bpm)} bpm", "cyan")
    if o.scene:
        line.append(f"  scene {o.scene}")
    if o.conductor.panicked:
        line.append("  PANIC: silent", BAD)
    if o.recording:
        line.append(f"  ● REC {o.recording}", "red")
    if not o.sounding:
        line.append("  loading …", WARN)
    return fitted(line, width)


def deck(o: Observation, status: DeckStatus, selected: bool, width: int) -> list[Text]:
    """Two lines: the deck's prompt and level; its morph, bank, runway and landing."""
    values = o.values
    path = f"deck/{status.deck}"
    first = Text("▶" if selected else " ", "cyan")
    first.append(f"{status.deck} ", LOUD if selected else "")
    prompt = status.prompt if status.to in ("", status.prompt) else f"{status.prompt} → {status.to}"
    muted = [stem for stem in stems_of(values, status.deck) if values.get(f"{path}/stem/{stem}/mute")]
    soloed = [stem for stem in stems_of(values, status.deck) if values.get(f"{path}/stem/{stem}/solo")]
    if bool(values.get(f"{path}/mute", False)):
        tail = Text(" MUTE", BAD)
    else:
        tail = Text(f" {_number(values, f'{path}/gain'):+.0f} dB", QUIET)
    tail.append(f" {values.get(f'{path}/side', '')}", QUIET)
    if muted or soloed:
        tail = Text(f" {' '.join(f'only {stem}' for stem in soloed) or 'no ' + ', '.join(muted)}", WARN).append_text(
            tail
        )
    first.append_text(fitted(Text(prompt), width - len(first) - len(tail), pad=True))
    first.append_text(tail)
    runway = "∞" if math.isinf(status.runway_seconds) else f"{status.runway_seconds:.0f} s"
    second = Text("   alpha ")
    second.append(_slider(status.alpha, 16), "cyan")
    second.append(f" {status.alpha:.2f}  seed {status.seed}  bank ")
    second.append(f"{100 * status.coverage:3.0f}%", GOOD if status.coverage >= 1 else WARN)
    second.append("  runway ")
    second.append(runway, BAD if status.sounding and status.runway_seconds <= 0 else GOOD)
    if status.landing_beat is not None:
        second.append(f"  lands {rounded(status.landing_beat)}", WARN)
    return [fitted(first, width), fitted(second, width)]


def sound(o: Observation, before: Mapping[str, int], width: int) -> list[Text]:
    """Level meter, counters, renderer and activity; ``before`` are the activity counts of the last observation."""
    peak = o.player.peak if o.player is not None else 0.0
    db = 20.0 * math.log10(peak) if peak > 0.001 else _FLOOR_DB
    meter = Text("level ")
    filled = round((db - _FLOOR_DB) / -_FLOOR_DB * 20)
    meter.append("█" * min(20, filled), BAD if db > -0.2 else GOOD if db < -3 else WARN)
    meter.append("·" * max(0, 20 - filled), QUIET)
    meter.append(f" {db:5.1f} dB" if db > _FLOOR_DB else "  silent")
    cross = o.values.get("crossfader")
    if cross is not None and len(o.conductor.decks) > 1:
        meter.append("  A ").append(_slider(float(cross), 10), "cyan").append(" B")
    player, status = o.player, o.conductor
    counts = Text("xruns ")
    xruns = player.underruns if player is not None else 0
    counts.append(str(xruns), BAD if xruns else GOOD)
    counts.append(f"  late {player.late_messages if player is not None else 0}")
    counts.append(f"  load {100 * player.load if player is not None else 0:.0f}%  famines {status.famines}")
    counts.append(f"  render {f'{status.full_p50_seconds:.2f} s' if status.full_measured else '–'} ")
    counts.append("ready" if status.renderer_ready else "not running", GOOD if status.renderer_ready else BAD)
    inputs = Text("in ")
    for name, count in o.activity.items():
        inputs.append(f"{name} ").append("●" if count > before.get(name, 0) else "○", GOOD).append(f" {count}  ")
    if not o.activity:
        inputs.append("–  ", QUIET)
    inputs.append(f"out {o.output}" if o.output else "", QUIET)
    return [fitted(line, width) for line in (meter, counts, inputs)]


def landings(o: Observation, rows: int, width: int) -> list[Text]:
    """The pending changes, the soonest first."""
    lines = [Text("landing", LOUD)]
    for pending in o.pending[: rows - 1]:
        line = Text(f" {pending.path} ")
        line.append(f"beat {rounded(pending.beat)}, {pending.seconds:.1f} s", WARN)
        lines.append(line)
    if len(lines) == 1:
        lines.append(Text(" no change is pending", QUIET))
    if len(o.pending) > rows - 1:
        lines[-1] = Text(f" and {len(o.pending) - rows + 2} more", QUIET)
    return [fitted(line, width) for line in lines]


def latency(o: Observation, width: int) -> list[Text]:
    """Knob-to-ear latency by class: 95th percentile, maximum, and a histogram by octaves of milliseconds."""
    lines = [Text("knob to ear   p95     max   by octave", LOUD)]
    for control, figures in o.latency.items():
        line = Text(f" {control:10}")
        if figures.count:
            line.append(f"{_ms(figures.p95_ms)} {_ms(figures.max_ms)} ")
            line.append(histogram_bars(figures, 9), "cyan")
        else:
            line.append("   –", QUIET)
        lines.append(line)
    return [fitted(line, width) for line in lines]


def histogram_bars(figures: LatencyFigures, most: int) -> str:
    """The histogram as bars, one per octave, up to the octave of the maximum."""
    counts = [count for _, count in figures.octaves]
    single = [after - before for before, after in zip([0, *counts], counts, strict=False)][-most:]
    top = max([1, *single])
    return "".join(_BARS[math.ceil(8 * count / top)] for count in single)


def joined(lines: Sequence[Text]) -> Text:
    """The lines as one text."""
    return Text("\n").join(lines)


def fitted(line: Text, width: int, pad: bool = False) -> Text:
    """``line`` cut to ``width`` cells, with … where text was cut off."""
    line = line.copy() if line.plain.isprintable() else Text(plain(line.plain).replace("\n", " "))
    line.no_wrap = True
    line.truncate(max(1, width), overflow="ellipsis", pad=pad)
    return line


def _slider(share: float, width: int) -> str:
    position = round(min(1.0, max(0.0, share)) * (width - 1))
    return "━" * position + "●" + "─" * (width - 1 - position)


def _ms(value: float) -> str:
    return f"{value:5.1f} ms" if value < 100 else f"{value / 1000:5.2f} s "


def _number(values: Mapping[str, object], path: str) -> float:
    value = values.get(path, 0.0)
    return float(value) if isinstance(value, int | float) else 0.0
