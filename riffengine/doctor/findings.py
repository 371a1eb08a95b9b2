"""Findings: the doctor's verdict on each topic, derived from the probes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from riffengine.doctor.probes import DEPENDENCIES, Observations

State = Literal["ok", "warn", "missing"]

GIB = 2**30
VITAL = frozenset({"numpy", "torch", "safetensors", "soxr", "pyyaml"})
_INSTALL = (
    "in a checkout: run `bash tools/play` again, or `pip install -c constraints.txt -e .`; "
    "in an installed package: install it again, as with `pipx reinstall riffengine`"
)


@dataclass(frozen=True)
class Finding:
    """One row: the state of a topic, what was found, what it means, what to do. ``vital``: no sound without it."""

    topic: str
    state: State
    found: str
    meaning: str = ""
    remedy: str = ""
    vital: bool = False


def examine(observed: Observations) -> tuple[Finding, ...]:
    """One finding per topic, derived from the observations."""
    return (
        _python(observed),
        *_dependencies(observed),
        _torch(observed),
        _torchaudio(observed),
        _portaudio(observed),
        _outputs(observed),
        _midi(observed),
        _weights(observed),
        _named_files(observed),
        *_shared_memory(observed),
        _realtime(observed),
        _disk(observed),
    )


def playable(findings: tuple[Finding, ...]) -> bool:
    """Whether music can be played, at least on the paced output: nothing vital is missing."""
    return not any(finding.vital and finding.state == "missing" for finding in findings)


def _python(observed: Observations) -> Finding:
    version = ".".join(map(str, observed.python))
    if observed.python >= (3, 11):
        return Finding("Python", "ok", version, vital=True)
    return Finding(
        "Python",
        "missing",
        version,
        "3.11 is the oldest version that works",
        "install Python 3.11 or newer",
        vital=True,
    )


def _dependencies(observed: Observations) -> list[Finding]:
    findings = []
    for name, meaning in DEPENDENCIES.items():
        version = observed.versions.get(name)
        if version:
            findings.append(Finding(name, "ok", version, vital=name in VITAL))
        else:
            findings.append(Finding(name, "missing", "not installed", meaning, _INSTALL, vital=name in VITAL))
    return findings


def _torch(observed: Observations) -> Finding:
    if observed.torch.problem:
        return Finding("computing", "missing", observed.torch.problem, "no loop can be rendered", _INSTALL, vital=True)
    where = ", ".join(("CPU", *observed.torch.accelerators))
    return Finding("computing", "ok", f"{where} ({observed.torch.threads} threads)", vital=True)


def _torchaudio(observed: Observations) -> Finding:
    match observed.torchaudio:
        case "real":
            return Finding("torchaudio loads", "ok", "with its own extension")
        case "stand-in":
            return Finding(
                "torchaudio loads", "ok", "only its Python part: its extension needs CUDA, this torch has none"
            )
        case case:
            meaning = "spectrogram checkpoints cannot be used; the bundled model can"
            return Finding("torchaudio loads", "warn", case, meaning, _INSTALL)


def _portaudio(observed: Observations) -> Finding:
    if observed.portaudio:
        return Finding("PortAudio", "ok", observed.portaudio)
    remedy = {
        "Linux": "`sudo apt-get install libportaudio2` (Fedora: `dnf install portaudio`, Arch: `pacman -S portaudio`)",
        "Darwin": "`pip install --force-reinstall sounddevice`, or `brew install portaudio`",
    }.get(observed.system, "`pip install --force-reinstall sounddevice`")
    return Finding(
        "PortAudio", "warn", "not found", "no sound device can be opened; only the paced output plays", remedy
    )


def _outputs(observed: Observations) -> Finding:
    if observed.outputs.names:
        return Finding("sound outputs", "ok", "; ".join(observed.outputs.names))
    remedy = (
        "connect one, or start a sound server; `riffengine play --output paced --record FILE.flac` plays without one"
        if observed.portaudio
        else "install PortAudio first"
    )
    found = observed.outputs.problem or "none"
    return Finding(
        "sound outputs", "warn", found, "nothing can be heard on this machine; music can be recorded", remedy
    )


def _midi(observed: Observations) -> Finding:
    drivers = ", ".join(observed.midi.apis) or "no driver"
    if observed.midi.ports:
        return Finding("MIDI", "ok", f"{drivers}: {'; '.join(observed.midi.ports)}")
    return Finding(
        "MIDI",
        "warn",
        f"{drivers}: {observed.midi.problem or 'no ports'}",
        "no controller can be used; OSC and the command line work",
        "connect a controller and run the doctor again"
        if not observed.midi.problem
        else "on Linux: `sudo modprobe snd-seq`, or start JACK",
    )


def _weights(observed: Observations) -> Finding:
    if observed.weights:
        found = "; ".join(f"{w.name} {w.size / 1e6:.1f} MB, {w.digest}" for w in observed.weights)
        return Finding("bundled model", "ok", found, vital=True)
    return Finding(
        "bundled model",
        "missing",
        "no weights in the package",
        "the bundled model cannot render",
        "get a complete checkout or package, or train it with the scripts in tools/train",
        vital=True,
    )


def _named_files(observed: Observations) -> Finding:
    found = ", ".join(f"{count} {what}" for what, count in observed.named_files.items())
    if all(observed.named_files.values()):
        return Finding("presets", "ok", found)
    meaning = "presets, maps or clients cannot be found by name; your own files still work"
    return Finding("presets", "warn", found, meaning, _INSTALL)


def _shared_memory(observed: Observations) -> list[Finding]:
    topic = "shared memory"
    findings = []
    if observed.shared_memory is None:
        findings.append(Finding(topic, "ok", "provided by the system when needed"))
    elif observed.shared_memory < GIB // 2:
        findings.append(
            Finding(
                topic,
                "warn",
                f"{observed.shared_memory / 2**20:.0f} MiB free",
                "loops are passed between processes there; 512 MiB are enough",
                "in a container: `docker run --shm-size=1g`; else `sudo mount -o remount,size=1G /dev/shm`",
            )
        )
    else:
        findings.append(Finding(topic, "ok", f"{observed.shared_memory / GIB:.1f} GiB free"))
    if observed.stale_segments:
        findings.append(
            Finding(
                "crashed sessions",
                "warn",
                f"{len(observed.stale_segments)} left shared memory behind",
                "it only uses memory",
                "the next `riffengine play` removes it",
            )
        )
    return findings


def _realtime(observed: Observations) -> Finding:
    topic = "real-time priority"
    if observed.realtime is None:
        return Finding(topic, "ok", "granted by the system to audio programs")
    if observed.realtime:
        return Finding(topic, "ok", "allowed")
    return Finding(
        topic,
        "warn",
        "not allowed",
        "on a busy machine small blocks may be late; use blocks of 512 frames or more",
        "put `@audio - rtprio 95` into /etc/security/limits.d/audio.conf, `sudo adduser $USER audio`, log in again",
    )


def _disk(observed: Observations) -> Finding:
    found = f"{observed.free_disk / GIB:.1f} GiB free here"
    if observed.free_disk >= GIB:
        return Finding("disk", "ok", found)
    return Finding("disk", "warn", found, "an hour of recorded FLAC takes about 0.3 GiB", "free some space")
