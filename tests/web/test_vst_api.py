"""RiffusionVST's interface by the request that its source makes: a recording comes back as a loop of its length."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from riffengine.clock import SystemClock
from riffengine.errors import AudioFileError, RendererError
from riffengine.processes.render_request import RenderRequest
from riffengine.web.options import Role, WebOptions
from riffengine.web.recorded_wav import recorded_wav
from riffengine.web.renditions import Renditions
from riffengine.web.vst_api import VstApi
from tests.web.site import RATE, Site, run, site

POINT = {"prompt": "church bells", "seed": 42, "denoising": 0.75, "guidance": 7.0}


def wav(seconds: float = 5.0, rate: int = RATE, channels: int = 1, subtype: str = "PCM_16") -> str:
    """What the plugin sends: base64 of a WAV file."""
    sound = 0.3 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * rate)) / rate)
    file = io.BytesIO()
    soundfile.write(file, np.repeat(sound[:, None], channels, axis=1), rate, format="WAV", subtype=subtype)
    return base64.b64encode(file.getvalue()).decode()


def asked(audio: Any = None, **changes: Any) -> dict[str, Any]:
    body = {"alpha": 0.5, "num_inference_steps": 50, "start": POINT, "end": {**POINT, "prompt": "jazz"}}
    return {**body, "audio": wav() if audio is None else audio, **changes}


@dataclass
class Rendered:
    """A renderer that keeps what it is asked for, and whether the recording was there."""

    requests: list[RenderRequest] = field(default_factory=list)
    read: list[bytes] = field(default_factory=list)
    seconds: float = 0.0
    fails: bool = False

    async def render(self, request: RenderRequest, seconds: float) -> Any:
        self.requests.append(request)
        self.read.append(Path(request.init).read_bytes())
        async with asyncio.timeout(seconds):
            await asyncio.sleep(self.seconds)
        if self.fails:
            raise RendererError("no")
        frames = round(request.beats * 60 / request.bpm * RATE)
        return np.full((frames, 2), 0.25, np.float32)


def with_renderer(web: Site, rendered: Rendered, seconds: float = 45.0) -> VstApi:
    values = lambda: {"steps": 8, "key": "A minor"}  # noqa: E731
    vst = VstApi("bundled", 8, RATE, values, rendered, seconds)  # type: ignore[arg-type]
    web.server._riffusion.vst.close()
    web.server._riffusion.vst = vst
    return vst


async def post(web: Site, body: Any, **options: Any) -> tuple[int, Any, str]:
    async with web.client.post(f"{web.url}/run_vst/", json=body, **options) as answer:
        text = await answer.text()
        header = answer.headers.get("X-Riffengine-Substitute", "")
        return answer.status, (await answer.json())["audio"] if answer.status == 200 else text, header


@pytest.mark.parametrize(("seconds", "rate", "channels"), [(5.0, RATE, 1), (4.0, 48000, 2), (5.0, 22050, 1)])
def test_a_recording_comes_back_with_its_own_shape(seconds: float, rate: int, channels: int) -> None:
    async def body() -> None:
        async with site() as web:
            rendered = Rendered()
            with_renderer(web, rendered)
            status, audio, header = await post(web, asked(wav(seconds, rate, channels)))
            assert (status, header) == (200, "")
            file = soundfile.info(io.BytesIO(base64.b64decode(audio, validate=True)))
            assert (file.frames, file.samplerate, file.channels) == (round(seconds * rate), rate, channels)
            assert file.subtype == "PCM_16"
            request = rendered.requests[0]
            assert request.bpm == pytest.approx(8 * 60 / seconds)
            assert (request.alpha, request.steps, request.key) == (0.5, 8, "A minor")
            assert (request.start.strength, request.start.guidance) == (0.75, 3.0)
            assert rendered.read[0] == base64.b64decode(wav(seconds, rate, channels))

    run(body)


def test_a_renderer_that_is_late_or_gone_gives_the_recording_back() -> None:
    async def body() -> None:
        async with site() as web:
            vst = with_renderer(web, Rendered(seconds=60.0), seconds=0.05)
            assert await post(web, asked()) == (200, wav(), "late")
            assert vst.substitutes == web.server._riffusion.substitutes == 1
            with_renderer(web, Rendered(fails=True))
            assert await post(web, asked()) == (200, wav(), "failed")

    run(body)


def test_what_is_no_request_is_refused_and_names_no_file() -> None:
    async def body() -> None:
        async with site() as web:
            rendered = Rendered()
            with_renderer(web, rendered)
            for changed, words in (
                ({"audio": 7}, 'missing value for field "audio"'),
                ({"audio": "/etc/passwd"}, "not base64"),
                ({"audio": base64.b64encode(b"/etc/passwd").decode()}, "no WAV file"),
                ({"audio": wav(1.0)}, "takes 2.67 to 8.00 s, and this is 1.00 s long"),
                ({"start": {"prompt": "x"}}, 'missing value for field "start.seed"'),
                ({"mask_image_id": "../secret"}, "Invalid mask image"),
            ):
                status, text, _ = await post(web, asked(**changed))
                assert (status, words in text) == (400, True), text
            large = io.BytesIO(json.dumps(asked("A" * (5 << 20))).encode())
            json_type = {"Content-Type": "application/json"}
            async with web.client.post(f"{web.url}/run_vst/", data=large, headers=json_type) as no:
                assert no.status == 413
            async with web.client.post(f"{web.url}/run_vst/", data="{}", headers={"Content-Type": "text/plain"}) as no:
                assert no.status == 415
            async with web.client.get(f"{web.url}/run_vst/") as no:
                assert no.status == 405
            assert rendered.requests == []

    run(body)
    token = "g" * 20

    async def as_guest() -> None:
        async with site(WebOptions(port=0, tokens=((Role.GUEST, token),))) as web:
            with_renderer(web, Rendered())
            assert (await post(web, asked()))[0] == 401
            assert (await post(web, asked(), headers={"Authorization": f"Bearer {token}"}))[0] == 403

    run(as_guest)


def test_few_recordings_are_kept_and_none_at_the_end() -> None:
    async def body() -> None:
        async with site() as web:
            rendered = Rendered()
            vst = with_renderer(web, rendered)
            for count in range(12):
                assert (await post(web, asked(wav(4.0 + count / 10))))[0] == 200
            folder = Path(rendered.requests[0].init).parent
            assert len(list(folder.iterdir())) <= 8
            assert folder.stat().st_mode & 0o077 == 0
            vst.close()
            assert not folder.exists()

    run(body)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "PCM_U8"])
def test_every_usual_coding_is_measured(subtype: str) -> None:
    assert recorded_wav(wav(3.0, subtype=subtype)).seconds == 3.0


def test_mangled_heads_are_refused_or_bounded() -> None:
    whole = bytearray(base64.b64decode(wav(3.0)))
    random = np.random.default_rng(5)
    for _ in range(2000):
        data = bytearray(whole[: int(random.integers(0, 200))]) + whole[200:2000]
        for at in random.integers(0, max(1, min(60, len(data))), 3):
            data[at] = int(random.integers(0, 256))
        try:
            found = recorded_wav(base64.b64encode(bytes(data)).decode())
        except AudioFileError:
            continue
        assert 0 < found.frames <= len(data) and 1 <= found.channels <= 8


@pytest.mark.slow
def test_the_bundled_model_dreams_on_a_recording() -> None:
    """The real renderer reads the recording: another one gives another loop of the same length."""

    async def body() -> None:
        made = Renditions("bundled", 8 * RATE, SystemClock())
        vst = VstApi("bundled", 8, RATE, lambda: {"steps": 1}, made)
        try:
            answers = []
            for seconds in (5.0, 4.0):
                answer = await vst.answer(asked(wav(seconds)))
                assert (answer.status, answer.headers.get("X-Riffengine-Substitute")) == (200, None)
                assert isinstance(answer.text, str)
                sound, rate = soundfile.read(io.BytesIO(base64.b64decode(answer.text.split('"')[3])))
                assert (len(sound), rate) == (round(seconds * RATE), RATE)
                assert np.abs(sound).max() > 0.05
                answers.append(sound)
        finally:
            await made.close()
            vst.close()

    run(body)
