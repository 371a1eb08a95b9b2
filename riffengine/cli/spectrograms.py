"""``to-image`` and ``to-audio``: sound files to pictures of sound and back."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from riffengine.renderer.riffusion.codec import RiffusionParams

TO_IMAGE_EXAMPLES = """\
examples:
  riffengine to-image loop.wav -o loop.png
  riffengine to-image song.flac --start 60 --seconds 20.48 --bpm 128 -o chorus.png      64 columns a beat
  riffengine to-image song.wav --stereo --wide -o song.png                              two channels, up to 20 kHz

The picture says in its EXIF (Riffusion's tags 11000 to 11080) what it means; dark is loud, low is deep.
"""

TO_AUDIO_EXAMPLES = """\
examples:
  riffengine to-audio loop.png -o loop.wav
  riffengine to-audio drawn-by-hand.jpg --bpm 120 -o drawn.wav      whole beats of 64 columns, at this tempo
  riffengine to-audio white-on-black.png --invert -o chalk.flac

Up to 2048 columns become one loop whose end meets its start.
"""


_MEANING: dict[str, tuple[str, Callable[[str], float], str, str]] = {
    # option: field of RiffusionParams, type, unit, help
    "bands": ("num_frequencies", int, "N", "bands, which is the picture's height (512)"),
    "low": ("min_frequency", float, "HZ", "where the lowest band begins (0)"),
    "high": ("max_frequency", float, "HZ", "where the highest band ends (10000)"),
    "step-ms": ("step_size_ms", float, "MS", "width of a column (10)"),
    "window-ms": ("window_duration_ms", float, "MS", "length of a window (100)"),
    "padded-ms": ("padded_duration_ms", float, "MS", "length of the FFT (400)"),
    "power": ("power_for_image", float, "P", "from loudness to darkness (0.25)"),
}


def add_to_image_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``to-image``."""
    parser.add_argument("audio", type=Path, metavar="AUDIO", help="a sound file")
    parser.add_argument("-o", "--out", type=_picture_file, required=True, metavar="FILE", help=".png or .jpg")
    parser.add_argument("--start", type=_seconds, default=0.0, metavar="S", help="begin here (default 0)")
    parser.add_argument("--seconds", type=_seconds, metavar="S", help="take so many; at most 300 at a time")
    parser.add_argument("--bpm", type=_tempo, metavar="BPM", help="64 columns a beat at this tempo (else 10 ms each)")
    _add_meaning(parser)


def add_to_audio_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``to-audio``."""
    parser.add_argument("picture", type=Path, metavar="PICTURE", help="a PNG or JPEG file of any size")
    parser.add_argument("-o", "--out", type=_sound_file, required=True, metavar="FILE", help=".wav or .flac")
    parser.add_argument("--bpm", type=_tempo, metavar="BPM", help="64 columns a beat at this tempo; pitch stays")
    parser.add_argument("--rate", type=int, choices=(44100, 48000), help="samples per second (the picture's own)")
    parser.add_argument("--invert", action="store_true", help="light is loud")
    _add_meaning(parser)


def to_image(arguments: argparse.Namespace) -> int:
    """Write the picture of a sound file."""
    from riffengine.renderer.riffusion.spectrogram_audio import picture_of_sound, read_sound
    from riffengine.renderer.riffusion.spectrogram_image import write_picture

    params = _params(arguments)
    excerpt = read_sound(arguments.audio, params.channels, params.sample_rate, arguments.start, arguments.seconds)
    image, params = picture_of_sound(excerpt, params, arguments.bpm)
    write_picture(arguments.out, image, params)
    _tell(
        arguments,
        picture=str(arguments.out),
        columns=image.shape[2],
        bands=image.shape[1],
        seconds=excerpt.samples.shape[1] / excerpt.sample_rate,
        step_size_ms=params.step_size_ms,
        stereo=params.stereo,
    )
    return 0


def to_audio(arguments: argparse.Namespace) -> int:
    """Write the sound of a picture; what was done to bring it to shape is told on stderr."""
    from riffengine.offline.render import check_output
    from riffengine.renderer.riffusion.spectrogram_audio import sound_of_picture, write_sound
    from riffengine.renderer.riffusion.spectrogram_image import read_picture

    check_output(arguments.out)
    chosen = _params(arguments) if arguments.stereo or arguments.wide or _told(arguments) else None
    picture = read_picture(arguments.picture, chosen, invert=arguments.invert)
    for note in picture.notes:
        print(note, file=sys.stderr)
    sound, rate = sound_of_picture(picture, arguments.bpm, arguments.rate)
    write_sound(arguments.out, sound, rate)
    _tell(
        arguments,
        sound=str(arguments.out),
        frames=len(sound),
        sample_rate=rate,
        seconds=len(sound) / rate,
        channels=sound.shape[1],
        exif=picture.has_exif,
    )
    return 0


def _add_meaning(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stereo", action="store_true", help="left in green, right in blue")
    parser.add_argument("--wide", action="store_true", help="10 Hz to 20 kHz instead of 0 to 10 kHz")
    for option, (_, kind, unit, told) in _MEANING.items():
        parser.add_argument(f"--{option}", type=kind, metavar=unit, help=told)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _told(arguments: argparse.Namespace) -> dict[str, float]:
    """What the command line says of the meaning, by the names of ``RiffusionParams``."""
    typed = {name: getattr(arguments, option.replace("-", "_")) for option, (name, *_) in _MEANING.items()}
    return {name: value for name, value in typed.items() if value is not None}


def _params(arguments: argparse.Namespace) -> RiffusionParams:
    from riffengine.renderer.riffusion.codec import RiffusionParams

    params = RiffusionParams.wide() if arguments.wide else RiffusionParams()
    return replace(params, stereo=arguments.stereo, **_told(arguments))  # type: ignore[arg-type]


def _tell(arguments: argparse.Namespace, **facts: object) -> None:
    if arguments.json:
        print(json.dumps(facts, indent=2))
        return
    (_, place), *rest = facts.items()
    print(f"{place}: " + ", ".join(f"{name} {_short(value)}" for name, value in rest))


def _short(value: object) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value).lower()


def _tempo(text: str) -> float:
    return _within(text, 20.0, 400.0)


def _seconds(text: str) -> float:
    return _within(text, 0.0, 1e6)


def _within(text: str, least: float, most: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; give a number from {least:g} to {most:g}")
    return number


def _picture_file(text: str) -> Path:
    return _ending(text, (".png", ".jpg", ".jpeg"))


def _sound_file(text: str) -> Path:
    return _ending(text, (".wav", ".flac"))


def _ending(text: str, endings: tuple[str, ...]) -> Path:
    if Path(text).suffix.lower() not in endings:
        raise argparse.ArgumentTypeError(f"{text!r} must end in {' or '.join(endings)}; the ending chooses the format")
    return Path(text)
