"""Listen to a recording by numbers: ``python tools/listen.py set.wav [--journal set.jsonl] [--bpm 120] [--json]``.

Dropouts: runs of digital silence longer than 5 ms after the first sound. Clicks: the largest sample step within 64
frames of any splice that the journal names, against the 99.99th percentile of all steps. Loop length: the shift at
which a recording made with ``--drift 0`` repeats exactly.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from riffengine.performance.journal import read_journal

LONGEST_SILENCE_SECONDS = 0.005
SPLICE_FRAMES = 64
BEATS = 8

Samples = NDArray[np.float32]


def silences(samples: Samples, rate: int) -> list[float]:
    """Seconds at which a dropout begins, after the first and before the last sound."""
    sounding = np.flatnonzero(np.any(samples != 0.0, axis=1))
    if not len(sounding):
        return [0.0]
    runs = np.diff(sounding) - 1
    return [float(sounding[i] / rate) for i in np.flatnonzero(runs > LONGEST_SILENCE_SECONDS * rate)]


def splice_frames(journal: Path) -> list[int]:
    """Frames on which a bank landed."""
    return [entry.frame for entry in read_journal(journal).entries if entry.kind == "landing"]


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
        found = splice_frames(journal)
        near = [float(step[max(0, f - SPLICE_FRAMES) : f + SPLICE_FRAMES].max()) for f in found if f < len(step)]
        facts["splices"] = len(near)
        facts["splice_step_max"] = round(max(near, default=0.0), 5)
    if bpm is not None:
        facts["loop_frames_ideal"] = BEATS * 60 * rate / bpm
        facts["loop_frames_found"] = exact_period(samples, round(BEATS * 60 * rate / bpm))
    return facts


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
    clicked = facts.get("splice_step_max", 0.0) > facts["step_p9999"]
    return int(bool(facts["dropouts"]) or clicked)


if __name__ == "__main__":
    sys.exit(main())
