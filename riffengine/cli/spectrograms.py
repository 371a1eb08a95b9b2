"""``to-image`` and ``to-audio``: sound files to spectrogram images and back."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from riffengine.cli.arguments import add_json_argument, between, integer, number, print_json, rendered_file, show
from riffengine.cli.verb import Verb
from riffengine.processes.audio_files import RENDERED_ENDINGS_TEXT

if TYPE_CHECKING:
    from riffengine.renderer.riffusion.codec import RiffusionParams

_TO_IMAGE_EXAMPLES = """\
examples:
  riffengine to-image loop.wav -o loop.png
  riffengine to-image song.flac --start 60 --seconds 20.48 --bpm 128 -o chorus.png      64 columns a beat
  riffengine to-image song.wav --stereo --wide -o song.png                              two channels, up to 20 kHz

The EXIF of the picture (Riffusion's tags 11000 to 11080) holds its parameters. Dark is loud, low tones are at the
bottom.
"""

_TO_AUDIO_EXAMPLES = """\
examples:
  riffengine to-audio loop.png -o loop.wav
  riffengine to-audio drawn-by-hand.jpg --bpm 120 -o drawn.wav      whole beats of 64 columns, at this tempo
  riffengine to-audio white-on-black.png --invert -o chalk.flac

Up to 2048 columns become one loop without a seam.
"""

_PICTURE_ENDINGS = (".png", ".jpg", ".jpeg")
_CODEC_OPTIONS: dict[str, tuple[str, Callable[[str], float], str, str]] = {
    # option: field of RiffusionParams, type, unit, help
    "bands": ("num_frequencies", int, "N", "frequency bands, the height of the picture (512)"),
    "low": ("min_frequency", float, "HZ", "lowest frequency (0)"),
    "high": ("max_frequency", float, "HZ", "highest frequency (10000)"),
    "step-ms": ("step_size_ms", float, "MS", "width of a column (10)"),
    "window-ms": ("window_duration_ms", float, "MS", "length of a window (100)"),
    "padded-ms": ("padded_duration_ms", float, "MS", "length of the FFT (400)"),
    "power": ("power_for_image", float, "P", "exponent from amplitude to darkness (0.25)"),
}


def _add_to_image_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("audio", type=Path, metavar="AUDIO", help="a sound file")
    parser.add_argument("-o", "--out", type=_picture_file, required=True, metavar="FILE", help=".png or .jpg")
    parser.add_argument("--start", type=_seconds, default=0.0, metavar="S", help="start at this second (default 0)")
    parser.add_argument("--seconds", type=_seconds, metavar="S", help="length; at most 300")
    parser.add_argument(
        "--bpm", type=_tempo, metavar="BPM", help="64 columns per beat at this tempo (default: 10 ms per column)"
    )
    _add_codec_arguments(parser)


def _add_to_audio_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("picture", type=Path, metavar="PICTURE", help="a PNG or JPEG file of any size")
    parser.add_argument("-o", "--out", type=rendered_file, required=True, metavar="FILE", help=RENDERED_ENDINGS_TEXT)
    parser.add_argument("--bpm", type=_tempo, metavar="BPM", help="64 columns per beat at this tempo; the pitch stays")
    parser.add_argument(
        "--rate", type=integer, choices=(44100, 48000), help="samples per second (default: as the picture says)"
    )
    parser.add_argument("--invert", action="store_true", help="light pixels are loud, dark ones silent")
    _add_codec_arguments(parser)


def _to_image(arguments: argparse.Namespace) -> int:
    """Write the picture of a sound file."""
    from riffengine.renderer.audio_file import read_audio
    from riffengine.renderer.riffusion.spectrogram_audio import picture_from_audio
    from riffengine.renderer.riffusion.spectrogram_image import write_picture

    params = _params(arguments)
    excerpt = read_audio(arguments.audio, params.channels, params.sample_rate, arguments.start, arguments.seconds)
    image, params = picture_from_audio(excerpt, params, arguments.bpm)
    write_picture(arguments.out, image, params)
    _report(
        arguments,
        picture=str(arguments.out),
        columns=image.shape[2],
        bands=image.shape[1],
        seconds=excerpt.samples.shape[1] / excerpt.sample_rate,
        step_size_ms=params.step_size_ms,
        stereo=params.stereo,
    )
    return 0


def _to_audio(arguments: argparse.Namespace) -> int:
    """Write the sound of a picture; changes that were needed are named on stderr."""
    from riffengine.offline.render import check_output
    from riffengine.renderer.audio_file import write_audio
    from riffengine.renderer.riffusion.spectrogram_audio import audio_from_picture
    from riffengine.renderer.riffusion.spectrogram_image import read_picture

    check_output(arguments.out)
    chosen = _params(arguments) if arguments.stereo or arguments.wide or _given_options(arguments) else None
    picture = read_picture(arguments.picture, chosen, invert=arguments.invert)
    for note in picture.notes:
        show(note, file=sys.stderr)
    sound, rate = audio_from_picture(picture, arguments.bpm, arguments.rate)
    write_audio(arguments.out, sound, rate)
    _report(
        arguments,
        sound=str(arguments.out),
        frames=len(sound),
        sample_rate=rate,
        seconds=len(sound) / rate,
        channels=sound.shape[1],
        exif=picture.has_exif,
    )
    return 0


def _add_codec_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stereo", action="store_true", help="left in green, right in blue")
    parser.add_argument("--wide", action="store_true", help="10 Hz to 20 kHz instead of 0 to 10 kHz")
    for option, (_, kind, unit, text) in _CODEC_OPTIONS.items():
        parser.add_argument(f"--{option}", type=integer if kind is int else number, metavar=unit, help=text)
    add_json_argument(parser)


def _given_options(arguments: argparse.Namespace) -> dict[str, float]:
    """The codec options that were given, by the names of ``RiffusionParams``."""
    given = {name: getattr(arguments, option.replace("-", "_")) for option, (name, *_) in _CODEC_OPTIONS.items()}
    return {name: value for name, value in given.items() if value is not None}


def _params(arguments: argparse.Namespace) -> RiffusionParams:
    from riffengine.renderer.riffusion.codec import RiffusionParams

    params = RiffusionParams.wide() if arguments.wide else RiffusionParams()
    return replace(params, stereo=arguments.stereo, **_given_options(arguments))  # type: ignore[arg-type]


def _report(arguments: argparse.Namespace, **facts: object) -> None:
    if arguments.json:
        print_json(facts)
        return
    (_, place), *rest = facts.items()
    show(f"{place}: " + ", ".join(f"{name} {_short(value)}" for name, value in rest))


def _short(value: object) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value).lower()


def _tempo(text: str) -> float:
    return between(text, 20.0, 400.0)


def _seconds(text: str) -> float:
    return between(text, 0.0, 1e6)


def _picture_file(text: str) -> Path:
    if Path(text).suffix.lower() not in _PICTURE_ENDINGS:
        raise argparse.ArgumentTypeError(
            f"{text!r} must end in {' or '.join(_PICTURE_ENDINGS)}; the ending chooses the format"
        )
    return Path(text)


TO_IMAGE = Verb("write the spectrogram image of a sound file", _to_image, _add_to_image_arguments, _TO_IMAGE_EXAMPLES)
TO_AUDIO = Verb("write the sound of a spectrogram image", _to_audio, _add_to_audio_arguments, _TO_AUDIO_EXAMPLES)
