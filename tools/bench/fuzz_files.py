"""Fuzzes every format that is opened: ``python -m tools.bench.fuzz_files [--files 100000] [--seed 1] [--only KIND …]``.

Each format has a process of its own, which reads mangled files (``tests/fuzz``) and counts what was read and what was
refused in words. The parent counts crashes (a signal, an exception that is not ours), and prints the growth of the
child's memory at its peak over the memory after the first hundred valid files: libraries and caches are not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.mangled import judge, mangle
from tests.fuzz.test_files import KINDS as TESTED
from tests.fuzz.test_files import corpus_of

KINDS = (*TESTED, "pickles")  # torch's own errors on damaged pickles are for a process of its own, as here
SHARES = {"checkpoints": 0.02, "presets": 0.3, "maps": 0.3, "pictures": 0.5, "loops": 0.1, "learned maps": 0.3}
"""Of the files of an average format: where one file takes long."""
WARM_FILES = 100
FIRST_FAILURES = 3


def fuzz(kind: str, files: int, seed: int) -> dict[str, object]:
    """In the child: read ``files`` mangled files of ``kind`` and return the counts."""
    found: dict[str, object] = {"read": 0, "refused": 0, "failures": 0, "first": []}
    counts = {"read": 0, "refused": 0}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        read, corpus, allowed, file_name, _ = corpus_of(kind, folder)
        path = folder / "mangled" / file_name
        path.parent.mkdir()
        if kind == "checkpoints":
            import torch
            from safetensors.torch import save

            (path.parent / "diffusion_pytorch_model.safetensors").write_bytes(save({"a": torch.ones(1)}))
        for number in range(WARM_FILES):
            path.write_bytes(corpus[number % len(corpus)])
            try:
                judge(read, path, allowed)
            except Exception:  # noqa: BLE001 (counted below, where its file is known)
                continue
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in range(files):
            rng = random.Random(seed * 1_000_003 + number)
            data = mangle(rng.choice(corpus), rng)
            path.write_bytes(data)
            try:
                counts[judge(read, path, allowed)] += 1
            except Exception as error:  # noqa: BLE001 (the fuzzer counts exceptions)
                found["failures"] = int(str(found["failures"])) + 1
                first = found["first"]
                if isinstance(first, list) and len(first) < FIRST_FAILURES:
                    first.append(f"file {number}: {type(error).__name__}: {error}; {data[:200]!r}")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    return {**found, **counts, "grown_mb": grown}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--child", choices=KINDS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(fuzz(arguments.child, arguments.files, arguments.seed)))
        return 0
    shares = {kind: SHARES.get(kind, 1.0) for kind in arguments.only}
    total = failures = 0
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores")
    print(f"{'format':16}{'files':>9}{'read':>9}{'refused':>9}{'crashes':>9}{'grown MB':>10}{'seconds':>9}", flush=True)
    for kind, share in shares.items():
        files, began = round(arguments.files * share / sum(shares.values())) + 1, time.perf_counter()
        command = [sys.executable, "-m", "tools.bench.fuzz_files", "--child", kind, "--files", str(files),
                   "--seed", str(arguments.seed)]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
        if done.returncode or "Traceback" in done.stderr:
            failures += 1
            print(f"{kind:16} ended with {done.returncode}: {done.stderr[-2000:]}", flush=True)
            continue
        found = json.loads(done.stdout)
        total += files
        failures += found["failures"]
        print(
            f"{kind:16}{files:9}{found['read']:9}{found['refused']:9}{found['failures']:9}{found['grown_mb']:10}"
            f"{seconds:9.0f}",
            flush=True,
        )
        for text in found["first"]:
            print(f"    {text}", flush=True)
    print(f"{total} files, {failures} failures")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
