"""What ``play`` and ``serve`` share: options in place of a preset's settings, and options of one performance."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from riffengine.cli.arguments import audio_file, network, port
from riffengine.errors import AudioFileError
from riffengine.output.registry import output_names
from riffengine.processes.audio_files import AUDIO_ENDINGS_TEXT, is_audio_file

if TYPE_CHECKING:
    from riffengine.control.midi.controller_map import ControllerMap
    from riffengine.engine import PlayOptions
    from riffengine.performance.command import Command
    from riffengine.recovery import Recovery
    from riffengine.session.session import Session


def add_sound_arguments(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Where the sound goes; the group, for further options."""
    sound = parser.add_argument_group("sound and recording")
    sound.add_argument(
        "--output",
        choices=output_names(),
        help="device: a sound device. paced: no device, in real time. auto: a sound device if there is one",
    )
    sound.add_argument("--device", metavar="NAME", help="number or part of the name, see `riffengine devices`")
    sound.add_argument(
        "--input",
        nargs="?",
        const="",
        metavar="NAME",
        help="listen to the device's input too, or to this one, for deck/a/capture and follow",
    )
    sound.add_argument("--record", type=audio_file, metavar="FILE", help="record what is heard: .flac or .wav")
    sound.add_argument("--journal", type=Path, metavar="FILE", help="write every command with its beat to this file")
    return sound


def add_control_arguments(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Where commands come from; the group, for further options."""
    control = parser.add_argument_group("control")
    osc = control.add_mutually_exclusive_group()
    osc.add_argument("--osc-port", type=port, metavar="PORT", help="UDP port on which OSC is received")
    osc.add_argument("--no-osc", action="store_true", help="do not listen for OSC")
    control.add_argument(
        "--osc-bind",
        metavar="HOST",
        help="address on which OSC is received; with 0.0.0.0 everyone in the network can play",
    )
    control.add_argument(
        "--osc-allow",
        action="append",
        type=network,
        metavar="NET",
        help="accept OSC only from this machine and NET, such as 192.168.1.20 or 192.168.1.0/24; may be repeated",
    )
    control.add_argument("--no-midi", action="store_true", help="do not open MIDI ports")
    web = parser.add_argument_group("web page")
    web.add_argument(
        "--web", nargs="?", type=port, const=-1, metavar="PORT", help="serve the page to play and listen (port 9480)"
    )
    web.add_argument(
        "--web-bind", metavar="HOST", help="address of the page; other than this machine's own it needs --web-tokens"
    )
    web.add_argument(
        "--web-tokens",
        nargs="?",
        const="",
        metavar="FILE",
        help="admit only who has a token: new ones at every start, or those of FILE (mode 0600), made if missing",
    )
    web.add_argument(
        "--web-name", action="append", metavar="NAME", help="a host name by which the page is opened; may be repeated"
    )
    web.add_argument(
        "--web-origin",
        action="append",
        metavar="ORIGIN",
        help="another site whose pages may use the server, such as http://localhost:3000; may be repeated",
    )
    web.add_argument("--web-cert", metavar="FILE", help="serve HTTPS with this PEM certificate")
    web.add_argument("--web-key", metavar="FILE", help="key of the certificate, where it is in a file of its own")
    web.add_argument(
        "--icecast",
        metavar="URL",
        help="send a stream to an Icecast server: icecast://source@HOST:8000/NAME.mp3 (or .ogg), with the password in "
        "the environment variable RIFFENGINE_ICECAST_PASSWORD",
    )
    web.add_argument(
        "--app", metavar="DIR", help="serve the page in this folder at /, such as Riffusion's app; ours is at /play"
    )
    return control


def session_with(arguments: argparse.Namespace, session: Session) -> Session:
    """``session`` with the settings that the command line gives; an option that a verb does not have is not given."""
    given = vars(arguments).get
    maps = chosen_maps(given("map"))
    return session.with_given(
        loop_beats=given("loop_beats"),
        audio=session.audio.with_given(
            output=given("output"),
            device=given("device"),
            block_frames=given("block"),
            record=given("record"),
            sound_input=True if given("input") is not None else None,
            input_device=given("input") or None,
        ),
        osc=session.osc.with_given(
            enabled=False if given("no_osc") else None,
            host=given("osc_bind"),
            port=given("osc_port"),
            allow=tuple(given("osc_allow") or ()) or None,
        ),
        midi=session.midi.with_given(
            enabled=False if given("no_midi") else None,
            maps=(*maps, *session.midi.maps) if maps else None,
            notes_out_port=given("notes_out") or None,
        ),
        sync=session.sync.with_given(clock_out_port=given("clock_out") or None),
        web=session.web.with_given(
            enabled=True if given("web") is not None or given("icecast") or given("app") else None,
            port=None if given("web") in (None, -1) else given("web"),
            host=given("web_bind"),
            tokens=given("web_tokens"),
            names=tuple(given("web_name") or ()) or None,
            origins=tuple(given("web_origin") or ()) or None,
            certificate=given("web_cert"),
            key=given("web_key"),
            icecast=given("icecast"),
            app=given("app"),
        ),
    )


def play_options(arguments: argparse.Namespace, recovery: Recovery, commands: tuple[Command, ...] = ()) -> PlayOptions:
    """What holds for this performance only."""
    from riffengine.engine import PlayOptions

    given = vars(arguments).get
    return PlayOptions(given("seconds"), commands, given("journal"), given("latency_csv"), recovery)


def chosen_maps(named: list[str] | None) -> tuple[ControllerMap, ...]:
    """The maps that ``--map NAME`` or ``--map NAME=PORT`` asks for; ``PresetError`` where there is none."""
    if not named:
        return ()
    from riffengine.session.controller_map import read_map
    from riffengine.session.named_files import find_map, map_folders

    found = []
    for text in named:
        name, _, port_name = text.partition("=")
        known = read_map(find_map(name, map_folders(os.environ)))
        found.append(replace(known, match=(port_name.lower(),)) if port_name else known)
    return tuple(found)


def check_recording(preset: Path | None, session: Session) -> None:
    """``AudioFileError`` where the preset names a recording in a format that cannot be written."""
    record = session.audio.record
    if record is not None and not is_audio_file(record):
        raise AudioFileError(
            f"{preset}: the recording {record.name!r} must end in {AUDIO_ENDINGS_TEXT}; change its name"
        )
