"""Whether the page and the dashboard show the same while MIDI, OSC and a page are played at once, on simulated time.

.venv/bin/python -m tools.bench.one_truth --minutes 10 --seed 1
"""

from __future__ import annotations

import argparse
import sys

from tests.web.one_truth import compare


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    found = compare(60.0 * arguments.minutes, arguments.seed)
    gestures = ", ".join(f"{count} by {hand}" for hand, count in found.gestures.items())
    print(f"{arguments.minutes:g} minutes, seed {arguments.seed}: {gestures}; the web server died {found.deaths} times")
    print(f"{found.comparisons} comparisons, {len(found.differences)} differences")
    for difference in found.differences[:10]:
        print(difference)
    return int(bool(found.differences))


if __name__ == "__main__":
    sys.exit(main())
