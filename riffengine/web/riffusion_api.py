"""RiffusionApi: Riffusion's own server interface, ``POST /run_inference/``, on our engine.

Riffusion's app stops for good after one answer that is not JSON, or that comes too late. So every well-formed request
is answered with 200 within its time: from the cache, by a new loop, or by a substitute, which a header tells.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from http import HTTPStatus
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import web

from riffengine.errors import RendererError
from riffengine.performance.command import Value
from riffengine.processes.audio import Samples
from riffengine.processes.audio_tap import AudioTap
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.registry import family_of
from riffengine.web.inference import InferenceError, InferenceRequest, parse_inference, render_request
from riffengine.web.loop_files import FORMATS, LoopAnswer, loop_answer
from riffengine.web.renditions import Renditions

PATH = "/run_inference/"
SUBSTITUTE = "X-Riffengine-Substitute"
ANSWER_SECONDS = 45.0  # the app's proxy waits for 60
_CLIPS = 1.5  # the app asks for a clip two clips before it begins, so it may wait that many clips for one answer,
_CLIPS_IN_A_ROW = 0.8  # but no longer than a clip for each of several


class RiffusionApi:
    """Answers requests. ``values`` are those of the performance; tempo and length of the first request are kept.

    The app lays its clips one after the other and needs one length for all of them. ``encode`` makes a loop's answer.
    """

    def __init__(
        self,
        model: str,
        loop_beats: int,
        tap: AudioTap,
        values: Callable[[], Mapping[str, Value]],
        renditions: Renditions,
        answer_seconds: float = ANSWER_SECONDS,
        encode: Callable[[Samples, int, str], LoopAnswer] = loop_answer,
    ) -> None:
        self.substitutes = 0
        self._encode = encode
        self._substituted = False  # the last answer that was needed in time
        self._model, self._loop_beats, self._tap = model, loop_beats, tap
        self._values, self._renditions, self._seconds = values, renditions, answer_seconds
        self._bpm = 0.0
        self._pictures = family_of(model).name == "riffusion"
        self._seeds, self._masks = (picture_names(kind) for kind in ("seed", "mask"))

    async def answer(self, asked: Mapping[str, Any], format_: str, plays: bool = False) -> web.Response:
        """The answer to the JSON object ``asked``, plain or wrapped as a worklet's input.

        ``plays``: the client plays one clip after the other, so another loop of the same prompt in time is worth more
        to it than the right one too late; others get what they have asked for unless it takes too long.
        """
        wrapped = asked.get("worklet_input")
        try:
            found = parse_inference(wrapped if isinstance(wrapped, dict) else asked, self._seeds, self._masks)
        except InferenceError as error:
            return web.Response(status=HTTPStatus.BAD_REQUEST, text=str(error))
        request = self._render_request(found)
        headers = {"Cache-Control": "no-store"}
        try:
            samples = await self._renditions.render(request, self._patience(request) if plays else self._seconds)
            self._substituted = False
        except (TimeoutError, RendererError) as error:
            self.substitutes += 1
            self._substituted = True
            headers[SUBSTITUTE] = "late" if isinstance(error, TimeoutError) else "failed"
            samples = self._substitute(request)
        self._renditions.render_ahead(tuple(self._render_request(after) for after in found.following()))
        result = asdict(await asyncio.to_thread(self._encode, samples, request.sample_rate, format_))
        return web.json_response({"output": result} if isinstance(wrapped, dict) else result, headers=headers)

    def _render_request(self, asked: InferenceRequest) -> RenderRequest:
        values = self._values()
        self._bpm = self._bpm or float(values.get("transport/tempo", 120.0))
        nothing = MorphEnd("", 0)
        base = RenderRequest(
            nothing, nothing, steps=int(values.get("steps", 8)), bpm=self._bpm, beats=self._loop_beats,
            sample_rate=self._tap.sample_rate, key=str(values.get("key", "")), model=self._model,
        )  # fmt: skip
        return render_request(asked, base, self._pictures)

    def _patience(self, request: RenderRequest) -> float:
        """How long a client that plays can wait for ``request``: as long as it takes where there is nothing else."""
        if self._renditions.nearest(request) is None:
            return self._seconds
        clip_seconds = request.beats * 60.0 / request.bpm
        return min(self._seconds, clip_seconds * (_CLIPS_IN_A_ROW if self._substituted else _CLIPS))

    def _substitute(self, request: RenderRequest) -> Samples:
        """A loop of the same prompt or length; without any, the last seconds of the music itself."""
        found = self._renditions.nearest(request)
        if found is not None:
            return found
        frames = round(request.beats * 60.0 / request.bpm * request.sample_rate)
        heard = self._tap.read(self._tap.end - frames, frames).samples
        missing = max(0, frames - len(heard))
        return heard if not missing else _padded(heard, missing)


def wanted_format(query: Mapping[str, str], accept: str) -> str:
    """FLAC unless the client asks for MP3, by ``?format=mp3`` or its Accept header."""
    named = query.get("format", "mp3" if "audio/mpeg" in accept else "flac")
    return named if named in FORMATS else "flac"


def _padded(heard: Samples, missing: int) -> Samples:
    """``heard`` with ``missing`` frames of silence after it: there is no music yet."""
    return np.concatenate([heard, np.zeros((missing, heard.shape[1]), np.float32)])


def picture_names(kind: str) -> frozenset[str]:
    """The packaged pictures of ``kind``, "seed" or "mask"."""
    folder = Path(str(resources.files("riffengine") / "pictures" / kind))
    return frozenset(path.stem for path in folder.glob("*.png"))
