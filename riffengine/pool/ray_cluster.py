"""RayCluster: a Ray cluster from which a pool has its actors; the only module that imports Ray.

Ray runs code that others send it, by design, and listens on all interfaces: so a token is always asked for. A cluster
that asks for none is refused before it is shown ours, and one that we start ourselves gets one of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import secrets
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from riffengine.clock import SystemClock
from riffengine.errors import ControlError, RendererError
from riffengine.pool.jobs import Begin
from riffengine.pool.local_member import RendererMain
from riffengine.pool.options import RayOptions
from riffengine.pool.ray_access import cluster_address, require_listener, require_token, require_welcome
from riffengine.pool.ray_options import LOCAL, check_ray
from riffengine.pool.render_actor import Answer, RenderActor
from riffengine.processes.render_messages import Alive, Failed, Ready
from riffengine.renderer.process import RendererOptions

_CALLS = 4  # of one actor at a time: its model, a loop, a stop, a sign of life
_TOKEN_BYTES = 32
_LOCAL_STORE_BYTES = 200_000_000  # Ray's default is 30 % of the machine's memory


class RayCluster:
    """The cluster of ``options``; joined, or started, when the first actor is asked for. Event loop's thread.

    ``ControlError`` where Ray is not installed or the token is not known.
    """

    def __init__(self, options: RayOptions, renderer: RendererOptions, main: RendererMain) -> None:
        check_ray(options)
        self.local = options.address == LOCAL
        self._options, self._renderer, self._main = options, renderer, main
        self._thread = ThreadPoolExecutor(1, "ray")  # one thread: what Ray starts for us ends with it
        self._joined: asyncio.Future[None] | None = None
        self._folder = ""  # of the cluster that we have started
        self._made = 0
        self._silent = contextlib.ExitStack()

    async def actor(self, name: str) -> RayActorHandle:
        """A new actor; one of the cluster that has no room yet answers when it has."""
        if self._joined is None or (self._joined.done() and self._joined.exception() is not None):
            self._joined = asyncio.get_running_loop().run_in_executor(self._thread, self._join)
            self._joined.add_done_callback(lambda joined: joined.cancelled() or joined.exception())  # nobody may wait
        await asyncio.shield(self._joined)
        self._made += 1
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._make, f"{name}-{self._made}")

    async def close(self) -> None:
        """Leave the cluster, or end it if we have started it."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._leave)
        self._thread.shutdown()

    # --- in the thread -----------------------------------------------------------------------------------------------

    def _join(self) -> None:
        options = self._options
        address = LOCAL if self.local else cluster_address(options.address, os.environ)
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}
        token = options.token or (secrets.token_hex(_TOKEN_BYTES) if self.local else "")
        if token:
            os.environ["RAY_AUTH_TOKEN"] = token
        self._silence()
        import ray

        common = {"namespace": f"riffengine-{secrets.token_hex(4)}", "log_to_driver": False, "logging_level": "ERROR"}
        try:
            if self.local:
                self._folder = tempfile.mkdtemp(prefix="riff-ray-")
                ray.init(
                    "local",
                    num_cpus=max(1, math.ceil(options.cpus * options.most)),
                    object_store_memory=_LOCAL_STORE_BYTES,
                    include_dashboard=False,
                    _node_ip_address="127.0.0.1",
                    _temp_dir=self._folder,
                    **common,
                )
            else:
                from ray._private.services import canonicalize_bootstrap_address

                address = canonicalize_bootstrap_address(address)  # for 127.0.0.1, Ray goes to another of this machine
                require_listener(address)
                require_token(address)
                require_welcome(address)
                ray.init(address, **common)
        except Exception as error:  # Ray raises what its parts raise: OSError, RuntimeError, its own
            ray.shutdown()
            self._silent.close()
            if isinstance(error, ControlError | RendererError):
                raise
            cure = "this machine must have joined it with ray start"
            raise RendererError(f"cannot join the cluster at {address}: {_first_line(error)}; {cure}") from None

    def _silence(self) -> None:
        """Drop what Ray prints of its cluster, twenty lines an error, until we leave: it is the engine's output."""
        self._silent.close()
        nowhere = self._silent.enter_context(Path(os.devnull).open("w"))  # noqa: SIM115 (the stack closes it)
        self._silent.enter_context(contextlib.redirect_stdout(nowhere))

    def _make(self, name: str) -> RayActorHandle:
        import ray

        options = self._options
        kind = ray.remote(
            num_cpus=options.cpus,
            num_gpus=options.gpus,
            max_concurrency=_CALLS,
            max_restarts=-1,
            max_task_retries=0,
        )(ClusterActor)
        try:
            handle = kind.options(name=name).remote(self._renderer, self._main)
        except (ray.exceptions.RayError, ValueError, RuntimeError) as error:
            raise RendererError(f"the cluster makes no actor: {_first_line(error)}") from None
        return RayActorHandle(handle)

    def _leave(self) -> None:
        if self._joined is not None:
            import ray

            ray.shutdown()
        self._silent.close()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)


class RayActorHandle:
    """A ``RemoteActor`` of Ray: every failure of Ray's becomes a ``RendererError`` of one line."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    async def ready(self) -> Ready | Failed:
        """Its model, as soon as that is loaded."""
        state: Ready | Failed = await self._call("ready")
        return state

    async def render(self, begin: Begin) -> Answer:
        """A loop; its samples are read-only, in Ray's memory."""
        answer: Answer = await self._call("render", begin)
        return answer

    async def drop(self, attempt: int) -> None:
        """Stop it."""
        await self._call("drop", attempt)

    async def life(self, was_ready: bool) -> Alive | None:
        """A sign of life."""
        sign: Alive | None = await self._call("life", was_ready)
        return sign

    async def end(self, again: bool) -> None:
        """Kill its process."""
        import ray

        try:
            ray.kill(self._handle, no_restart=not again)
        except ray.exceptions.RayError as error:
            raise RendererError(_first_line(error)) from None

    async def _call(self, method: str, *arguments: object) -> Any:
        import ray

        try:
            return await getattr(self._handle, method).remote(*arguments)
        except ray.exceptions.RayTaskError as error:  # raised by our own code there; its text is a whole traceback
            raise RendererError(_first_line(error.cause)) from None
        except ray.exceptions.ActorDiedError:
            raise RendererError("has died") from None
        except ray.exceptions.ActorUnavailableError:  # its text is three sentences about the connection
            raise RendererError(
                "is unavailable: its process or its machine has ended, or is only being started"
            ) from None
        except ray.exceptions.RayError as error:
            raise RendererError(f"cannot be asked: {_first_line(error)}") from None


class ClusterActor(RenderActor):
    """A ``RenderActor`` in a process of Ray's."""

    def __init__(self, options: RendererOptions, main: RendererMain) -> None:
        super().__init__(options, main, SystemClock(), _leave_cluster)
        # Its child would import the main module of its parent, Ray's worker program: one second and 80 MB.
        vars(sys.modules["__main__"]).pop("__file__", None)


def _leave_cluster() -> None:
    """End the actor that this process is, for good."""
    import ray

    ray.kill(ray.get_runtime_context().current_actor, no_restart=True)


def _first_line(error: object) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
