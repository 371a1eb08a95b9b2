"""What the doctor says: one finding per topic, judged from what was seen. Pure."""

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


def examine(seen: Observations) -> tuple[Finding, ...]:
    """One finding per topic, from what was seen. Pure."""
    return (
        _python(seen),
        *_dependencies(seen),
        _torch(seen),
        _torchaudio(seen),
        _portaudio(seen),
        _outputs(seen),
        _midi(seen),
        _weights(seen),
        _named_files(seen),
        *_shared_memory(seen),
        _realtime(seen),
        _disk(seen),
    )


def playable(findings: tuple[Finding, ...]) -> bool:
    """Whether it can make music, at least on the paced output: nothing vital is missing."""
    return not any(finding.vital and finding.state == "missing" for finding in findings)


def _python(seen: Observations) -> Finding:
    version = ".".join(map(str, seen.python))
    if seen.python >= (3, 11):
        return Finding("Python", "ok", version, vital=True)
    return Finding(
        "Python", "missing", version, "3.11 is the oldest that works", "install Python 3.11 or newer", vital=True
    )


def _dependencies(seen: Observations) -> list[Finding]:
    findings = []
    for name, meaning in DEPENDENCIES.items():
        version = seen.versions.get(name)
        if version:
            findings.append(Finding(name, "ok", version, vital=name in VITAL))
        else:
            findings.append(Finding(name, "missing", "not installed", meaning, _INSTALL, vital=name in VITAL))
    return findings


def _torch(seen: Observations) -> Finding:
    if seen.torch.problem:
        return Finding("computing", "missing", seen.torch.problem, "no loop can be rendered", _INSTALL, vital=True)
    where = ", ".join(("CPU", *seen.torch.accelerators))
    return Finding("computing", "ok", f"{where} ({seen.torch.threads} threads)", vital=True)


def _torchaudio(seen: Observations) -> Finding:
    match seen.torchaudio:
        case "real":
            return Finding("torchaudio loads", "ok", "with its own extension")
        case "stand-in":
            return Finding("torchaudio loads", "ok", "Python part only: its extension is a CUDA build, torch is not")
        case case:
            meaning = "spectrogram checkpoints cannot be used; the bundled model can"
            return Finding("torchaudio loads", "warn", case, meaning, _INSTALL)


def _portaudio(seen: Observations) -> Finding:
    if seen.portaudio:
        return Finding("PortAudio", "ok", seen.portaudio)
    remedy = {
        "Linux": "`sudo apt-get install libportaudio2` (Fedora: `dnf install portaudio`, Arch: `pacman -S portaudio`)",
        "Darwin": "`pip install --force-reinstall sounddevice`, or `brew install portaudio`",
    }.get(seen.system, "`pip install --force-reinstall sounddevice`")
    return Finding(
        "PortAudio", "warn", "not found", "no sound device can be opened; only the paced output plays", remedy
    )


def _outputs(seen: Observations) -> Finding:
    if seen.outputs.names:
        return Finding("sound outputs", "ok", "; ".join(seen.outputs.names))
    remedy = (
        "connect one, or start a sound server; `riffengine play --output paced --record FILE.flac` plays without"
        if seen.portaudio
        else "install PortAudio first"
    )
    found = seen.outputs.problem or "none"
    return Finding("sound outputs", "warn", found, "nothing will be heard here; the music can be recorded", remedy)


def _midi(seen: Observations) -> Finding:
    drivers = ", ".join(seen.midi.apis) or "no driver"
    if seen.midi.ports:
        return Finding("MIDI", "ok", f"{drivers}: {'; '.join(seen.midi.ports)}")
    return Finding(
        "MIDI",
        "warn",
        f"{drivers}: {seen.midi.problem or 'no ports'}",
        "no controller can be used; OSC and the command line can",
        "connect a controller and look again"
        if not seen.midi.problem
        else "on Linux: `sudo modprobe snd-seq`, or start JACK",
    )


def _weights(seen: Observations) -> Finding:
    if seen.weights:
        found = "; ".join(f"{w.name} {w.size / 1e6:.1f} MB, {w.digest}" for w in seen.weights)
        return Finding("bundled model", "ok", found, vital=True)
    return Finding(
        "bundled model",
        "missing",
        "no weights in the package",
        "the bundled model cannot render",
        "get a complete checkout or package, or train it with the scripts in tools/train",
        vital=True,
    )


def _named_files(seen: Observations) -> Finding:
    found = ", ".join(f"{count} {what}" for what, count in seen.named_files.items())
    if all(seen.named_files.values()):
        return Finding("presets", "ok", found)
    meaning = "presets, maps or clients cannot be named; files of your own still play"
    return Finding("presets", "warn", found, meaning, _INSTALL)


def _shared_memory(seen: Observations) -> list[Finding]:
    topic = "shared memory"
    findings = []
    if seen.shared_memory is None:
        findings.append(Finding(topic, "ok", "given by the system as it is needed"))
    elif seen.shared_memory < GIB // 4:
        findings.append(
            Finding(
                topic,
                "warn",
                f"{seen.shared_memory / 2**20:.0f} MiB free",
                "loops cross between processes there; 256 MiB are comfortable",
                "in a container: `docker run --shm-size=1g`; else `sudo mount -o remount,size=1G /dev/shm`",
            )
        )
    else:
        findings.append(Finding(topic, "ok", f"{seen.shared_memory / GIB:.1f} GiB free"))
    if seen.stale_segments:
        findings.append(
            Finding(
                "crashed sessions",
                "warn",
                f"{len(seen.stale_segments)} left shared memory behind",
                "it takes memory and nothing else",
                "the next `riffengine play` removes it",
            )
        )
    return findings


def _realtime(seen: Observations) -> Finding:
    topic = "real-time priority"
    if seen.realtime is None:
        return Finding(topic, "ok", "given by the system to audio programs")
    if seen.realtime:
        return Finding(topic, "ok", "allowed")
    return Finding(
        topic,
        "warn",
        "not allowed",
        "on a busy machine small blocks may drop out; use blocks of 512 frames or more",
        "put `@audio - rtprio 95` into /etc/security/limits.d/audio.conf, `sudo adduser $USER audio`, log in again",
    )


def _disk(seen: Observations) -> Finding:
    found = f"{seen.free_disk / GIB:.1f} GiB free here"
    if seen.free_disk >= GIB:
        return Finding("disk", "ok", found)
    return Finding("disk", "warn", found, "an hour of recorded FLAC takes about 0.3 GiB", "free some space")
