"""The MCP server: ``AgentTools`` as tools, with resources and a prompt; by stdio, or HTTP on this machine.

``mcp`` is an extra (``riffengine[agent]``); only this module imports it.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from riffengine import __version__
from riffengine.agent.engine_client import EngineClient
from riffengine.agent.tools import AgentTools
from riffengine.errors import AgentError

try:
    from mcp.server import MCPServer
    from mcp.server.mcpserver import Image
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp.types import ToolAnnotations
except ImportError:
    raise AgentError("agents need the package mcp 2; install it with pip install 'riffengine[agent]'") from None

_INSTRUCTIONS = """\
Riffengine is a musical instrument that plays on while you work: loops are generated ahead and follow each other on the
beat. Begin with state and describe. Change few things at a time: set_parameters answers with the beat on which each
change is heard; wait_until that beat, then listen. alpha, gain, crossfader and the like are heard at once; ramp moves
them evenly. rehearse tries a plan without playing it. Prompts are words of the model's vocabulary: ask words. What a
person moves is theirs for eight bars.
"""
_PLAY = """\
Play a set of {bars} bars about: {theme}. Look at state and describe deck/a first, and ask words for the prompts.
Plan sections of 8 bars. Begin calm, build up by density, brightness and energy, change one thing every few bars, and
let each change land before the next. Listen after every section and correct what is too loud, too bright or too busy.
Prepare the next prompt on the deck that is not heard and bring it in with a ramp of the crossfader. End calm.
"""
READ_ONLY = ("describe", "state", "words", "wait_until", "rehearse", "listen", "share")
DESTRUCTIVE = ("trigger", "scenes")


def mcp_server(client: EngineClient, folder: Path) -> MCPServer:
    """The server over ``client``; ``folder`` gets the files of ``save_last``."""

    @contextlib.asynccontextmanager
    async def connection(_: MCPServer) -> AsyncIterator[None]:
        try:
            yield None
        finally:
            await client.close()

    server = MCPServer(
        "riffengine", version=__version__, instructions=_INSTRUCTIONS, log_level="ERROR", lifespan=connection
    )
    tools = AgentTools(client, folder)
    for name in (
        "describe", "state", "set_parameters", "ramp", "trigger", "scenes", "words", "wait_until", "rehearse",
        "save_last", "share",
    ):  # fmt: skip
        _add(server, _refusing(getattr(tools, name)), name)

    async def listen(bars: int = 4) -> list[Any]:
        figures, image = await tools.listen(bars)
        return [json.dumps(figures), Image(data=image, format="png")]

    listen.__doc__ = AgentTools.listen.__doc__
    _add(server, _refusing(listen), "listen")

    @server.resource("riff://state", mime_type="application/json", description="Where the set stands")
    async def state() -> str:
        return json.dumps(asdict(await tools.state()))

    @server.resource("riff://parameters", mime_type="application/json", description="Every parameter of the set")
    async def parameters() -> str:
        await client.connect()
        return json.dumps(list(client.schema.values()))

    @server.prompt(description="Play a set")
    def play_a_set(theme: str = "a night drive", bars: int = 32) -> str:
        return _PLAY.format(theme=theme, bars=bars)

    return server


def _add(server: MCPServer, tool: Callable[..., Any], name: str) -> None:
    annotations = ToolAnnotations(
        read_only_hint=name in READ_ONLY, destructive_hint=name in DESTRUCTIVE, open_world_hint=False
    )
    structured = None if name != "listen" else False  # it gives a picture
    server.add_tool(
        tool, name=name, description=inspect.getdoc(tool), annotations=annotations, structured_output=structured
    )


def _refusing(tool: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """``tool``, whose refusals reach the agent as text; of other exceptions it is told only that there was one."""

    @functools.wraps(tool)
    async def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return await tool(*args, **kwargs)
        except AgentError as error:
            raise ToolError(str(error)) from None

    return call
