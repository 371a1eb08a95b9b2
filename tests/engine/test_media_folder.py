"""Which files another machine may name, told by their names alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from riffengine.engine.media_folder import MediaFolder, answer_to_plugin, is_remote
from riffengine.performance.command import Command, Rejected

REMOTE, LOCAL = "osc:192.168.1.20:9001", "osc:127.0.0.1:9001"


@pytest.mark.parametrize(
    ("source", "remote"),
    [(REMOTE, True), (LOCAL, False), ("osc:::1:9001", False), ("osc:fe80::1%eth0:5", True), ("midi:nano", False),
     ("web:3", True), ("mcp:anybody", True), ("", False), ("resume", False), ("api", False)],
)  # fmt: skip
def test_who_may_be_on_another_machine(source: str, remote: bool) -> None:
    assert is_remote(source) is remote


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("drums.wav", True), ("loops/drums.wav?from=16", True), ("drums.png?mask=sky.png", True), ("straight", True),
        ("straight?mask=keep-low", True), ("", True),
        ("../drums.wav", False), ("loops/../../x.wav", False), ("/etc/shadow", False), ("/proc/self/environ", False),
        ("~/x.wav", False), ("drums.wav?mask=/etc/passwd", False),
        ("\\\\host\\share\\x.wav", False), ("a\0.wav", False),
    ],
)  # fmt: skip
def test_another_machine_reaches_the_presets_folder_alone(
    name: str, allowed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sets").mkdir()
    monkeypatch.chdir(tmp_path / "sets")
    folder = MediaFolder(str(tmp_path / "sets"))
    answer = folder.answer(Command("deck/a/init", name, REMOTE), 0)
    assert (answer is None) is allowed
    assert folder.answer(Command("deck/a/init", name, LOCAL), 0) is None
    whole = folder.answer(Command("deck/a/init", str(tmp_path / "sets" / "x.wav"), REMOTE), 0)
    assert whole is None
    assert MediaFolder(None).answer(Command("deck/a/init", "drums.wav", REMOTE), 0) is not None


def test_the_answer_does_not_tell_whether_a_file_exists(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("")
    reasons = set()
    for name in ("there", "not-there.wav"):
        answer = MediaFolder(str(tmp_path / "sets")).answer(Command("deck/a/init", str(tmp_path / name), REMOTE), 0)
        assert answer is not None and isinstance(answer[0], Rejected)
        reasons.add(answer[0].reason)
    assert len(reasons) == 1


@pytest.mark.parametrize(
    ("reference", "allowed"),
    [
        ("lv2:http://example.org/plugins/echo", True), ("clap:Surge XT.clap#org.surge-synth-team.surge-xt", True),
        ("vst3:maker/Echo.vst3", True), ("", True),
        ("clap:/tmp/evil.clap#x", False), ("vst3:../../../tmp/evil.vst3", False), ("clap:a/../../evil.clap", False),
        ("vst3:~/Downloads/evil.vst3", False), ("vst3:C:\\evil.vst3", False),
        ("vst3:\\\\host\\share\\evil.vst3", False),
        ("clap:./evil.clap", False), ("clap:evil\0.clap", False),
    ],
)  # fmt: skip
def test_another_machine_names_no_code_outside_the_plugin_folders(reference: str, allowed: bool) -> None:
    path = "deck/a/fx/1/plugin"
    assert (answer_to_plugin(Command(path, reference, REMOTE), 0) is None) is allowed
    assert (answer_to_plugin(Command(path, reference, "web:3"), 0) is None) is allowed
    assert answer_to_plugin(Command(path, reference, LOCAL), 0) is None
