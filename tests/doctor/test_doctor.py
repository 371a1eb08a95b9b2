"""The doctor: what is seen is judged, and what is judged can be acted on."""

import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from riffengine.doctor import MidiFacts, Observations, OutputFacts, examine, playable
from riffengine.doctor.findings import VITAL, Finding
from riffengine.doctor.probes import DEPENDENCIES, TorchFacts, Weights, observe_midi, observe_outputs
from riffengine.processes.loop_store import LoopStore, stale_segments, sweep_stale_segments

ROOT = Path(__file__).parents[2]

HEALTHY = Observations(
    system="Linux",
    python=(3, 11, 7),
    versions=dict.fromkeys(DEPENDENCIES, "1.0"),
    torch=TorchFacts(threads=2, accelerators=("Some GPU",)),
    torchaudio="real",
    portaudio="libportaudio.so.2",
    outputs=OutputFacts(("USB Audio",)),
    midi=MidiFacts(("ALSA",), ("nanoKONTROL2",)),
    shared_memory=2**31,
    stale_segments=(),
    realtime=True,
    weights=(Weights("bundled/flow.safetensors", 20_000_000, "0123456789abcdef"),),
    named_files={"presets": 9, "controller maps": 12, "OSC clients": 6},
    free_disk=2**34,
)


def changed(seen: Observations) -> dict[str, Finding]:
    """The findings that are not as on a healthy machine."""
    healthy = examine(HEALTHY)
    return {finding.topic: finding for finding in examine(seen) if finding not in healthy}


def test_a_healthy_machine_is_ready_and_has_nothing_to_do() -> None:
    findings = examine(HEALTHY)
    assert {finding.state for finding in findings} == {"ok"}
    assert playable(findings)
    assert not any(finding.remedy for finding in findings)
    assert len({finding.topic for finding in findings}) == len(findings)


@pytest.mark.parametrize(
    ("seen", "topic", "state", "remedy", "still_plays"),
    [
        (replace(HEALTHY, python=(3, 10, 12)), "Python", "missing", "3.11", False),
        (replace(HEALTHY, named_files={"presets": 0}), "presets", "warn", "pipx reinstall", True),
        (replace(HEALTHY, weights=()), "bundled model", "missing", "tools/train", False),
        (replace(HEALTHY, torch=TorchFacts(problem="no libtorch.so")), "computing", "missing", "tools/play", False),
        (replace(HEALTHY, torchaudio="broken"), "torchaudio loads", "warn", "constraints.txt", True),
        (replace(HEALTHY, outputs=OutputFacts()), "sound outputs", "warn", "--output paced", True),
        (replace(HEALTHY, portaudio=None), "PortAudio", "warn", "apt-get install libportaudio2", True),
        (replace(HEALTHY, portaudio=None, system="Darwin"), "PortAudio", "warn", "brew install portaudio", True),
        (replace(HEALTHY, midi=MidiFacts(("ALSA",))), "MIDI", "warn", "connect a controller", True),
        (replace(HEALTHY, midi=MidiFacts(problem="no sequencer")), "MIDI", "warn", "snd-seq", True),
        (replace(HEALTHY, shared_memory=64 * 2**20), "shared memory", "warn", "--shm-size", True),
        (replace(HEALTHY, stale_segments=("riffengine-1-00000000",)), "crashed sessions", "warn", "removes it", True),
        (replace(HEALTHY, realtime=False), "real-time priority", "warn", "rtprio", True),
        (replace(HEALTHY, free_disk=2**28), "disk", "warn", "space", True),
    ],
)
def test_each_fault_is_found_explained_and_no_other(
    seen: Observations, topic: str, state: str, remedy: str, still_plays: bool
) -> None:
    found = changed(seen)
    assert list(found) == [topic]
    assert found[topic].state == state
    assert found[topic].meaning
    assert remedy in found[topic].remedy
    assert playable(examine(seen)) is still_plays


@pytest.mark.parametrize("name", DEPENDENCIES)
def test_only_a_vital_library_stops_the_music(name: str) -> None:
    seen = replace(HEALTHY, versions={**HEALTHY.versions, name: None})
    assert changed(seen)[name].state == "missing"
    assert playable(examine(seen)) is (name not in VITAL)


def test_a_cpu_build_of_torch_beside_torchaudio_is_no_fault() -> None:
    found = changed(replace(HEALTHY, torchaudio="stand-in", torch=TorchFacts(threads=2)))
    assert {finding.state for finding in found.values()} == {"ok"}


def test_systems_without_these_limits_have_no_fault() -> None:
    found = changed(replace(HEALTHY, shared_memory=None, realtime=None))
    assert {finding.state for finding in found.values()} == {"ok"}


def test_the_doctor_knows_every_library_the_package_declares() -> None:
    lines = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {line.split(">")[0] for line in lines} == set(DEPENDENCIES)
    assert set(DEPENDENCIES) >= VITAL


def test_looking_for_devices_never_raises_and_gives_names_or_a_reason() -> None:
    for facts in (observe_outputs(), observe_midi()):
        assert isinstance(facts.problem, str)
        for name in facts.names if isinstance(facts, OutputFacts) else facts.ports:
            assert name.strip()


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="segments are only named in a folder on Linux")
def test_a_segment_is_stale_when_its_engine_is_gone_and_only_then() -> None:
    mine = LoopStore.create(1, 16)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = Path("/dev/shm") / f"riffengine-{ended.pid}-00c0ffee"
    left.write_bytes(b"\0" * 64)
    try:
        assert left in stale_segments()
        assert mine.name not in {path.name for path in stale_segments()}
        assert left.exists()  # looking removes nothing
        assert left.name in sweep_stale_segments()
        assert not left.exists()
    finally:
        left.unlink(missing_ok=True)
        mine.close()
