"""``mcp``: a server by which an AI agent plays a running engine."""

from __future__ import annotations

import argparse
from pathlib import Path

from riffengine.cli.arguments import port
from riffengine.cli.verb import Verb
from riffengine.errors import AgentError, reason

_EXAMPLES = """\
examples:
  riffengine play --web                               in one terminal: the engine, with its web server
  riffengine mcp                                      as the command of an MCP client, over stdin and stdout
  riffengine mcp --http 9481                          at http://127.0.0.1:9481/mcp instead
  riffengine mcp --url http://192.168.1.5:9480 --token-file guest.token      an engine elsewhere, as a guest

It needs pip install 'riffengine[agent]'. docs/agents.md has the tools and how clients are configured.
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url", default="http://127.0.0.1:9480", help="address of the engine's web server (%(default)s)"
    )
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="a file that holds the token of a role")
    parser.add_argument("--name", default="agent", help="name of the agent in journals and on pages (%(default)s)")
    parser.add_argument(
        "--save-to", type=Path, default=Path("riffengine-saved"), metavar="FOLDER", help="for save_last (%(default)s)"
    )
    parser.add_argument("--http", type=port, metavar="PORT", help="serve HTTP on this machine instead of stdio")


def _mcp(arguments: argparse.Namespace) -> int:
    """Serve until the client ends; nothing but the protocol is written to stdout."""
    from riffengine.agent.engine_client import EngineClient
    from riffengine.agent.server import mcp_server

    token = ""
    if arguments.token_file is not None:
        try:
            words = arguments.token_file.read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            raise AgentError(
                f"the token in {arguments.token_file} cannot be read: {reason(error)}; name another file"
            ) from None
        if not words:
            raise AgentError(
                f"{arguments.token_file} is empty; put a token into it: the engine prints them at its start"
            )
        token = words[-1]
    server = mcp_server(EngineClient(arguments.url, token, arguments.name), arguments.save_to)
    if arguments.http is None:
        server.run()
    else:
        server.run("streamable-http", host="127.0.0.1", port=arguments.http)
    return 0


MCP = Verb("let an AI agent play a running engine (Model Context Protocol)", _mcp, _add_arguments, _EXAMPLES)
