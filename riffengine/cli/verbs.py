"""VERBS: every verb of the command line in the order of the help. A new verb is a module here and a line in the table.

Every verb imports what it needs when it runs, so that ``riffengine --help`` is instant and ``words`` needs no torch.
"""

from __future__ import annotations

from riffengine.cli.bench import BENCH
from riffengine.cli.clients import CLIENTS
from riffengine.cli.devices import DEVICES
from riffengine.cli.doctor import DOCTOR
from riffengine.cli.learn import LEARN
from riffengine.cli.mcp import MCP
from riffengine.cli.models import CONVERT, MODELS
from riffengine.cli.play import PLAY
from riffengine.cli.plugin import PLUGIN
from riffengine.cli.plugins import PLUGINS
from riffengine.cli.presets import PRESETS
from riffengine.cli.rehearse import REHEARSE
from riffengine.cli.render import RENDER
from riffengine.cli.render_node import RENDER_NODE
from riffengine.cli.repair import REPAIR
from riffengine.cli.serve import SERVE
from riffengine.cli.spectrograms import TO_AUDIO, TO_IMAGE
from riffengine.cli.verb import Verb
from riffengine.cli.words import WORDS

VERBS: dict[str, Verb] = {
    "play": PLAY,
    "serve": SERVE,
    "render": RENDER,
    "render-node": RENDER_NODE,
    "repair": REPAIR,
    "presets": PRESETS,
    "clients": CLIENTS,
    "to-image": TO_IMAGE,
    "to-audio": TO_AUDIO,
    "learn": LEARN,
    "models": MODELS,
    "convert": CONVERT,
    "devices": DEVICES,
    "plugin": PLUGIN,
    "plugins": PLUGINS,
    "mcp": MCP,
    "words": WORDS,
    "doctor": DOCTOR,
    "bench": BENCH,
    "rehearse": REHEARSE,
}
