"""DeviceOutput: the sound card, through PortAudio. Only this module uses ``sounddevice``, and imports it on demand."""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from riffengine.errors import DeviceError
from riffengine.output.output import OutputSettings
from riffengine.processes.audio import CHANNELS, SAMPLE_RATES, Block, Fill

Hear = Callable[[Block], None]

_PROBE_SECONDS = 3.0
_SANE_LATENCY_SECONDS = 10.0  # PipeWire's JACK has been seen to report 88478 s


@dataclass(frozen=True)
class DeviceInfo:
    """One output device as PortAudio sees it; ``index`` or ``name`` choose it."""

    index: int
    name: str
    api: str
    channels: int
    default_sample_rate: int
    is_default: bool

    def __str__(self) -> str:
        """One line for a person: number, name, driver, channels, rate."""
        line = f"{self.index}  {self.name} ({self.api})  {self.channels} ch  {self.default_sample_rate} Hz"
        return f"{line}  default" if self.is_default else line


def rescan_devices() -> None:
    """Make PortAudio search for devices again: it lists those of its start only. No stream may be open."""
    sd = _portaudio()
    with contextlib.suppress(sd.PortAudioError):
        sd._terminate()
    try:
        sd._initialize()
    except sd.PortAudioError as error:
        raise DeviceError(f"PortAudio does not start again: {error}; start the player again") from error


def list_devices() -> list[DeviceInfo]:
    """Every device that can play; ``DeviceError`` when PortAudio itself is missing."""
    sd = _portaudio()
    default = sd.default.device[1]
    apis = sd.query_hostapis()
    return [
        DeviceInfo(
            index,
            device["name"],
            apis[device["hostapi"]]["name"],
            device["max_output_channels"],
            round(device["default_samplerate"]),
            index == default,
        )
        for index, device in enumerate(sd.query_devices())
        if device["max_output_channels"] > 0
    ]


