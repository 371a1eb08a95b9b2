"""PlayOptions: what the command line says in place of the preset, and what the sound device has to say about both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from riffengine.control.midi.controller_map import ControllerMap
from riffengine.output.device import playable_rate
from riffengine.performance.command import Command
from riffengine.recovery import Recovery
from riffengine.session.session import Session

CHANNELS = 2


@dataclass(frozen=True)
class PlayOptions:
    """What the command line says in place of the preset; ``None`` leaves it to the preset."""

    output: str | None = None
    device: str | None = None
    block_frames: int | None = None
    loop_beats: int | None = None
    record: Path | None = None
    seconds: float | None = None  # of music: counted from the first sound
    osc_port: int | None = None
    osc_host: str | None = None
    osc_allow: tuple[str, ...] | None = None
    osc: bool = True
    midi: bool = True
    midi_maps: tuple[ControllerMap, ...] | None = None  # before those of the preset
    clock_out_port: str | None = None
    notes_out_port: str | None = None
    journal: Path | None = None
    latency_csv: Path | None = None
    commands: tuple[Command, ...] = ()
    recovery: Recovery | None = None

    def over(self, session: Session) -> Session:
        """``session`` with what the command line says about it."""
        said = {
            "output": self.output,
            "device": self.device,
            "block_frames": self.block_frames,
            "loop_beats": self.loop_beats,
            "record": self.record,
            "osc_port": self.osc_port,
            "osc_host": self.osc_host,
            "osc_allow": self.osc_allow,
            "clock_out_port": self.clock_out_port,
            "notes_out_port": self.notes_out_port,
            "osc_enabled": None if self.osc else False,
            "midi_enabled": None if self.midi else False,
            "midi_maps": None if self.midi_maps is None else (*self.midi_maps, *session.midi_maps),
        }
        return replace(session, **{name: value for name, value in said.items() if value is not None})  # type: ignore[arg-type]


def device_choice(session: Session) -> str | int | None:
    """What PortAudio understands: a number, a part of a name, or the default device."""
    return int(session.device) if session.device.isdecimal() else session.device or None


def at_device_rate(session: Session, say: Callable[[str], None]) -> Session:
    """``session`` at a sample rate that its device takes: a sound server has one and refuses every other."""
    if session.output == "paced":
        return session
    rate = playable_rate(device_choice(session), session.sample_rate, CHANNELS)
    if rate != session.sample_rate:
        say(f"the device does not take {session.sample_rate} Hz; playing at {rate} Hz")
    return replace(session, sample_rate=rate)
