"""VstApi: the interface of RiffusionVST's server, ``POST /run_vst/``: a recording of the DAW comes back as a loop.

The recording is one loop: its length and the beats of the set's loops give the tempo, and the answer has its length.
Source: the requests that RiffusionVST's source makes (mklingen/RiffusionVST); it sends no name of a file, and none is
taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aiohttp import web

from riffengine.errors import AudioFileError, RendererError
from riffengine.performance.command import Value
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.registry import family_of
from riffengine.transport.sync.source import FASTEST_BPM, SLOWEST_BPM
from riffengine.web.inference import InferenceError, InferenceRequest, parse_inference
from riffengine.web.recorded_wav import RecordedWav, recorded_wav, wav_like
from riffengine.web.renditions import Renditions
from riffengine.web.riffusion_api import ANSWER_SECONDS, SUBSTITUTE, picture_names

PATH = "/run_vst/"
_MOST_FILES = 8  # recordings on the disk, for the renderer to read


class VstApi:
    """Answers requests; ``close`` removes its files. ``values`` are the performance's. The server's event loop."""

    def __init__(
        self,
        model: str,
        loop_beats: int,
        sample_rate: int,
        values: Callable[[], Mapping[str, Value]],
        renditions: Renditions,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self.substitutes = 0
        self._model, self._loop_beats, self._sample_rate = model, loop_beats, sample_rate
        self._values, self._renditions, self._seconds = values, renditions, answer_seconds
        self._checkpoint = family_of(model).name == "riffusion"
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._seeds, self._masks = (picture_names(kind) for kind in ("seed", "mask"))

    async def answer(self, asked: Mapping[str, Any]) -> web.Response:
        """The answer to the JSON object ``asked``: a loop made of its recording, or the recording as it came."""
        audio = asked.get("audio")
        try:
            if not isinstance(audio, str):
                raise InferenceError('missing value for field "audio"')
            found = parse_inference({**asked, "seed_image_id": "og_beat"}, self._seeds, self._masks)
            recorded = recorded_wav(audio)
            request = self._render_request(found, recorded)
        except (InferenceError, AudioFileError) as error:
            return web.Response(status=HTTPStatus.BAD_REQUEST, text=str(error))
        headers = {"Cache-Control": "no-store"}
        try:
            request = replace(request, init=await asyncio.to_thread(self._kept, recorded) + request.init)
            samples = await self._renditions.render(request, self._seconds)
            answer = await asyncio.to_thread(wav_like, samples, self._sample_rate, recorded)
        except (TimeoutError, RendererError, OSError) as error:
            self.substitutes += 1
            headers[SUBSTITUTE] = "late" if isinstance(error, TimeoutError) else "failed"
            answer = audio
        return web.json_response({"audio": answer}, headers=headers)

    def close(self) -> None:
        """Remove the recordings."""
        if self._folder is not None:
            self._folder.cleanup()
        self._folder = None

    def _render_request(self, asked: InferenceRequest, recorded: RecordedWav) -> RenderRequest:
        """The loop to render; its ``init`` has only the mask yet. ``InferenceError`` for an impossible length."""
        bpm = self._loop_beats * 60.0 / recorded.seconds
        if not SLOWEST_BPM <= bpm <= FASTEST_BPM:
            shortest, longest = (self._loop_beats * 60.0 / limit for limit in (FASTEST_BPM, SLOWEST_BPM))
            raise InferenceError(
                f"audio: a loop of {self._loop_beats} beats takes {shortest:.2f} to {longest:.2f} s, and this is "
                f"{recorded.seconds:.2f} s long; record another length, or begin the set with other loops"
            )
        values = self._values()
        start, end, mask = asked.start, asked.end, asked.mask_image
        if not self._checkpoint:  # the bundled model has another guidance, and no masks
            start, end = (MorphEnd(point.prompt, point.seed, point.negative, strength=point.strength)
                          for point in (start, end))  # fmt: skip
            mask = ""
        return RenderRequest(
            start=start, end=end, alpha=asked.alpha, steps=min(asked.steps, int(values.get("steps", 8))), bpm=bpm,
            beats=self._loop_beats, sample_rate=self._sample_rate, key=str(values.get("key", "")),
            init=f"?mask={mask}" if mask else "", model=self._model,
        )  # fmt: skip

    def _kept(self, recorded: RecordedWav) -> str:
        """Leave the recording in a file for the renderer, and no more than a few of them; its path. Not on the loop."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="riffengine-vst-", ignore_cleanup_errors=True)
        path = Path(self._folder.name) / recorded.name
        if not path.exists():
            older = sorted(Path(self._folder.name).iterdir(), key=lambda file: file.stat().st_mtime_ns)
            for file in older[: max(0, len(older) + 1 - _MOST_FILES)]:
                with contextlib.suppress(OSError):
                    file.unlink()
            path.write_bytes(recorded.data)
        return str(path)
