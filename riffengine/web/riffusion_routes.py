"""RiffusionRoutes: Riffusion's and RiffusionVST's interfaces over HTTP: who may ask, preflights, bodies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from aiohttp import web

from riffengine.web.options import Role, WebLimits
from riffengine.web.responses import json_body, plain
from riffengine.web.riffusion_api import PATH, RiffusionApi, wanted_format
from riffengine.web.vst_api import PATH as VST_PATH
from riffengine.web.vst_api import VstApi

Handler = Callable[[web.BaseRequest, Role], Awaitable[web.StreamResponse]]


class RiffusionRoutes:
    """Both interfaces. ``origins`` are the other sites whose pages may ask."""

    def __init__(self, riffusion: RiffusionApi, vst: VstApi, origins: tuple[str, ...], limits: WebLimits) -> None:
        self.riffusion, self.vst = riffusion, vst
        self._origins, self._limits = origins, limits

    @property
    def substitutes(self) -> int:
        """Answers that were no new loop."""
        return self.riffusion.substitutes + self.vst.substitutes

    @property
    def handlers(self) -> Mapping[tuple[str, str], Handler]:
        """By method and path."""
        return {
            ("POST", PATH): self._run_inference,
            ("POST", PATH.rstrip("/")): self._moved,
            ("POST", VST_PATH): self._run_vst,
            ("POST", VST_PATH.rstrip("/")): self._moved,
        }

    def preflight(self, request: web.BaseRequest) -> web.Response:
        """The answer to a browser that asks whether a page of a listed site may post to Riffusion's interface."""
        cors = self._cors(request)
        if request.path.rstrip("/") != PATH.rstrip("/") or not cors:
            return plain(HTTPStatus.METHOD_NOT_ALLOWED, "only pages of sites given by --web-origin may ask this")
        allowed = {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "content-type, authorization",
        }
        return web.Response(status=HTTPStatus.NO_CONTENT, headers={**cors, **allowed, "Access-Control-Max-Age": "600"})

    async def _run_inference(self, request: web.BaseRequest, role: Role) -> web.StreamResponse:
        if role is not Role.PERFORMER:
            return plain(HTTPStatus.FORBIDDEN, "only a performer has loops rendered")
        asked = await json_body(request, self._limits.body_bytes)
        if isinstance(asked, web.Response):
            answer = asked
        else:
            format_ = wanted_format(request.query, request.headers.get("Accept", ""))
            # A browser and node's fetch say so: the app is one of them, a script is not.
            answer = await self.riffusion.answer(asked, format_, plays="Sec-Fetch-Mode" in request.headers)
        answer.headers.update(self._cors(request))
        return answer

    async def _run_vst(self, request: web.BaseRequest, role: Role) -> web.StreamResponse:
        if role is not Role.PERFORMER:
            return plain(HTTPStatus.FORBIDDEN, "only a performer has loops rendered")
        asked = await json_body(request, self._limits.audio_body_bytes)
        return asked if isinstance(asked, web.Response) else await self.vst.answer(asked)

    async def _moved(self, request: web.BaseRequest, role: Role) -> web.StreamResponse:
        return web.Response(status=HTTPStatus.PERMANENT_REDIRECT, headers={"Location": request.path + "/"})

    def _cors(self, request: web.BaseRequest) -> Mapping[str, str]:
        origin = request.headers.get("Origin", "")
        if origin not in self._origins:
            return {}
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
