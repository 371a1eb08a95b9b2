"""The web server's end of the pipe to an engine that stands still."""

from __future__ import annotations

import asyncio
from multiprocessing import Pipe

from riffengine.processes.message_pipe import MessagePipe
from riffengine.web.engine_pipe import EnginePipe
from riffengine.web.messages import Told, ToWeb


def test_the_server_goes_on_while_the_engine_reads_nothing_and_sends_the_rest_when_it_does() -> None:
    async def script() -> None:
        ours, theirs = Pipe()
        ended = asyncio.Event()
        received: list[ToWeb] = []
        server, engine = EnginePipe(ours, received.append, ended.set), MessagePipe[object, object](theirs)
        server.open()
        told = [Told(f"{number}" * 400_000) for number in range(3)]
        assert all(server.send(message) for message in told)
        got: list[object] = []
        while len(got) < 3:
            await asyncio.sleep(0.001)
            got += engine.receive()[0]
        assert got == told and server.refused == 0 and not ended.is_set()
        for _ in range(1100):
            server.send(told[0])
        assert server.refused
        engine.close()
        await ended.wait()
        server.close()

    asyncio.run(asyncio.wait_for(script(), 60.0))
