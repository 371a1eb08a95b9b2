"""Play a short set that keeps a journal, then render the journal again: python examples/replay_a_journal.py FOLDER"""

import subprocess
import sys
from pathlib import Path

import riffengine


def main(folder: Path) -> None:
    journal = folder / "set.jsonl"
    with riffengine.play("first-sound", output="paced", journal=journal) as performance:
        performance.wait_until_sounding()
        performance.wait_for_landing(performance.set("deck/a/seed", 99))
    # The same as `riffengine render --journal set.jsonl --out again.flac` in a shell.
    command = [
        sys.executable,
        "-m",
        "riffengine",
        "render",
        "--journal",
        str(journal),
        "--out",
        str(folder / "again.flac"),
    ]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
