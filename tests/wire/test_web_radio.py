"""Radio: our streams in real players, and by Debian's Icecast to its listeners, over its death and return."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from riffengine.web.encoders import opus_library
from riffengine.web.icecast_target import icecast_target
from riffengine.web.options import WebOptions
from tests.needed import lacks
from tests.wire.icecast_server import PASSWORD, IcecastServer, need
from tests.wire.web_site import WebSite, web_site

pytestmark = pytest.mark.wire


@pytest.fixture
def icecast() -> Iterator[IcecastServer]:
    server = IcecastServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def site() -> Iterator[WebSite]:
    with web_site() as running:
        yield running


def heard(url: str, seconds: float = 2.0) -> tuple[str, int]:
    """What ffmpeg hears of ``url``: codec, and frames of 48 kHz that are not silent."""
    command = [need("ffmpeg"), "-v", "error", "-t", str(seconds), "-i", url]
    command += ["-f", "s16le", "-ar", "48000", "-ac", "1", "-"]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    probe = [need("ffprobe"), "-v", "error", "-show_entries", "stream=codec_name,channels", "-of", "csv=p=0", url]
    codec = subprocess.run(probe, capture_output=True, timeout=120, check=False, text=True).stdout.strip()
    samples = memoryview(done.stdout).cast("h") if len(done.stdout) % 2 == 0 else []
    return codec, sum(1 for sample in samples if abs(sample) > 100)


def heard_by_mpv(url: str, file: Path, seconds: float = 2.0) -> int:
    """How many frames of ``url`` mpv plays that are not silent."""
    words = ["--no-config", "--no-video", f"--length={seconds}", "--ao=pcm", f"--ao-pcm-file={file}", url]
    done = subprocess.run([need("mpv"), *words], capture_output=True, timeout=120, check=False, text=True)
    assert file.exists(), done.stdout + done.stderr
    samples, _ = soundfile.read(file, dtype="float32", always_2d=True)
    return int((np.abs(samples[:, 0]) > 100 / 32768).sum())


@pytest.mark.parametrize(("ending", "codec"), [("flac", "flac,2"), ("ogg", "opus,2"), ("mp3", "mp3,2")])
def test_ffmpeg_and_mpv_play_the_streams(site: WebSite, tmp_path: Path, ending: str, codec: str) -> None:
    if ending == "ogg" and opus_library() is None:
        lacks("not installed: libopus")
    url = f"{site.url}stream.{ending}"
    with ThreadPoolExecutor() as pool:
        mpv = pool.submit(heard_by_mpv, url, tmp_path / "heard.wav")
        ffmpeg = pool.submit(heard, url)
        assert ffmpeg.result()[0] == codec
        assert ffmpeg.result()[1] > 48000
        assert mpv.result() > 40000


def test_icecast_gets_the_stream_and_gets_it_again_after_its_death(icecast: IcecastServer) -> None:
    """Before it is there, while it is there, and after it was killed: the source comes by itself."""
    url = f"http://127.0.0.1:{icecast.port}/set.mp3"
    target = icecast_target(f"icecast://127.0.0.1:{icecast.port}/set.mp3", PASSWORD)
    with web_site(WebOptions(port=0, icecast=target)) as site:
        site.wait_told("Connect call failed")
        icecast.start()
        site.wait_told("the stream is being sent")
        codec, loud = heard(url)
        assert codec == "mp3,2"
        assert loud > 48000
        icecast.end()
        site.wait_told("the next attempt")
        icecast.start()
        site.wait_told("the stream is being sent")
        assert heard(url)[1] > 48000
        assert PASSWORD not in " ".join(site.all_told)
