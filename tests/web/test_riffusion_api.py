"""Riffusion's API by the request shapes that its app was seen to send, and the app itself as a state machine."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import re
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from aiohttp import ClientResponse
from PIL import Image

from riffengine.clock import SystemClock
from riffengine.errors import RendererError
from riffengine.processes.backoff import RestartPolicy
from riffengine.processes.render_messages import Delivery, Ready, RenderCost, ToRenderer
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.process import RendererProcess
from riffengine.web import renditions as renditions_module
from riffengine.web.inference import InferenceError, parse_inference, render_request
from riffengine.web.loop_files import loop_answer
from riffengine.web.loop_picture import loop_picture
from riffengine.web.options import WebOptions
from riffengine.web.rendition_cache import RenditionCache
from riffengine.web.renditions import Renditions
from riffengine.web.riffusion_api import RiffusionApi
from tests.web.site import RATE, Site, run, site

POINT = {"prompt": "church bells", "seed": 42, "denoising": 0.75, "guidance": 7}
CAPTURED: dict[str, Any] = {
    "alpha": 0.25, "num_inference_steps": 50, "seed_image_id": "og_beat", "mask_image_id": None,
    "start": POINT, "end": {**POINT, "seed": 43},
}  # fmt: skip
SEEDS, MASKS = frozenset({"straight", "swing"}), frozenset({"keep-low", "gradient"})
BPM = 93.75
FRAMES = 225_792


async def post(web: Site, body: Any, path: str = "/run_inference/", **options: Any) -> ClientResponse:
    answer = await web.client.post(web.url + path, json=body, allow_redirects=False, **options)
    await answer.read()
    return answer


def decoded(uri: str, kind: str) -> bytes:
    head, _, data = uri.partition(",")
    assert head == f"data:{kind};base64"
    assert "\n" not in data
    return base64.b64decode(data, validate=True)


# --- the request ------------------------------------------------------------------------------------------------------


def test_the_captured_request_is_understood() -> None:
    asked = parse_inference(CAPTURED, SEEDS, MASKS)
    assert (asked.alpha, asked.steps, asked.seed_image, asked.mask_image) == (0.25, 50, "straight", "")
    assert asked.start == MorphEnd("church bells", 42, "", 7.0, 0.75)
    assert asked.end.seed == 43


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"alpha": 1}, ("alpha", 1.0)),
        ({"alpha": 7.5}, ("alpha", 1.0)),
        ({"mask_image_id": ""}, ("mask_image", "")),
        ({"mask_image_id": "mask_top_third_75"}, ("mask_image", "keep-low")),
        ({"seed_image_id": "swing"}, ("seed_image", "swing")),
        ({"output_path": "/etc/passwd", "seed_image_path": "x.png"}, ("seed_image", "straight")),
    ],
)
def test_what_clients_vary_is_taken(change: dict[str, Any], expected: tuple[str, Any]) -> None:
    assert getattr(parse_inference({**CAPTURED, **change}, SEEDS, MASKS), expected[0]) == expected[1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"start": None}, 'wrong value type for field "start"'),
        (
            {"start": {**POINT, "seed": 1.5}},
            'wrong value type for field "start.seed" - should be "int" instead of value "1.5" of type "float"',
        ),
        ({"end": {"seed": 1}}, 'missing value for field "end.prompt"'),
        ({"alpha": "0.5"}, 'wrong value type for field "alpha" - should be "float"'),
        ({"alpha": float("nan")}, 'wrong value type for field "alpha"'),
        ({"seed_image_id": None}, 'wrong value type for field "seed_image_id"'),
        ({"seed_image_id": "../../etc/passwd"}, "Invalid seed image: ../../etc/passwd"),
        ({"mask_image_id": "/etc/passwd"}, "Invalid mask image: /etc/passwd"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_the_original(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InferenceError) as refused:
        parse_inference({**CAPTURED, **change}, SEEDS, MASKS)
    assert words in str(refused.value)


def test_the_next_requests_of_the_app_are_known() -> None:
    asked = parse_inference({**CAPTURED, "alpha": 0.5}, SEEDS, MASKS)
    following = asked.following()
    assert [after.alpha for after in following] == [0.75, 1.0, 0.25]
    assert (following[-1].start.seed, following[-1].end.seed) == (43, 44)


def test_a_model_that_starts_from_pictures_gets_them_and_another_one_does_not() -> None:
    base = RenderRequest(MorphEnd("", 0), MorphEnd("", 0), steps=8, bpm=BPM, key="A minor")
    asked = parse_inference({**CAPTURED, "mask_image_id": "gradient"}, SEEDS, MASKS)
    with_picture, without = render_request(asked, base, True), render_request(asked, base, False)
    assert (with_picture.init, with_picture.start.guidance) == ("straight?mask=gradient", 7.0)
    assert (without.init, without.start.guidance) == ("", 3.0)
    assert (without.steps, without.bpm, without.key) == (8, BPM, "A minor")


# --- the answer ---------------------------------------------------------------------------------------------------


def test_the_picture_shows_the_loop_as_a_circle_and_is_not_blank() -> None:
    time = np.arange(FRAMES) / RATE
    tone = np.sin(2 * np.pi * 1000 * time) * (np.arange(FRAMES) < FRAMES // 2)
    picture = loop_picture(tone.astype(np.float32), RATE)
    assert picture.shape == (512, 512)
    assert picture[:, :250].min() < 20 and picture[:, 270:500].min() > 60
    rows = np.argmin(picture[:, 100])
    hz = 700 * (10 ** ((511 - rows + 1) / 513 * 2595 * np.log10(1 + 10000 / 700) / 2595) - 1)
    assert abs(hz - 1000) < 30
    turned = loop_picture(np.roll(tone, FRAMES // 4).astype(np.float32), RATE)
    assert np.abs(turned.astype(int) - np.roll(picture, 128, axis=1)).max() <= 2


@pytest.mark.parametrize(("format_", "kind"), [("flac", "audio/flac"), ("mp3", "audio/mpeg")])
def test_the_answer_decodes_to_exactly_one_loop(format_: str, kind: str) -> None:
    sound = 0.3 * np.random.default_rng(0).standard_normal((FRAMES, 2)).astype(np.float32)
    answer = loop_answer(sound, RATE, format_)
    samples, rate = soundfile.read(io.BytesIO(decoded(answer.audio, kind)))
    assert (rate, len(samples)) == (RATE, FRAMES)
    assert np.abs(samples).max() <= (1.0 if format_ == "flac" else 1.2)  # lossy: it may overshoot
    picture = Image.open(io.BytesIO(decoded(answer.image, "image/jpeg")))
    assert picture.size == (512, 512)
    assert np.asarray(picture).std() > 5
    assert answer.duration_s == pytest.approx(5.12)


# --- by HTTP ----------------------------------------------------------------------------------------------------------


@dataclass
class Rendered:
    """A renderer that makes noise, with the asked delays in seconds or errors."""

    plan: Callable[[RenderRequest], float] = lambda request: 0.0
    asked: list[RenderRequest] = field(default_factory=list)
    ahead: list[RenderRequest] = field(default_factory=list)

    async def render(self, request: RenderRequest, seconds: float) -> Any:
        self.asked.append(request)
        async with asyncio.timeout(seconds):
            await asyncio.sleep(self.plan(request))
        frames = round(request.beats * 60 / request.bpm * RATE)
        return np.full((frames, 2), 0.1, np.float32)

    def render_ahead(self, requests: tuple[RenderRequest, ...]) -> None:
        self.ahead = list(requests)

    def nearest(self, request: RenderRequest) -> Any:
        return None


def with_renderer(web: Site, rendered: Any, seconds: float = 45.0) -> None:
    values = lambda: {"transport/tempo": BPM, "steps": 8}  # noqa: E731
    web.server._riffusion.riffusion = RiffusionApi("bundled", 8, web.tap, values, rendered, seconds)


def test_both_forms_are_answered_and_the_next_alphas_are_rendered_ahead() -> None:
    async def body() -> None:
        async with site() as web:
            rendered = Rendered()
            with_renderer(web, rendered)
            plain = await post(web, CAPTURED)
            wrapped = await post(web, {"worklet_input": CAPTURED})
            assert plain.status == wrapped.status == 200
            assert (await wrapped.json())["output"] == await plain.json()
            assert set(await plain.json()) == {"image", "audio", "duration_s"}
            assert (await plain.json())["duration_s"] == pytest.approx(5.12)
            assert [request.alpha for request in rendered.ahead] == [0.5, 0.75, 1.0]
            mp3 = await post(web, CAPTURED, "/run_inference/?format=mp3")
            assert (await mp3.json())["audio"].startswith("data:audio/mpeg;base64,")

    run(body)


def test_the_manners_of_the_original_are_kept_and_its_faults_are_not() -> None:
    async def body() -> None:
        async with site() as web:
            with_renderer(web, Rendered())
            moved = await post(web, CAPTURED, "/run_inference")
            assert (moved.status, moved.headers["Location"]) == (308, "/run_inference/")
            async with web.client.get(f"{web.url}/run_inference/") as answer:
                assert answer.status == 405
            bad = await post(web, {**CAPTURED, "seed_image_id": "../x"})
            assert (bad.status, await bad.text()) == (400, "Invalid seed image: ../x")
            for data, content_type, status in ((b"{", "application/json", 400), (b"{}", "text/plain", 415)):
                headers = {"Content-Type": content_type}
                async with web.client.post(f"{web.url}/run_inference/", data=data, headers=headers) as answer:
                    assert answer.status == status

    run(body)


def test_a_listed_site_may_ask_by_preflight_and_another_may_not() -> None:
    async def body() -> None:
        origin = "http://localhost:3000"
        async with site(WebOptions(port=0, origins=(origin,))) as web:
            with_renderer(web, Rendered())
            asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
            url = f"{web.url}/run_inference/"
            async with web.client.options(url, headers={**asked, "Origin": origin}) as answer:
                assert answer.status == 204
                assert answer.headers["Access-Control-Allow-Origin"] == origin
                assert "content-type" in answer.headers["Access-Control-Allow-Headers"]
            answer = await post(web, {"worklet_input": CAPTURED}, headers={"Origin": origin})
            assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, origin)
            async with web.client.options(url, headers={**asked, "Origin": "http://evil.test"}) as answer:
                assert answer.status == 403
                assert "Access-Control-Allow-Origin" not in answer.headers

    run(body)


def test_a_late_or_failed_renderer_is_answered_with_the_music_itself_and_a_header() -> None:
    async def body() -> None:
        async with site() as web:
            heard = 0.1 * np.random.default_rng(1).standard_normal((1 << 17, 2)).astype(np.float32)
            web.play(heard)  # what the tap holds is less than a loop
            with_renderer(web, Rendered(plan=lambda request: 60.0), seconds=0.05)
            answer = await post(web, CAPTURED)
            assert (answer.status, answer.headers["X-Riffengine-Substitute"]) == (200, "late")
            found = await answer.json()
            assert found["duration_s"] == pytest.approx(5.12)
            sound, _ = soundfile.read(io.BytesIO(decoded(found["audio"], "audio/flac")))
            assert len(sound) == FRAMES and np.abs(sound[: len(heard)] - heard).max() < 2**-14

            class Failing(Rendered):
                async def render(self, request: RenderRequest, seconds: float) -> Any:
                    raise RendererError("no")

            with_renderer(web, Failing())
            answer = await post(web, CAPTURED)
            assert (answer.status, answer.headers["X-Riffengine-Substitute"]) == (200, "failed")
            assert web.server._riffusion.substitutes == 1

    run(body)


# --- the renderer of the web server's own -------------------------------------------------------------------------


@pytest.mark.slow
def test_loops_come_from_a_renderer_of_their_own_that_is_started_again_when_it_is_killed(tmp_path: Path) -> None:
    """And from the folder in which the pool of a set, or another server, has left them."""
    sent = []

    class Watched(RendererProcess):
        def send(self, message: ToRenderer) -> None:
            sent.append(message)
            super().send(message)

    def renditions() -> Renditions:
        return Renditions("bundled", FRAMES, SystemClock(), Watched, RenditionCache(str(tmp_path), 100.0))

    async def body() -> None:
        made = renditions()
        request = RenderRequest(MorphEnd("techno", 1), MorphEnd("techno", 2), 0.5, steps=1, bpm=BPM)
        try:
            first = await made.render(request, 120.0)
            assert first.shape == (FRAMES, 2)
            assert np.abs(first).max() > 0.01
            assert await made.render(request, 0.001) is first
            assert made.nearest(replace(request, alpha=0.9)) is first
            other = replace(request, alpha=0.75)
            waiting = asyncio.create_task(made.render(other, 120.0))
            await asyncio.sleep(0.05)
            assert made.pid is not None
            os.kill(made.pid, signal.SIGKILL)
            assert (await waiting).shape == (FRAMES, 2)
            assert made.deaths == 1
            made.render_ahead((replace(request, alpha=0.25), replace(request, alpha=1.0)))
            while made.kept(replace(request, alpha=1.0)) is None:
                await asyncio.sleep(0.1)
        finally:
            await made.close()
        assert made.pid is None
        sent.clear()
        again = renditions()
        try:
            assert np.allclose(await again.render(request, 120.0), first, atol=1e-6)
            assert sent == []
        finally:
            await again.close()

    run(body)


def test_a_kept_loop_is_used_where_its_length_weights_and_machine_are_those_asked_for(tmp_path: Path) -> None:
    ready = Ready("bundled", ("mix",), 2, (), 1.0, "weights", kind="cpu")
    request = RenderRequest(MorphEnd("techno", 1), MorphEnd("techno", 2), bpm=BPM)
    samples = np.full((1, FRAMES, 2), 0.25, np.float32)

    async def body() -> None:
        cache = RenditionCache(str(tmp_path), 100.0)
        try:
            for frames, asked in ((FRAMES, request), (FRAMES - 2, replace(request, alpha=0.5))):
                loop = samples[:, :frames]
                delivery = Delivery(1, 0, asked, frames, 2, ("mix",), -14.0, 0.5, RenderCost(), ())
                await cache.keep(asked, ready, delivery, loop)
            while len(list(tmp_path.glob("*.json"))) < 2:
                await asyncio.sleep(0.01)
            found = await cache.find(request, ready)
            assert found is not None and np.allclose(found, samples[0])
            for other in (replace(ready, weights_digest="others"), replace(ready, kind="cuda")):
                assert await cache.find(request, other) is None
            assert await cache.find(replace(request, alpha=0.5), ready) is None
            while len(list(tmp_path.glob("*.json"))) > 1:
                await asyncio.sleep(0.01)
            assert await cache.find(replace(request, init="missing.wav"), ready) is None
        finally:
            cache.close()
        (tmp_path / "taken").write_text("")
        none = RenditionCache(str(tmp_path / "taken"), 100.0)
        await none.keep(request, ready, Delivery(1, 0, request, 1, 2, ("mix",), -14.0, 0.5, RenderCost(), ()), samples)
        assert await none.find(request, ready) is None
        none.close()

    run(body)


class DyingRenderer:
    """Ready at once, and dead with the first job."""

    starts = 0
    pid = 1

    def __init__(self, options: object) -> None:
        self._reads, self._writes = os.pipe()
        self._told, self.alive = False, True

    def start(self) -> None:
        DyingRenderer.starts += 1

    def fileno(self) -> int:
        return self._reads

    def receive(self) -> tuple[list[Ready], bool]:
        told, self._told = self._told, True
        return ([] if told else [Ready("bundled", ("mix",), 2, (), 1.0, "weights", kind="cpu")]), self.alive

    def send(self, message: object) -> None:
        self.alive = False
        os.write(self._writes, b"x")

    def close(self) -> None:
        os.close(self._reads)
        os.close(self._writes)


def test_a_loop_that_kills_three_renderers_is_given_up_and_the_next_one_gets_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(renditions_module, "_RESTARTS", RestartPolicy(pauses_seconds=(0.0,)))
    request = RenderRequest(MorphEnd("techno", 1), MorphEnd("techno", 2))

    async def body() -> None:
        made = Renditions("bundled", FRAMES, SystemClock(), DyingRenderer)  # type: ignore[arg-type]
        try:
            for number in (1, 2):
                with pytest.raises(RendererError, match="three times"):
                    await made.render(replace(request, alpha=0.25 * number), 20.0)
                assert 3 * number <= DyingRenderer.starts <= 3 * number + 1  # the next one may be there
        finally:
            await made.close()

    run(body)


def test_a_loop_of_a_file_that_changed_while_it_was_rendered_is_not_kept(tmp_path: Path) -> None:
    ready = Ready("bundled", ("mix",), 2, (), 1.0, "weights", kind="cpu")
    sound = tmp_path / "start.wav"
    request = RenderRequest(MorphEnd("techno", 1), MorphEnd("techno", 2), bpm=BPM, init=str(sound))
    samples = np.full((1, FRAMES, 2), 0.25, np.float32)
    delivery = Delivery(1, 0, request, FRAMES, 2, ("mix",), -14.0, 0.5, RenderCost(), ())

    async def body() -> None:
        cache = RenditionCache(str(tmp_path / "loops"), 100.0)
        try:
            for rewritten in (True, False):
                sound.write_bytes(b"the first sound")
                assert await cache.find(request, ready) is None
                if rewritten:
                    sound.write_bytes(b"another sound, as long")
                await cache.keep(request, ready, delivery, samples)
                assert await cache.find(request, ready) is None or not rewritten
            while await cache.find(request, ready) is None:
                await asyncio.sleep(0.01)
            sound.write_bytes(b"another sound, as long")
            assert await cache.find(request, ready) is None
        finally:
            cache.close()

    run(body)


def test_a_cache_that_fails_costs_no_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = Ready("bundled", ("mix",), 2, (), 1.0, "weights", kind="cpu")
    request = RenderRequest(MorphEnd("techno", 1), MorphEnd("techno", 2), bpm=BPM)
    delivery = Delivery(1, 0, request, 8, 2, ("mix",), -14.0, 0.5, RenderCost(), ())

    async def body() -> None:
        cache = RenditionCache(str(tmp_path), 100.0)

        def no_thread(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", no_thread)
            assert await cache.find(request, ready) is None
            await cache.keep(request, ready, delivery, np.zeros((1, 8, 2), np.float32))
        await cache.keep(request, ready, delivery, np.zeros((1, 8, 2), np.float32))  # there is room for threads again
        while not list(tmp_path.glob("*.json")):
            await asyncio.sleep(0.01)
        (kept,) = tmp_path.glob("*.json")
        kept.write_text(re.sub('"bpm": [0-9.]+', f'"bpm": 1{"0" * 400}', kept.read_text()))
        assert await cache.find(request, ready) is None
        assert not kept.exists()
        cache.close()

    run(body)
