"""A model of your own, without a change to the package: python examples/custom_family.py chord.wav

Any object with the attributes and the method of ``riffengine.Family`` is a model. This one knows sine waves only: a
word of five letters is the fifth harmonic.
"""

import sys
from collections.abc import Callable

import numpy as np

import riffengine


class SineLoops:
    name, stems, channels, vocabulary, weights_digest = "sines", ("low", "high"), 1, (), "1"

    def render(self, request: riffengine.RenderRequest, check: Callable[[], None]) -> riffengine.Rendition:
        """``(stems, frames, channels) float32``: whole periods, so that the end meets the start."""
        check()  # raises when a newer request has replaced this one
        frames = round(request.beats * 60 / request.bpm * request.sample_rate)
        turns = 2 * np.pi * np.arange(frames) / frames
        periods = round(110 * frames / request.sample_rate)
        lengths = sorted(len(word) for word in request.start.prompt.split())
        waves = [sum(np.sin(turns * periods * n) for n in part) for part in (lengths[:1], lengths[1:] or [8])]
        audio = np.array(waves, np.float32)[:, :, None] / (2 * len(lengths))
        peak = float(np.abs(audio.sum(axis=0)).max())
        return riffengine.Rendition(request, audio, np.zeros((1, 1), np.float32), None, loudness_lufs=-14.0, peak=peak)


if __name__ == "__main__":
    loop = riffengine.render("a minor ninth", model=SineLoops(), bpm=100, beats=4)
    loop.save(sys.argv[1] if len(sys.argv) > 1 else "chord.wav")
    print(f"{len(loop.samples)} frames of {', '.join(loop.stems)}")
