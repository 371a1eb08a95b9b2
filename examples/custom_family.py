"""A model of your own: anything with this face can be rendered and saved: python examples/custom_family.py chord.wav"""

import sys
from collections.abc import Callable

import numpy as np

import riffengine
from riffengine.processes.render_messages import RenderCost
from riffengine.processes.render_request import RenderRequest
from riffengine.renderer.family import Rendition


class SineChords:
    """Plays the number of letters of each word as a harmonic; whole periods, so that the loop has no seam."""

    name, stems, channels, vocabulary, weights_digest = "sine-chords", ("mix",), 1, (), "1"

    def render(self, request: RenderRequest, check: Callable[[], None]) -> Rendition:
        check()  # raises when a newer request has replaced this one
        frames = round(request.beats * 60 * request.sample_rate / request.bpm)
        turns = np.arange(frames) / frames
        harmonics = [len(word) for word in request.start.prompt.split()] or [1]
        wave = sum(
            np.sin(2 * np.pi * turns * round(110 * number * frames / request.sample_rate)) for number in harmonics
        )
        audio = (0.5 / len(harmonics) * np.asarray(wave, np.float32))[None, :, None]
        return Rendition(request, audio, np.zeros((1, 1), np.float32), None, -14.0, 0.5, RenderCost())


if __name__ == "__main__":
    loop = riffengine.render("a minor ninth", model=SineChords(), bpm=100, beats=4)
    loop.save(sys.argv[1] if len(sys.argv) > 1 else "chord.wav")
