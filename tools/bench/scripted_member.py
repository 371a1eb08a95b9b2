"""A renderer process whose loops take a given time and no processor: for pools with more members than cores.

Its samples depend on the request alone, as those of a real model do. ``scripted_main`` is used as ``PoolOptions.main``;
the model's name says how it behaves: ``scripted?ms=300&fail=7&die=9&differ=1`` takes 300 ms, fails with seed 7, ends
its process with seed 9, and adds the process id to its samples. With ``as=bundled`` it has the bundled model's stems.
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from multiprocessing.connection import Connection
from urllib.parse import parse_qs

import numpy as np

from riffengine.errors import RendererError
from riffengine.processes.render_messages import RenderCost
from riffengine.processes.render_request import RenderRequest
from riffengine.renderer import process, registry
from riffengine.renderer.family import Check, Family, FamilyDescriptor, ModelShape, Rendition
from riffengine.renderer.process import RendererOptions

STEPS = 10  # parts of a render, between which it can be stopped


class ScriptedFamily:
    """One stem in mono: a tone whose pitch and phase come from the digest of the request."""

    name, vocabulary, weights_digest = "scripted", (), "5c219ded"
    stems: tuple[str, ...] = ("mix",)
    channels = 1

    def __init__(self, options: str) -> None:
        given = parse_qs(options)
        if shape := given.pop("as", None):
            self.stems, self.channels = registry.model_shape(shape[0]).stems, registry.model_shape(shape[0]).channels
        said = {name: int(values[0]) for name, values in given.items()}
        self._seconds = said.get("ms", 0) / 1000
        self._fails, self._dies = said.get("fail"), said.get("die")
        self._offset = os.getpid() % 1000 / 1e4 if said.get("differ") else 0.0

    def render(self, request: RenderRequest, check: Check) -> Rendition:
        for _ in range(STEPS):
            threading.Event().wait(self._seconds / STEPS)
            check()
        if request.start.seed == self._fails:
            raise RendererError("scripted failure")
        if request.start.seed == self._dies:
            os.kill(os.getpid(), signal.SIGKILL)
        number = int(hashlib.sha256(request.digest().encode()).hexdigest()[:8], 16)
        frames = round(request.beats * 60 * request.sample_rate / request.bpm)
        turns = (20 + number % 997) * np.arange(frames) / frames + number % 89 / 89
        audio = (0.25 * np.sin(2 * np.pi * turns) + self._offset).astype(np.float32)[None, :, None]
        audio = np.tile(audio / len(self.stems), (len(self.stems), 1, self.channels))
        return Rendition(request, audio, np.zeros((1, 1), np.float32), None, -15.0, 0.25, RenderCost())


class ScriptedDescriptor(FamilyDescriptor):
    """Owns the models that are called ``scripted``."""

    name = "scripted"

    def owns(self, model: str) -> bool:
        return model.partition("?")[0] == "scripted"

    def shape(self, model: str) -> ModelShape:
        return ModelShape(("mix",), 1)

    def load(self, model: str) -> Family:
        return ScriptedFamily(model.partition("?")[2])


def scripted_main(options: RendererOptions, connection: Connection) -> None:
    """``renderer_main`` with the scripted family, without torch: twenty of them are 0.6 GB, not 6."""
    registry.FAMILIES = (ScriptedDescriptor(), *registry.FAMILIES)
    process._load = lambda options: registry.load_family(options.model)
    process.numeric_kind = lambda family: "scripted"
    process.renderer_main(options, connection)