def playable_rate(device: str | int | None, wanted: int, channels: int = CHANNELS) -> int:
    """``wanted`` Hz if the device takes it, else the first of ``SAMPLE_RATES`` that it takes, else ``wanted``.

    A sound server has one rate and refuses all others. Tried in a process of its own: PortAudio prints and may hang.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_probe_rates, args=(device, channels, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        rates: list[int] = ours.recv() if ours.poll(_PROBE_SECONDS) else []
    except EOFError:
        rates = []
    process.join(0.5)
    if process.is_alive():
        process.kill()
    ours.close()
    return wanted if wanted in rates or not rates else rates[0]


def _probe_rates(device: str | int | None, channels: int, connection: Connection) -> None:
    """The body of the probing process: sends the rates that the device takes."""
    rates = []
    try:
        sd = _portaudio()
        for rate in SAMPLE_RATES:
            with contextlib.suppress(sd.PortAudioError, ValueError):
                sd.check_output_settings(device=device, channels=channels, samplerate=rate, dtype="float32")
                rates.append(rate)
    except DeviceError:
        rates = []
    connection.send(rates)


class DeviceOutput:
    """A stream on a sound device, which drives time. ``fill`` is called in PortAudio's thread.

    ``fill(out, underrun)`` writes ``(frames, channels) float32``; ``underrun`` says that the device ran out of samples.
    """

    def __init__(self, fill: Fill, settings: OutputSettings, channels: int, hear: Hear | None = None) -> None:
        """``hear`` makes it a stream in both directions; ``DeviceError`` where the device has no such one."""
        sd = _portaudio()
        sample_rate, block_frames, device = settings.sample_rate, settings.block_frames, settings.device
        outputs = list_devices()
        if not outputs:
            raise DeviceError("no sound device can play; connect one, start JACK or PipeWire, or use output: paced")

        def callback(out: Block, frames: int, when: Any, status: Any) -> None:
            fill(out, bool(status.output_underflow))

        def callback_of_both(heard: Block, out: Block, frames: int, when: Any, status: Any) -> None:
            assert hear is not None
            hear(heard)
            fill(out, bool(status.output_underflow))

        shape = {"samplerate": sample_rate, "blocksize": block_frames, "dtype": "float32"}
        try:
            if hear is None:
                self._stream = sd.OutputStream(device=device, channels=channels, callback=callback, **shape)
            else:
                listened = device if settings.input_device is None else settings.input_device
                found = sd.query_devices(listened, "input")["max_input_channels"]
                self._stream = sd.Stream(
                    device=(listened, device), channels=(min(found, CHANNELS), channels), callback=callback_of_both,
                    **shape,
                )  # fmt: skip
        except (sd.PortAudioError, ValueError) as error:
            names = ", ".join(f"{d.index} {d.name!r} ({d.default_sample_rate} Hz)" for d in outputs)
            chosen = "the default device" if device is None else f"device {device!r}"
            raise DeviceError(
                f"{chosen} cannot play {channels} channels at {sample_rate} Hz: {error}; choose one of {names}, "
                "or another sample rate"
            ) from error
        info = sd.query_devices(self._stream.device if hear is None else self._stream.device[1])
        self.name = f"{info['name']} ({sd.query_hostapis(info['hostapi'])['name']})"
        block = block_frames / sample_rate
        told = self._stream.latency if hear is not None else (None, self._stream.latency)
        self.input_latency_seconds = None if told[0] is None else _sane(float(told[0]), block)
        self.latency_seconds = _sane(float(told[1]), block)
        self._sd = sd

    def start(self) -> None:
        """Let the device pull; ``DeviceError`` when it does not start."""
        try:
            self._stream.start()
        except self._sd.PortAudioError as error:
            raise DeviceError(
                f"{self.name} does not start: {error}; close what else uses it, or choose another"
            ) from error

    @property
    def running(self) -> bool:
        """False once the device is lost (unplugged, sound server ended)."""
        try:
            return bool(self._stream.active)
        except self._sd.PortAudioError:  # the driver cannot even answer
            return False

    def stop(self) -> None:
        """Play the blocks already handed over, then close."""
        try:
            self._stream.stop()
            self._stream.close()
        except self._sd.PortAudioError as error:
            raise DeviceError(f"{self.name} did not close: {error}") from error


def open_output(settings: OutputSettings, fill: Fill, retry: bool) -> DeviceOutput:
    """The ``Opener`` of the output ``device``: with a cue bus on four channels, or on two where there are no four."""
    if retry:
        rescan_devices()
    if settings.hear is None:
        return _with_or_without_cue(settings, fill, None)
    try:
        both = _with_or_without_cue(settings, fill, settings.hear)
        both.name += ", with its input"
        return both
    except DeviceError as error:
        alone = _with_or_without_cue(settings, fill, None)
        alone.name += f" (no input: {error})"
        return alone


def _with_or_without_cue(settings: OutputSettings, fill: Fill, hear: Hear | None) -> DeviceOutput:
    channels = settings.channels
    if not settings.cue:
        return DeviceOutput(fill, settings, channels, hear)
    try:
        four = DeviceOutput(fill, settings, 2 * channels, hear)
        four.name += ", cue on channels 3 and 4"
        return four
    except DeviceError as error:
        two = DeviceOutput(fill, settings, channels, hear)
        two.name += f" (no cue: {error})"
        return two


def _sane(latency: float, otherwise: float) -> float:
    return latency if 0 <= latency < _SANE_LATENCY_SECONDS else otherwise


def _portaudio() -> Any:
    """The module ``sounddevice``; ``DeviceError`` says what to install."""
    try:
        import sounddevice
    except ImportError as error:
        raise DeviceError(
            f"the Python package sounddevice is missing ({error}); install it with: pip install sounddevice"
        ) from error
    except OSError as error:  # the package is there, the library is not
        hint = (
            "apt-get install libportaudio2" if sys.platform.startswith("linux") else "pip install --force sounddevice"
        )
        raise DeviceError(f"PortAudio cannot be loaded ({error}); install it with: {hint}") from error
    return sounddevice
