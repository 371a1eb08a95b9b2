"""Projection: the performance as every page sees it, made of the engine's messages. Pure; ``docs/web_protocol.md``.

It keeps what a page that connects later must know: values, landings that are still ahead, and the last figures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from riffengine import __version__
from riffengine.control.surface import EngineEvent, LandingMoved, ParameterLanded
from riffengine.performance.command import Accepted, Landing, Reply, Value
from riffengine.transport.beat_grid import BeatGrid
from riffengine.web.messages import Changes, Figures, Parameters, Promised, ToWeb, WholeState
from riffengine.web.process import WebStart
from riffengine.web.schema import finite, schema_of

PROTOCOL = 1
_MOST_LANDINGS = 64  # that are kept for a page that connects later
Message = dict[str, Any]


class Projection:
    """What pages are told. ``handle`` returns the message for all pages that an engine's message becomes."""

    def __init__(self, start: WebStart, sample_rate: int) -> None:
        self.values: dict[str, Value] = {}
        self.grid = BeatGrid(sample_rate, 120.0)
        self.ready = False  # whether the engine's state is known
        self._start, self._rate = start, sample_rate
        self._set = hashlib.sha256(start.tap.encode()).hexdigest()[:12]  # the tap has a new name for every set
        self._schema = schema_of(start.parameters)
        self._figures: Message = {"type": "figures"}
        self._landings: dict[str, Message] = {}

    def handle(self, message: ToWeb) -> Message | None:
        """Take ``message`` in; what all pages are sent, ``None`` for nothing."""
        match message:
            case WholeState(values):
                self.values, self.ready = dict(values), True
                return {"type": "changes", "values": self.values}
            case Parameters(parameters):
                self._schema = schema_of(parameters)
                known = {parameter.path for parameter in parameters}
                self.values = {path: value for path, value in self.values.items() if path in known}
                return {"type": "schema", "schema": self._schema}
            case Changes(values):
                self.values.update(values)
                return {"type": "changes", "values": dict(values)}
            case Promised(landing, value, source):
                return self._promised(landing, source, value)
            case LandingMoved(_, landing, source):
                return self._promised(landing, source, self.values.get(landing.path))
            case ParameterLanded(moment, path, value, source):
                self._landings.pop(path, None)
                return {
                    "type": "landed", "path": path, "value": value, "beat": moment.beat, "frame": moment.frame,
                    "source": source,
                }  # fmt: skip
            case EngineEvent(moment, path, text):
                return {"type": "event", "path": path, "text": text, "beat": moment.beat}
            case Figures():
                return self._take_figures(message)
        return None

    def welcome(self, client: str, role: str, codecs: tuple[str, ...]) -> Message:
        """The first message to a page."""
        return {
            "type": "welcome",
            "protocol": PROTOCOL,
            "version": __version__,
            "client": client,
            "role": role,
            "name": self._start.name,
            "set": self._set,
            "model": self._start.model,
            "sample_rate": self._rate,
            "loop_beats": self._start.loop_beats,
            "codecs": list(codecs),
            "guest": list(self._start.options.guest),
            "schema": self._schema,
            "values": self.values,
            "landings": list(self._landings.values()),
            "figures": self._figures,
            "grid": self.grid_message(),
        }

    @property
    def heard(self) -> str:
        """The prompts that are heard, of all decks."""
        decks = self._figures.get("decks", {}).values()
        return " ".join(deck["sounding"].get("prompt", "") for deck in decks)

    def answer(self, request_id: Any, reply: Reply) -> Message:
        """What the sender of a command is told."""
        message: Message = {"type": "answer", "id": request_id, "path": reply.command.path}
        if not isinstance(reply, Accepted):
            return {**message, "ok": False, "error": reply.reason}
        landing = self._landing(reply.landing) if reply.landing is not None else None
        return {
            **message, "ok": True, "value": reply.value, "clipped": reply.clipped, "note": reply.note,
            "landing": landing,
        }  # fmt: skip

    def grid_message(self) -> Message:
        """The beat grid and the length of a loop in frames."""
        grid = self.grid
        return {
            "frame": grid.anchor_frame,
            "beat": grid.anchor_beat,
            "bpm": grid.bpm,
            "loop_frames": self._start.loop_beats * grid.frames_per_beat,
        }

    def _promised(self, landing: Landing, source: str, value: Value | None) -> Message:
        message = {
            "type": "landing", "path": landing.path, "value": value, "moved": landing.moved, "source": source,
            **self._landing(landing),
        }  # fmt: skip
        self._landings.pop(landing.path, None)
        if landing.seconds > 0.1 and len(self._landings) < _MOST_LANDINGS:
            self._landings[landing.path] = message
        return message

    def _landing(self, landing: Landing) -> Message:
        return {"beat": landing.beat, "frame": self.grid.frame_at(landing.beat), "seconds": landing.seconds}

    def _take_figures(self, message: Figures) -> Message:
        self.grid = message.grid
        past = [path for path, landing in self._landings.items() if landing["frame"] < message.frame - self._rate]
        for path in past:
            del self._landings[path]
        decks: Mapping[str, Message] = {
            name: {
                "phase": deck.phase,
                "sounding": dict(deck.sounding),
                "loop": deck.loop.loop if deck.loop is not None else None,
                "coming": deck.coming.loop if deck.coming is not None else None,
                "coming_frame": deck.coming_frame,
            }
            for name, deck in message.decks.items()
        }
        self._figures = {
            "type": "figures",
            "frame": message.frame,
            "grid": self.grid_message(),
            "decks": decks,
            "scenes": list(message.scenes),
            "scene": message.scene,
            "panicked": message.panicked,
            "facts": {name: finite(value) for name, value in message.facts.items()},
        }
        return self._figures
