"""``render-node``: this machine renders for the pools of other machines, until Ctrl-C."""

from __future__ import annotations

import argparse
from pathlib import Path

from riffengine.cli.arguments import between, show, whole
from riffengine.cli.models import check_model
from riffengine.cli.verb import Verb
from riffengine.errors import ControlError
from riffengine.pool.limits import DISK_MB, MEMORY_MB, MOST_RENDERERS

_EXAMPLES = """\
examples:
  riffengine render-node                                         on this machine, for a try
  riffengine render-node --listen 0.0.0.0:9470 --token-file node.token --cert node.pem --key node-key.pem --renderers 4

The file of the token is made if there is none; copy it to the machine that plays, and name both in its preset:
  pool: {renderers: 1, nodes: ["wss://10.0.0.7:9470"], token: node.token, certificate: node.pem}
"""
_DEFAULT_LISTEN = "127.0.0.1:9470"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--listen", default=_DEFAULT_LISTEN, metavar="HOST:PORT", help="address and port (%(default)s); port 0: any"
    )
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="only who has its token is served")
    parser.add_argument("--cert", default="", metavar="FILE", help="TLS: a PEM certificate,")
    parser.add_argument("--key", default="", metavar="FILE", help="and its key, where it is in a file of its own")
    parser.add_argument(
        "--name", action="append", default=[], metavar="NAME", help="a host name of this machine; may be repeated"
    )
    parser.add_argument("--model", default="bundled", metavar="MODEL", help="what it renders with (%(default)s)")
    parser.add_argument(
        "--renderers", type=renderer_count, default=1, metavar="N", help="processes, one core each (%(default)s)"
    )
    parser.add_argument(
        "--memory-mb", type=_megabytes, default=MEMORY_MB, metavar="MB", help="of finished loops (%(default)g)"
    )
    parser.add_argument("--cache", default="", metavar="FOLDER", help="keeps finished loops on the disk")
    parser.add_argument(
        "--cache-mb", type=_megabytes, default=DISK_MB, metavar="MB", help="of files in it (%(default)g)"
    )


def _render_node(arguments: argparse.Namespace) -> int:
    """Serve until a signal."""
    import asyncio

    from riffengine.pool.node import NodeOptions, serve_node
    from riffengine.pool.node_access import node_tls, read_token

    host, _, port = arguments.listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ControlError(
            f"--listen {arguments.listen[:200]} is refused; it is written HOST:PORT, as {_DEFAULT_LISTEN}"
        )
    host = host.strip("[]")
    token = read_token(arguments.token_file, make=True) if arguments.token_file is not None else ""
    tls = node_tls(host, token, arguments.cert, arguments.key)
    check_model(arguments.model)
    options = NodeOptions(
        host=host,
        port=int(port),
        token=token,
        tls=tls,
        names=tuple(arguments.name),
        model=arguments.model,
        renderers=arguments.renderers,
        memory_mb=arguments.memory_mb,
        cache=arguments.cache,
        cache_mb=arguments.cache_mb,
    )
    asyncio.run(serve_node(options, show))
    return 0


def renderer_count(text: str) -> int:
    """A number of renderer processes, as an option gives it."""
    return whole(text, 1, MOST_RENDERERS)


def _megabytes(text: str) -> float:
    return between(text, 0.0, 1_000_000)


RENDER_NODE = Verb("render for the pools of other machines", _render_node, _add_arguments, _EXAMPLES)
