"""Listen to a recording by numbers: ``python tools/listen.py set.wav [--journal set.jsonl] [--bpm 120] [--json]``.

Dropouts: runs of digital silence longer than 5 ms after the first sound. Clicks: the largest sample step within 64
frames of where any splice that the journal names begins and where its fade ends, against what as many frames elsewhere
would show once in ten recordings. Splices are banks that land, and finer loops that take a draft's place while it
sounds; a journal without any proves nothing, so that fails, too. Loop length: the shift at which a recording made with
``--drift 0`` repeats exactly.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from riffengine.performance.journal import read_journal

LONGEST_SILENCE_SECONDS = 0.005
SPLICE_FRAMES = 64
FALSE_ALARMS = 0.1  # of ten recordings without a click one may be suspected
BEATS = 8

Samples = NDArray[np.float32]


def silences(samples: Samples, rate: int) -> list[float]:
    """Seconds at which a dropout begins, after the first and before the last sound."""
    sounding = np.flatnonzero(np.any(samples != 0.0, axis=1))
    if not len(sounding):
        return [0.0]
    runs = np.diff(sounding) - 1
    return [float(sounding[i] / rate) for i in np.flatnonzero(runs > LONGEST_SILENCE_SECONDS * rate)]


@dataclass(frozen=True)
class Splice:
    """Where one loop takes over from another: ``fade`` frames from ``frame`` on."""

    kind: str  # "landing", or "swap"
    frame: int
    fade: int


def splices(journal: Path) -> list[Splice]:
    """Every bank that landed after the first on its deck, and every loop that took the place of one that sounded."""
    found: list[Splice] = []
    sounding: dict[str, int] = {}  # the bank of each deck
    placed: set[tuple[str, int, float]] = set()
    entries = [entry for entry in read_journal(journal).entries if entry.kind == "player"]
    for entry in sorted(entries, key=lambda entry: (entry.frame, entry.facts.get("number", 0))):
        facts = entry.facts
        if entry.path == "LaunchBank":
            if facts["deck"] in sounding:
                found.append(Splice("landing", entry.frame, int(facts["fade_frames"])))
            sounding[facts["deck"]] = facts["bank"]
        elif entry.path == "PlaceLoop":
            place = (facts["deck"], facts["bank"], facts["alpha"])
            if place in placed and sounding.get(facts["deck"]) == facts["bank"]:
                found.append(Splice("swap", entry.frame, int(facts["fade_frames"])))
            placed.add(place)
    return found


def steps(samples: Samples) -> Samples:
    """The largest step of any channel between each frame and the next."""
    return np.asarray(np.abs(np.diff(samples, axis=0)).max(axis=1))


def exact_period(samples: Samples, expected: int) -> int | None:
    """The shift near ``expected`` at which the second half of the recording repeats bit for bit."""
    middle = samples[len(samples) // 2 :]
    for shift in (expected, expected - 1, expected + 1):
        span = len(middle) - shift - rate_guard(shift)
        if span > 0 and np.array_equal(middle[:span], middle[shift : shift + span]):
            return shift
    return None


def rate_guard(shift: int) -> int:
    """Frames left out at the end, where the fade-out makes the last repetition differ."""
    return max(shift // 2, 1)


def examine(path: Path, journal: Path | None, bpm: float | None) -> dict[str, Any]:
    """All figures of one recording."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    step = steps(samples)
    usual = float(np.quantile(step[step > 0], 0.9999))
    facts: dict[str, Any] = {
        "seconds": round(len(samples) / rate, 3),
        "dropouts": silences(samples, rate),
        "peak": round(float(np.abs(samples).max()), 4),
        "step_p9999": round(usual, 5),
        "step_max": round(float(step.max()), 5),
    }
    if journal is not None:
        found = [splice for splice in splices(journal) if splice.frame < len(step)]
        near = np.zeros(len(step), bool)
        for edge in (edge for s in found for edge in (s.frame, s.frame + s.fade)):
            near[max(0, edge - SPLICE_FRAMES) : edge + SPLICE_FRAMES] = True
        chance = 1.0 - FALSE_ALARMS / max(1, int(near.sum()))
        facts["landings"] = sum(splice.kind == "landing" for splice in found)
        facts["swaps"] = sum(splice.kind == "swap" for splice in found)
        facts["splices"] = len(found)
        facts["splice_step_max"] = round(float(step[near].max(initial=0.0)), 5)
        facts["splice_step_limit"] = round(float(np.quantile(step[~near], chance)), 5)
    if bpm is not None:
        facts["loop_frames_ideal"] = BEATS * 60 * rate / bpm
        facts["loop_frames_found"] = exact_period(samples, round(BEATS * 60 * rate / bpm))
    return facts


def went_wrong(facts: dict[str, Any]) -> bool:
    """Whether a dropout or a click was found, or nothing was there to be found."""
    clicked = facts.get("splice_step_max", 0.0) > facts.get("splice_step_limit", 0.0)
    return bool(facts["dropouts"]) or clicked or facts.get("splices") == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--journal", type=Path)
    parser.add_argument("--bpm", type=float, help="look for exact repetition (recordings made with --drift 0)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    facts = examine(args.recording, args.journal, args.bpm)
    if args.json:
        print(json.dumps(facts))
    else:
        for name, value in facts.items():
            print(f"{name:20} {value}")
    return int(went_wrong(facts))


if __name__ == "__main__":
    sys.exit(main())
