"""WaveformSpec: what a preset's ``model`` says about a checkpoint that generates waveforms. No torch.

stabilityai/stable-audio-open-1.0                       a name on the hub, downloaded with `riffengine models get`
~/checkpoints/mine?scheduler=euler&tempo=told           a folder, with options
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from riffengine.errors import ModelError

SCHEDULERS = ("own", "dpm2m", "dpm1", "pingpong", "euler", "ipndm")
"""``own`` is what the checkpoint says. Which of the others a checkpoint can use depends on its kind."""

_CHOICES = {
    "scheduler": SCHEDULERS,
    "device": ("auto", "cpu", "cuda", "mps"),
    "precision": ("auto", "float32", "float16", "bfloat16"),
    "tempo": ("measured", "told"),
}


@dataclass(frozen=True)
class WaveformSpec:
    """A checkpoint and how it is run.

    ``tempo`` ``measured``: the beat of what was generated is tracked, and where it is off by up to 6 % the loop is
    generated again at the length that it has at that tempo, and stretched; ``told``: the text alone says the tempo.
    """

    source: str
    scheduler: str = "own"
    device: str = "auto"
    precision: str = "auto"
    tempo: str = "measured"

    @classmethod
    def parse(cls, text: str) -> WaveformSpec:
        """Read ``NAME?option=value&option=value``. ``ModelError`` names what is wrong and what is allowed."""
        source, _, rest = text.partition("?")
        spec, seen = cls(source), set()
        for entry in filter(None, rest.split("&")):
            option, _, value = entry.partition("=")
            if option not in _CHOICES:
                raise ModelError(
                    f"model option {entry!r} is not understood by a checkpoint of waveforms; known are "
                    f"{', '.join(f'{name}=' for name in _CHOICES)}"
                )
            if option in seen:
                raise ModelError(f"model option {option} is given twice in {text!r}; keep one")
            if value.lower() not in _CHOICES[option]:
                raise ModelError(f"model option {option} is {value!r}; allowed is {', '.join(_CHOICES[option])}")
            seen.add(option)
            spec = replace(spec, **{option: value.lower()})
        return spec
