"""OscSurface: OSC as a session wants it, with OSCQuery beside it and both announced; it lives on the engine's loop."""

from __future__ import annotations

from collections.abc import Callable

from riffengine.control.osc.server import OscServer
from riffengine.control.osc.subscribers import OscOptions
from riffengine.control.surface import Surface
from riffengine.errors import ControlError
from riffengine.performance.command import Landing, Value
from riffengine.performance.parameters import ParameterTree
from riffengine.performance.state import PerformanceState
from riffengine.session.session import Session


def osc_options(session: Session) -> OscOptions:
    """Where the session hears OSC, and from whom."""
    return OscOptions(session.osc_host, session.osc_port, session.osc_allow, session.osc_query, session.osc_announce)


class OscSurface(Surface):
    """``server`` hears OSC. OSCQuery has the same port number, over TCP; without it OSC still works."""

    def __init__(self, server: OscServer, say: Callable[[str], None]) -> None:
        self.server = server
        self._say = say
        self._beside: list[Surface] = []

    @property
    def received(self) -> int:
        """Datagrams that came in."""
        return self.server.counters.received

    async def start(self, tree: ParameterTree, current: Callable[[], PerformanceState]) -> None:
        """Open all of it; ``ControlError`` when OSC itself cannot be had."""
        server = self.server
        await server.start()
        options = server.options
        where = await self._query(tree, current) if options.query else ""
        note = f"  {options.note}" if options.note else ""
        self._say(f"OSC: {options.host}:{server.port}, addresses /riff/…{where}{note}")

    async def _query(self, tree: ParameterTree, current: Callable[[], PerformanceState]) -> str:
        # Imported here: aiohttp takes a third of a second, which a set without OSCQuery need not wait for.
        from riffengine.control.osc.discovery import Discovery
        from riffengine.control.osc.query_server import OscQueryServer

        options, port = self.server.options, self.server.port
        query = OscQueryServer(tree, current, options, port, port)
        try:
            await query.start()
        except ControlError as error:
            self._say(f"no OSCQuery: {error}")
            return ""
        self._beside.append(query)
        if options.announce:
            announcement = Discovery(options, port, query.port, self._say)
            announcement.start()
            self._beside.append(announcement)
        return f", OSCQuery http://{options.host}:{query.port}"

    def changed(self, path: str, value: Value) -> None:
        """``path`` became ``value``: subscribers hear it, over UDP and WebSocket."""
        self.server.changed(path, value)
        for surface in self._beside:
            surface.changed(path, value)

    def announce(self, landing: Landing, source: str) -> None:
        """``landing`` moved."""
        self.server.announce(landing, source)

    def close(self) -> None:
        """Hear no more."""
        for surface in (self.server, *self._beside):
            surface.close()
