"""WebSettings: the section ``web`` of a preset.

web:
  enabled: true
  host: 127.0.0.1              # the address to listen on; any other than this machine's own needs tokens
  port: 9480
  tokens: ""                   # admit only who has a token: "" makes new ones at every start, else a file of mode 0600
  names: [stage.local]         # host names by which the page is opened, besides localhost and addresses
  origins: [http://localhost:3000]  # other sites whose pages may use the server, such as Riffusion's app
  guest: [deck/a/alpha]        # parameters that guests may set, besides voting for prompts
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from riffengine.session.settings import Settings
from riffengine.session.yaml_reader import YamlReader

DEFAULT_PORT = 9480
_KEYS = ("enabled", "host", "port", "tokens", "names", "origins", "guest")


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
                case "host" | "tokens":
                    given[key] = self._text(value, full)
                case "port":
                    given[key] = self._whole(value, full, 0, 65535)
                case _:
                    texts = (self._text(item, name) for item, name in self._items(value, full))
                    given[key] = tuple(text for text in texts if text is not None)
        return WebSettings().with_given(**given)
