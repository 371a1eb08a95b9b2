"""OscSurface: the OSC of a session: the server, OSCQuery beside it, and the announcement of both."""

from __future__ import annotations

from riffengine.control.osc.server import OscServer
from riffengine.control.surface import EngineEvent, LandingMoved, Surface, SurfaceContext
from riffengine.errors import ControlError
from riffengine.performance.command import Value
from riffengine.session.session import Session


async def open_osc(session: Session, context: SurfaceContext) -> Surface | None:
    """Open OSC if ``session`` wants it; ``ControlError`` when the port cannot be bound."""
    if not session.osc.enabled:
        return None
    surface = OscSurface(session, context)
    await surface.start()
    return surface


class OscSurface(Surface):
    """OSC over UDP, and OSCQuery on the same port number over TCP. OSC works without OSCQuery, not the reverse."""

    def __init__(self, session: Session, context: SurfaceContext) -> None:
        self._context = context
        self._server = OscServer(context, session.osc)
        self._parts: list[Surface] = [self._server]

    @property
    def received(self) -> int:
        """Datagrams that came in."""
        return self._server.received

    async def start(self) -> None:
        """Open all of it; ``ControlError`` when OSC itself cannot be opened."""
        server = self._server
        await server.start()
        options = server.options
        query = await self._start_query() if options.query else ""
        note = f"  {options.note}" if options.note else ""
        self._context.say(f"OSC: {options.host}:{server.port}, addresses /riff/…{query}{note}")

    async def _start_query(self) -> str:
        # Imported here: aiohttp takes a third of a second, which a set without OSCQuery need not wait for.
        from riffengine.control.osc.discovery import Discovery
        from riffengine.control.osc.query_server import OscQueryServer

        context, options, port = self._context, self._server.options, self._server.port
        query = OscQueryServer(context, options, port, port)
        try:
            await query.start()
        except ControlError as error:
            context.say(f"no OSCQuery: {error}")
            return ""
        self._parts.append(query)
        if options.announce:
            discovery = Discovery(options, port, query.port, context.say)
            discovery.start()
            self._parts.append(discovery)
        return f", OSCQuery http://{options.host}:{query.port}"

    def changed(self, path: str, value: Value) -> None:
        """``path`` became ``value``: subscribers are notified, over UDP and WebSocket."""
        for part in self._parts:
            part.changed(path, value)

    def parameters_changed(self) -> None:
        """Parameters of plugins: OSCQuery shows them from now on."""
        for part in self._parts:
            part.parameters_changed()

    def event(self, event: EngineEvent) -> None:
        """News of a plugin goes to every subscriber."""
        self._server.event(event)

    def landing_moved(self, event: LandingMoved) -> None:
        """A landing moved: its sender and the subscribers are notified."""
        self._server.landing_moved(event)

    def close(self) -> None:
        """Close everything."""
        for part in self._parts:
            part.close()
