"""Types of arguments, and options that several verbs share."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO, TypeVar

from riffengine.errors import ControlError, plain
from riffengine.processes.audio_files import RENDERED_ENDINGS_TEXT, is_audio_file, is_rendered_file

Number = TypeVar("Number", int, float)

PRESET_HELP = "the name of a preset (see `riffengine presets`) or a YAML file"


def positive_int(text: str) -> int:
    """A whole number from 1 up."""
    return whole(text, 1, None)


def block_frames(text: str) -> int:
    """Frames per block, 16 to 8192."""
    return whole(text, 16, 8192)


def port(text: str) -> int:
    """A port number, 1 to 65535."""
    return whole(text, 1, 65535)


def whole(text: str, least: int, most: int | None) -> int:
    """A whole number from ``least`` to ``most``; ``None`` is no upper limit."""
    allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least or (most is not None and number > most):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; give a whole number {allowed}")
    return number


def positive_float(text: str) -> float:
    """A number above 0."""
    return _number(text, lambda number: 0.0 < number < float("inf"), "above 0")


def not_negative(text: str) -> float:
    """A number from 0 up."""
    return _number(text, lambda number: 0.0 <= number < float("inf"), "of at least 0")


def between(text: str, least: float, most: float) -> float:
    """A number from ``least`` to ``most``."""
    return _number(text, lambda number: least <= number <= most, f"from {least:g} to {most:g}")


def number(text: str) -> float:
    """A number; whether it is in its range is checked with the rest of the set."""
    return _read(text, float, "a number", "0.5")


def integer(text: str) -> int:
    """A whole number; whether it is in its range is checked with the rest of the set."""
    return _read(text, int, "a whole number", "3")


def tempo(text: str) -> float:
    """A number of beats a minute; whether it can be played is checked with the rest of the set."""
    return _read(text, float, "a number of beats a minute from 20 to 999", "120")


def share(text: str) -> float:
    """A number from 0 to 1."""
    return between(text, 0.0, 1.0)


def pair(text: str) -> tuple[float, float]:
    """Two numbers above 0 with a comma between them; one number stands for both."""
    first, _, second = text.partition(",")
    return positive_float(first), positive_float(second or first)


def audio_file(text: str) -> Path:
    """A file that ends in .wav or .flac."""
    path = Path(text)
    if not is_audio_file(path):
        raise argparse.ArgumentTypeError(f"{text!r} is neither .wav nor .flac; the ending chooses the format")
    return path


def rendered_file(text: str) -> Path:
    """A file with the ending of a format that is rendered."""
    path = Path(text)
    if not is_rendered_file(path):
        raise argparse.ArgumentTypeError(
            f"{text!r} ends in none of {RENDERED_ENDINGS_TEXT}; the ending chooses the format"
        )
    return path


def network(text: str) -> str:
    """An address or a network, such as 192.168.1.0/24."""
    from riffengine.control.osc.options import parse_network

    try:
        parse_network(text)
    except ControlError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """``--json``: the result for programs, on stdout, and nothing else there."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def show(text: object = "", *, file: TextIO | None = None, end: str = "\n", flush: bool = False) -> None:
    """Print ``text`` on stdout or ``file``, with everything escaped that a terminal would obey."""
    print(plain(text), file=file, end=end, flush=flush)


def counted(number: int, noun: str) -> str:
    """``number`` of ``noun``, such as ``1 loop`` or ``2 loops``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def print_json(result: object) -> None:
    """``result`` on stdout, one indented JSON document; paths become text."""
    json.dump(result, sys.stdout, indent=2, default=str, ensure_ascii=False)
    sys.stdout.write("\n")


def _read(text: str, kind: Callable[[str], Number], what: str, example: str) -> Number:
    """``text`` as a number of ``kind``; where a comma stands for its point, the refusal shows it with one."""
    try:
        return kind(text)
    except ValueError:
        pass
    with_point = text.replace(",", ".")
    try:
        kind(with_point)
    except ValueError:
        with_point = example
    raise argparse.ArgumentTypeError(f"{text!r} is not {what}; give one such as {with_point}")


def _number(text: str, allowed: Callable[[float], bool], limits: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not allowed(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; give a number {limits}")
    return number
