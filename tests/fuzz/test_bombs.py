"""Small files that would take gigabytes or hours: refused before they are decoded, in little memory and time."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

MOST_MB = 300  # of memory at the peak, the libraries included

_READ = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
from pathlib import Path
from riffengine.errors import RiffError
{imports}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in map(Path, sys.argv[1:]):
    try:
        {read}
        print(path.name, "read")
    except RiffError as error:
        print(path.name, "refused", len(str(error).splitlines()), len(str(error)))
print("memory", (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def png(path: Path, width: int, height: int, bits: int = 8, colour: int = 2) -> None:
    """A black picture, written row by row: a few hundred kilobytes, however large."""
    packer, data = zlib.compressobj(9), b""
    row = b"\0" + bytes(width * bits // 8 * {0: 1, 2: 3, 6: 4}[colour])
    for _ in range(height):
        data += packer.compress(row)
    data += packer.flush()

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def wide_png(path: Path) -> None:
    png(path, 13_000, 6_800)


def deep_png(path: Path) -> None:
    png(path, 8_000, 5_000, 16, 6)


def flat_png(path: Path) -> None:
    png(path, 30_000, 8)  # 512 bands high it would be two million columns wide


def postscript(path: Path) -> None:
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) run\n%%EOF\n")


def fast_flac(path: Path) -> None:
    with soundfile.SoundFile(path, "w", 655_350, 8, format="FLAC", subtype="PCM_16") as file:
        block = np.zeros((655_350, 8), np.int16)
        for _ in range(20):
            file.write(block)


def sparse_wav(path: Path) -> None:
    rate, size = 1_000_000_000, 4_000_000_000
    with path.open("wb") as file:
        fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2 % 2**32, 2, 16)
        file.write(struct.pack("<4sI4s", b"RIFF", size + 36, b"WAVE") + fmt + struct.pack("<4sI", b"data", size))
        file.truncate(size + 44)


def endless_journal(path: Path) -> None:
    from riffengine.performance.journal import Journal, JournalHeader
    from riffengine.transport.beat_grid import BeatGrid, Moment

    journal = Journal(path, JournalHeader("p", "bundled", "", 44100, 1))
    facts = {"number": 1, "horizon": 0, "name": "master/gain", "value": 1.0}
    journal.record_player(Moment.on(BeatGrid(44100, 120.0), 0), "SetControl", facts)
    journal.record_player(Moment.on(BeatGrid(44100, 120.0), 10**12), "End", {})
    journal.close()


def unknown_keys(path: Path) -> None:
    path.write_text("".join(f"key{n}: 1\n" for n in range(20_000)))


def base_60(path: Path) -> None:
    path.write_text("steps: 1" + ":1" * 120_000 + "\n")


def many_nodes(path: Path) -> None:
    path.write_text("prompts: [" + "a," * 100_000 + "]\n")


def pipe(path: Path) -> None:
    os.mkfifo(path)


PICTURE = ("from riffengine.renderer.riffusion.spectrogram_image import read_picture", "read_picture(path)")
SOUND = ("from riffengine.renderer.audio_file import read_audio", "read_audio(path, 2, 44100)")
LOOP = ("from riffengine.renderer.loop_audio import read_loop", "read_loop(str(path), 8, 120.0, 44100)")
SESSION = ("from riffengine.session.session import load_session", "load_session(path)")
JOURNAL = (
    "from riffengine.performance.journal import read_journal\nfrom riffengine.replay.player_log import read_player_log",
    "log = read_player_log(read_journal(path)); assert log[1] < 10**9, log[1]",
)
CASES: dict[str, tuple[tuple[str, str], list[Callable[[Path], None]]]] = {
    "pictures": (PICTURE, [wide_png, deep_png, flat_png, postscript, pipe]),
    "sounds": (SOUND, [sparse_wav, pipe]),
    "loops": (LOOP, [fast_flac, pipe]),
    "journals": (JOURNAL, [endless_journal, pipe]),
    "presets": (SESSION, [unknown_keys, base_60, many_nodes, pipe]),
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits of a process")
@pytest.mark.parametrize("kind", CASES)
def test_a_bomb_is_refused_before_it_is_decoded(kind: str, tmp_path: Path) -> None:
    """One process for each reader: importing torch takes longer than all files."""
    (imports, read), makers = CASES[kind]
    paths = [tmp_path / make.__name__ for make in makers]
    for make, path in zip(makers, paths, strict=True):
        make(path)
    program = [sys.executable, "-c", _READ.format(imports=imports, read=read), *map(str, paths)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0 and done.stderr == "", done.stderr[-2000:]
    *verdicts, memory = [line.split() for line in done.stdout.splitlines()]
    assert len(verdicts) == len(paths)
    for name, verdict, *size in verdicts:
        # What the journal holds up to its damaged end is played.
        assert verdict == ("read" if name == "endless_journal" else "refused"), name
        assert verdict == "read" or (int(size[0]) <= 60 and int(size[1]) < 20_000), name
    assert int(memory[1]) < MOST_MB, "megabytes more than before the files were opened"


def test_a_network_of_a_million_layers_is_not_built(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from riffengine.errors import ModelError
    from riffengine.renderer.checkpoints.part import read_part

    (tmp_path / "unet").mkdir()
    save_file({"a": torch.ones(1)}, tmp_path / "unet" / "diffusion_pytorch_model.safetensors")

    def build(config: dict[str, object]) -> object:
        raise AssertionError("it is built")

    for key, value in [
        ("layers_per_block", 10**6),
        ("transformer_layers_per_block", [1, 10**7]),
        ("num_hidden_layers", 10**6),
        ("block_out_channels", [32] * 1000),
        ("cross_attention_dim", 1e300),
        ("num_layers", 10**6),
        ("encoder_transformer_depths", [1, 10**6]),
        ("num_hidden_layers", {"num_hidden_layers": 10**6}),
    ]:
        (tmp_path / "unet" / "config.json").write_text(json.dumps({key: value}))
        with pytest.raises(ModelError, match=key):
            read_part(tmp_path / "unet", "UNet", build, [])
