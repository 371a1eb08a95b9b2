"""Render the journal of a set again, offline, to the same samples: python examples/replay_a_journal.py FOLDER

The set itself is played first, without a sound device. ``riffengine play --journal set.jsonl`` keeps a journal, too.
"""

import sys
from pathlib import Path

import riffengine


def main(folder: Path) -> None:
    journal = folder / "set.jsonl"
    with riffengine.play("first-sound", output="paced", journal=journal, record=folder / "set.wav") as performance:
        performance.wait_until_sounding()
        performance.wait_for_landing(performance.set("deck/a/seed", 99))
    report = riffengine.render_journal(journal, folder / "again.wav")
    print(f"{report.output}: {report.seconds:.1f} s from {report.messages} messages and {report.renders} loops")
    riffengine.render_journal(journal, folder / "finer.flac", steps=16)  # the same set with finer loops


if __name__ == "__main__":  # the renderer and the player are processes that import this file
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
