"""Probes: facts about the machine and the installation, without a verdict.

The doctor runs in its own process, so it may import torch. A missing thing raises nothing; it is an observation.
"""

from __future__ import annotations

import ctypes.util
import hashlib
import importlib
import importlib.metadata
import importlib.util
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from riffengine.control.midi.rtmidi_api import stderr_silenced
from riffengine.errors import RiffError
from riffengine.processes.realtime import realtime_allowed

# The consequence that a performer reads when a dependency is missing.
DEPENDENCIES: Mapping[str, str] = {
    "numpy": "nothing can play",
    "torch": "no loop can be rendered",
    "diffusers": "spectrogram checkpoints cannot be used; the bundled model can",
    "torchaudio": "spectrogram checkpoints cannot be used; the bundled model can",
    "safetensors": "the model's weights cannot be read",
    "sounddevice": "no sound device can be opened; only the paced output plays",
    "soundfile": "nothing can be recorded or rendered to a file",
    "soxr": "audio of another sample rate cannot be used",
    "python-osc": "OSC control does not work",
    "python-rtmidi": "no MIDI controller can be used",
    "pyyaml": "no preset can be read",
    "rich": "there is no progress bar",
    "aiohttp": "OSCQuery is not served",
    "zeroconf": "OSCQuery is not announced",
    "ifaddr": "OSCQuery is not announced",
    "pillow": "spectrogram images cannot be read or written",
    "textual": "there is no dashboard",
    "prometheus-client": "the service has no /metrics",
    "mido": "notes cannot be written as MIDI files",
}


@dataclass(frozen=True)
class TorchFacts:
    """The devices that torch can use; ``problem`` says why it does not load, empty when it does."""

    threads: int = 0
    accelerators: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class OutputFacts:
    """Sound outputs by name; ``problem`` says why they cannot be listed."""

    names: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class MidiFacts:
    """MIDI drivers and ports by name; ``problem`` says why they cannot be listed."""

    apis: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Weights:
    """A weights file of the package: name, size in bytes, first sixteen hex digits of its SHA-256."""

    name: str
    size: int
    digest: str


@dataclass(frozen=True)
class Observations:
    """All facts that the doctor collects; sizes in bytes, ``None`` where the system has no such thing."""

    system: str
    python: tuple[int, int, int]
    versions: Mapping[str, str | None]
    torch: TorchFacts
    torchaudio: str
    portaudio: str | None
    outputs: OutputFacts
    midi: MidiFacts
    shared_memory: int | None
    stale_segments: tuple[str, ...]
    realtime: bool | None
    weights: tuple[Weights, ...]
    named_files: Mapping[str, int]  # how many presets, controller maps and OSC clients the package has
    free_disk: int


def observe() -> Observations:
    """Probe this machine; takes a few seconds, because torch is loaded. Missing things raise nothing."""
    return Observations(
        system=platform.system(),
        python=sys.version_info[:3],
        versions={name: _version(name) for name in DEPENDENCIES},
        torch=observe_torch(),
        torchaudio=_observe_torchaudio(),
        portaudio=_observe_portaudio(),
        outputs=observe_outputs(),
        midi=observe_midi(),
        shared_memory=_free_shared_memory(),
        stale_segments=_observe_stale_segments(),
        realtime=realtime_allowed(),
        weights=_observe_weights(),
        named_files=_observe_named_files(),
        free_disk=shutil.disk_usage(Path.cwd()).free,
    )


def observe_torch() -> TorchFacts:
    """The devices that torch can use, or why it does not load."""
    try:
        torch = importlib.import_module("torch")
    except (ImportError, OSError) as error:
        return TorchFacts(problem=f"torch does not load: {_first_line(error)}")
    accelerators = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        accelerators.append("Apple GPU (MPS)")
    return TorchFacts(torch.get_num_threads(), tuple(accelerators))


def observe_outputs() -> OutputFacts:
    """The sound outputs of this machine."""
    try:
        from riffengine.output.device import list_devices

        return OutputFacts(tuple(str(device) for device in list_devices()))
    except (RiffError, ImportError, OSError) as error:
        return OutputFacts(problem=_first_line(error))


def observe_midi() -> MidiFacts:
    """The MIDI drivers that work on this machine, and the input ports; opens none."""
    try:
        rtmidi = importlib.import_module("rtmidi")
    except ImportError as error:
        return MidiFacts(problem=f"python-rtmidi does not load: {_first_line(error)}")
    apis, ports, problems = [], [], []
    for api in rtmidi.get_compiled_api():
        name = rtmidi.get_api_display_name(api)
        try:
            with stderr_silenced():
                probe = rtmidi.MidiIn(api, name="riffengine-doctor")
                ports += [f"{port} ({name})" for port in probe.get_ports()]
                probe.delete()
        except rtmidi.RtMidiError as error:
            problems.append(f"{name}: {_first_line(error)}")
        else:
            apis.append(name)
    return MidiFacts(tuple(apis), tuple(ports), "" if apis else "; ".join(problems))


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _observe_torchaudio() -> str:
    from riffengine.renderer.torchaudio_import import torchaudio_case

    return torchaudio_case()


def _observe_portaudio() -> str | None:
    """The PortAudio library: the system's, or the one inside the sounddevice wheel (macOS, Windows)."""
    found = ctypes.util.find_library("portaudio")
    if found:
        return found
    if importlib.util.find_spec("_sounddevice_data") is None:
        return None
    bundled = importlib.import_module("_sounddevice_data")
    for folder in bundled.__path__:
        for library in sorted(Path(folder, "portaudio-binaries").glob("libportaudio*")):
            if library.suffix in (".dylib", ".dll"):
                return library.name
    return None


def _free_shared_memory() -> int | None:
    folder = Path("/dev/shm")
    return shutil.disk_usage(folder).free if folder.is_dir() else None


def _observe_stale_segments() -> tuple[str, ...]:
    try:
        from riffengine.processes.loop_store import stale_segments
    except ImportError:  # numpy is missing, which has its own finding
        return ()
    return tuple(path.name for path in stale_segments())


def _observe_weights() -> tuple[Weights, ...]:
    folder = Path(__file__).parent.parent / "weights"
    return tuple(
        Weights(str(path.relative_to(folder)), path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()[:16])
        for path in sorted(folder.rglob("*.safetensors"))
    )


def _observe_named_files() -> Mapping[str, int]:
    from riffengine.session.named_files import client_names, map_names, preset_names

    return {
        "presets": len(preset_names()),
        "controller maps": len(map_names()),
        "OSC clients": len(client_names()),
    }


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(". ")
