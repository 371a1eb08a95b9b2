"""Several sets on one pool for a while: does any of them starve, what does each take, what is rendered twice.

    python -m tools.bench.pool_sets --sets 10 --seconds 600 --renderers 2 --ms 300

Real engines and players (output ``paced``), renderers whose loops take ``--ms`` and no processor; ``--ms 0`` plays the
bundled model. Prints a table with a line for each set, and what the pool did.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import signal
import tempfile
import threading
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from riffengine.pool.node import NodeOptions
from riffengine.pool.node_access import read_token
from riffengine.service.many_sets import ManySets, plan_sets
from tools.bench.scripted_member import scripted_main

_PROMPTS = ("ambient piano", "dub techno", "acid house", "drum and bass", "jazz trio", "lofi hip hop", "trance lead")
_PORT = 19464
_COLUMNS = ("famines", "underruns", "renders delivered", "landings moved", "late frames", "MB")


def presets(folder: Path, number: int) -> list[Path]:
    """``number`` different presets that drift."""
    paths = []
    for index in range(number):
        path = folder / f"room{index + 1}.yaml"
        words = _PROMPTS[index % len(_PROMPTS)], _PROMPTS[(index + 3) % len(_PROMPTS)]
        path.write_text(
            f"midi: {{enabled: false}}\nosc: {{enabled: false}}\noutput: {{to: paced}}\n"
            f"deck: {{a: {{prompt: {words[0]}, to: {words[1]}, seed: {1000 * index}, to_seed: {1000 * index + 1}, "
            "drift: 0.2}}\n"
        )
        paths.append(path)
    return paths


def figures(port: int) -> dict[tuple[str, str], float]:
    """What ``/metrics`` says now, by set and name; the outcome of a render is part of its name."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            outcome = sample.labels.get("outcome", "")
            found[sample.labels.get("set", ""), sample.name.removeprefix("riffengine_") + outcome] = sample.value
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--renderers", type=int, default=2)
    parser.add_argument("--ms", type=int, default=300)
    arguments = parser.parse_args()
    seen: list[dict[tuple[str, str], float]] = []
    with tempfile.TemporaryDirectory() as folder:
        paths = presets(Path(folder), arguments.sets)
        plans = [replace(p, options=("--fresh",)) for p in plan_sets(paths, {path: {} for path in paths}, _PORT)]
        token_file = Path(folder) / "token"
        node = NodeOptions("127.0.0.1", 0, read_token(token_file, make=True), renderers=arguments.renderers, files=True)
        if arguments.ms:
            node = replace(node, model=f"scripted?ms={arguments.ms}&as=bundled", main=scripted_main)
        os.environ["XDG_STATE_HOME"] = str(Path(folder) / "state")
        ended = time.perf_counter() + arguments.seconds

        def watch() -> None:
            while time.perf_counter() < ended:
                threading.Event().wait(min(10.0, max(0.1, ended - time.perf_counter())))
                try:
                    seen.append(figures(_PORT))
                except OSError:
                    continue
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=watch, daemon=True).start()
        asyncio.run(ManySets(plans, node, token_file, lambda line: None).run(("127.0.0.1", _PORT)))
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {arguments}")
    last = seen[-1]
    print(f"{'set':8}" + "".join(f"{column:>20}" for column in _COLUMNS))
    for plan in plans:
        names = (
            *("famines_total", "underruns_total", "renders_totaldelivered", "landings_moved_total"),
            *("landing_error_frames_max", "set_memory_bytes"),
        )
        values = [last.get((plan.name, name), float("nan")) for name in names]
        values[-1] /= 1e6
        print(f"{plan.name:8}" + "".join(f"{value:20.0f}" for value in values))
    pool = {name: value for (owner, name), value in last.items() if owner == "" and name.startswith("pool_")}
    print("pool: " + ", ".join(f"{name.removeprefix('pool_')} {value:g}" for name, value in pool.items()))


if __name__ == "__main__":
    main()
