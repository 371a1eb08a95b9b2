"""WebSettings: the section ``web`` of a preset.

web:
  enabled: true
  host: 127.0.0.1              # the address to listen on; any other than this machine's own needs tokens
  port: 9480
  tokens: ""                   # admit only who has a token: "" makes new ones at every start, else a file of mode 0600
  names: [stage.local]         # host names by which the page is opened, besides localhost and addresses
  origins: [http://localhost:3000]  # other sites whose pages may use the server, such as Riffusion's app
  certificate: stage.pem       # HTTPS: a PEM certificate,
  key: stage-key.pem           # and its key where it is in a file of its own
  icecast: icecast://source@radio.example:8000/riffengine.mp3  # where a stream is sent besides
  app: riffusion-app/out       # a folder with a page to serve at / in place of ours
  guest: [deck/a/alpha]        # parameters that guests may set, besides voting for prompts
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from riffengine.session.settings import Settings
from riffengine.session.yaml_reader import YamlReader

DEFAULT_PORT = 9480
_KEYS = ("enabled", "host", "port", "tokens", "names", "origins", "guest", "certificate", "key", "icecast", "app")


@dataclass(frozen=True)
class WebSettings(Settings):
    """Whether there is a web server, and how it is reached. ``tokens`` is ``None`` for no tokens."""

    enabled: bool = False
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    tokens: str | None = None
    names: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    guest: tuple[str, ...] = ()
    certificate: str = ""
    key: str = ""
    icecast: str = ""
    app: str = ""


class WebReader(YamlReader):
    """Reads the section ``web``; a section that is there switches the server on unless it says otherwise."""

    def read(self, node: yaml.Node, at: str) -> WebSettings:
        """The settings in the mapping ``node``; a refused value is left at its default."""
        given: dict[str, Any] = {"enabled": True}
        for key, value in self._entries(node, at, _KEYS):
            full = f"{at}.{key}"
            match key:
                case "enabled":
                    given[key] = self._switch(value, full)
                case "host" | "tokens" | "certificate" | "key" | "icecast" | "app":
                    given[key] = self._text(value, full)
                case "port":
                    given[key] = self._whole(value, full, 0, 65535)
                case _:
                    texts = (self._text(item, name) for item, name in self._items(value, full))
                    given[key] = tuple(text for text in texts if text is not None)
        return WebSettings().with_given(**given)
