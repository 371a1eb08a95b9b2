"""The command line: what is typed becomes what is asked for, and nonsense is refused with words."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from riffengine import __version__
from riffengine.cli import main
from riffengine.cli.parser import build_parser
from riffengine.cli.play import parameter_commands
from riffengine.cli.render import render_job
from riffengine.cli.verb import Verb
from riffengine.cli.verbs import VERBS
from riffengine.output.device import DeviceInfo
from riffengine.performance.command import Command
from riffengine.performance.parameters import standard_tree
from riffengine.renderer.registry import family_of
from riffengine.session.session import default_session

RENDER = ["render", "--prompt", "jazz piano", "-o", "out.wav"]


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The message on stderr; asserts status 2, one line of explanation and no traceback."""
    try:
        status = main(arguments)
    except SystemExit as end:
        status = int(end.code or 0)
    captured = capsys.readouterr()
    assert status == 2
    assert captured.out == ""
    assert "Traceback" not in captured.err
    return captured.err


def test_version_is_the_package_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"riffengine {__version__}\n"


def test_without_a_verb_the_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    text = capsys.readouterr().out
    for verb in VERBS:
        assert f"\n    {verb} " in text or f"\n    {verb}\n" in text


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([verb, "--help"])
    assert end.value.code == 0
    assert f"usage: riffengine {verb}" in capsys.readouterr().out


def test_the_examples_in_the_help_can_be_typed() -> None:
    parser = build_parser()
    texts = [parser.epilog or ""]
    texts += [p.epilog or "" for p in parser._subparsers._group_actions[0].choices.values()]  # type: ignore[union-attr]
    lines = [
        line.split("  " * 3)[0] for text in texts for line in text.splitlines() if line.startswith("  riffengine ")
    ]
    assert len(lines) >= 10
    for line in lines:
        typed = shlex.split(line)[1:]
        assert parser.parse_args(typed).verb == typed[0]


@pytest.mark.parametrize(
    ("arguments", "explanation"),
    [
        ([*RENDER[:-1], "out.m4a"], "none of .wav, .flac, .aiff, .ogg or .mp3"),
        ([*RENDER, "--alpha", "0.5", "--bars", "4"], "not allowed with"),
        ([*RENDER, "--rate", "22050"], "44100, 48000"),
        (["render", "-o", "out.wav"], "--prompt"),
        (["play", "--seconds", "0"], "above 0"),
        (["play", "--seconds", "nan"], "above 0"),
        (["play", "--osc-port", "70000"], "1 to 65535"),
        (["play", "--block", "-5"], "from 16 to 8192"),
        (["play", "--block", "9000"], "from 16 to 8192"),
        (["play", "--seconds", "soon"], "'soon' is not allowed; give a number above 0"),
        (["play", "--osc-allow", "my house"], "192.168.1.0/24"),
        (["play", "--osc-port", "x"], "'x' is not allowed; give a whole number"),
        (["rehearse", "a.yaml", "--failures", "2"], "from 0 to 1"),
        (["rehearse", "a.yaml", "--crash-every", "-1"], "of at least 0"),
        (["rehearse", "a.yaml", "--render-seconds", "a,b"], "above 0"),
        (["play", "--record", "tape.ogg"], "neither .wav nor .flac"),
        (["play", "--osc-port", "9000", "--no-osc"], "not allowed with"),
        (["dance"], "no verb is called 'dance'\n`riffengine --help` lists the verbs"),
        (["pley"], "did you mean play?"),
        (["techno-walk"], "did you mean: riffengine play techno-walk"),
        (["my-set.yaml"], "did you mean: riffengine play my-set.yaml"),
        (["play", "--bmp", "120"], "there is no option --bmp; did you mean --bpm"),
        (["play", "--rec", "set.flac"], "did you mean --record?"),
        (["render", "--record=set.flac", "--prompt", "x", "-o", "x.wav"], "play and serve have it"),
        (["play", "-x"], "there is no option -x\n`riffengine play --help` lists the options"),
        (["play", "dub", "techno"], "'techno' is one argument too many"),
        (["serve"], "required: PRESET\n"),
        # These pass the parser and are refused by the parameter tree, with the range that it allows.
        ([*RENDER, "--bpm", "5000"], "from 60 to 180 bpm"),
        ([*RENDER, "--bpm", "nan"], "from 60 to 180 bpm"),
        ([*RENDER, "--alpha", "1.5"], "from 0 to 1"),
        ([*RENDER, "--key", "H major"], "A minor"),
        ([*RENDER, "--guidance", "99"], "from 1 to 10"),
        ([*RENDER, "--seed", "-1"], "from 0 to"),
        ([*RENDER, "--init", "in.wav", "--strength", "2"], "from 0 to 1"),
    ],
)
def test_nonsense_is_refused_with_what_is_allowed(
    arguments: list[str], explanation: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(arguments, capsys)
    assert explanation in said
    assert " _" not in said  # no name of a function


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["repair", "no.flac"], "no.flac cannot be repaired: No such file or directory"),
        (["to-image", "no.wav", "-o", "x.png"], "no.wav cannot be read as audio: No such file or directory; convert"),
        (["to-image", "notes.mid", "-o", "x.png"], "notes.mid cannot be read as audio: Format not recognised; convert"),
        (["mcp", "--token-file", "no.token"], "the token in no.token cannot be read: No such file or directory; name"),
        (["play", "folder.yaml"], "folder.yaml: is a folder; name a YAML preset in it"),
        (
            ["play", "tab.yaml"],
            "tab.yaml:2: is not YAML: found character '\\t' that cannot start any token; indent with",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named_once_with_the_reason(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes.mid").write_bytes(b"MThd")
    Path("folder.yaml").mkdir()
    Path("tab.yaml").write_text("deck:\n\ta: {prompt: house}\n")
    assert f"riffengine: {said}" in refused(arguments, capsys)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--journal", "set.jsonl", "--bpm", "90", "--stems", "parts"],
            "--bpm, --stems cannot be given with --journal",
        ),
        ([*RENDER[1:3], "--whole", "--init", "song.wav", "--mute", "drums"], "--mute cannot be given with --whole"),
        ([*RENDER[1:3], "--whole", "--init", "song.wav", "--bars", "4"], "--bars cannot be given with --whole"),
    ],
)
def test_an_option_that_would_have_no_effect_is_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused(["render", *arguments, "-o", "out.wav"], capsys)


def test_a_rehearsal_says_whether_anything_went_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rehearse", "first-sound", "--hours", "0.01"]) == 0
    assert capsys.readouterr().out.endswith(
        "nothing went wrong: no gap, every landing on its frame, no message late or refused\n"
    )
    assert main(["rehearse", "first-sound", "--hours", "0.001", "--failures", "1"]) == 1  # no loop was ever rendered
    assert "something went wrong" in capsys.readouterr().out


def test_an_abbreviated_option_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``--stem drums`` meant one stem, and as ``--stems`` wrote all of them into a folder of that name."""
    said = refused([*RENDER, "--stem", str(tmp_path / "drums")], capsys)
    assert "there is no option --stem; did you mean --stems?" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--bpm", "fast"], "--bpm: 'fast' is not a number of beats a minute from 20 to 999; give one such as 120"),
        (["--bpm", "100,5"], "--bpm: '100,5' is not a number of beats a minute from 20 to 999; give one such as 100.5"),
        (["--alpha", ",5"], "--alpha: ',5' is not a number; give one such as .5"),
        (["--drift", "slow"], "--drift: 'slow' is not a number; give one such as 0.5"),
        (["--seed", "3.5"], "--seed: '3.5' is not a whole number; give one such as 3"),
        (["--loop-beats", "x"], "--loop-beats: 'x' is not a whole number; give one such as 3"),
    ],
)
def test_an_error_of_the_arguments_is_two_lines(
    typed: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(["play", *typed], capsys) == (
        f"riffengine play: {said}\n`riffengine play --help` lists the options\n"
    )


def test_no_option_takes_a_number_without_words_for_what_is_none() -> None:
    """``argparse`` alone says "invalid float value", and not what is allowed."""
    options = [action for verb in build_parser().verbs.values() for action in verb._actions]
    assert not [action.option_strings for action in options if action.type in {int, float}]


def test_an_interrupt_ends_as_shells_expect(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(VERBS, "words", Verb("", interrupted))
    assert main(["words"]) == 130


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
@pytest.mark.parametrize("words", ["words", "presets --json", "presets"])
def test_an_output_without_room_is_told_in_one_line(words: str) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "riffengine", *words.split()]
        end = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert end.stderr == "riffengine: No space left on device: not everything was written; make room there\n"
    assert end.returncode == 2


@pytest.mark.skipif(sys.platform == "win32", reason="a shell's way to close a stream")
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-", "| head -c 9"])
def test_a_reader_that_has_gone_and_a_closed_stream_are_no_error(closed: str) -> None:
    """What is listed is longer than a pipe holds."""
    listing = (
        "import sys; from riffengine.cli import main, VERBS; "
        "from riffengine.cli.verb import Verb; from riffengine.cli.arguments import show; "
        "VERBS['words'] = Verb('', lambda _: [show('x' * 1000) for _ in range(1000)] and 0); sys.exit(main(['words']))"
    )
    shell = f"{shlex.quote(sys.executable)} -c {shlex.quote(listing)} {closed}; exit ${{PIPESTATUS[0]}}"
    end = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert (end.returncode, end.stderr) == (0, "")


def test_music_options_become_commands_and_the_rest_is_left_to_the_preset() -> None:
    arguments = build_parser().parse_args(
        ["play", "set.yaml", "--prompt", "dub techno", "--seed", "7", "--bpm", "110", "--drift", "0", "--seconds", "3"]
    )
    assert list(parameter_commands(arguments)) == [
        Command("transport/tempo", 110.0, "cli"),
        Command("deck/a/prompt", "dub techno", "cli"),
        Command("deck/a/seed", 7, "cli"),
        Command("deck/a/drift", 0.0, "cli"),
    ]
    assert list(parameter_commands(build_parser().parse_args(["play"]))) == []


def test_every_music_option_names_a_parameter_that_takes_it() -> None:
    music = "--prompt x --to y --negative z --seed 1 --bpm 90 --key 'a MINOR' --alpha 0.5 --drift 0.1"
    typed = shlex.split(f"{music} --memory groove --tension 0.5")
    tree = standard_tree()
    commands = list(parameter_commands(build_parser().parse_args(["play", *typed])))
    assert len(commands) == len(typed) // 2
    for command in commands:
        tree.check(command.path, command.value)


def test_a_render_without_an_end_stays_where_it_starts() -> None:
    job = render_job(build_parser().parse_args([*RENDER, "--seed", "5", "--strength", "0.3"]))
    assert job.request.start == job.request.end
    assert (job.request.start.prompt, job.request.start.seed) == ("jazz piano", 5)
    assert job.request.start.strength == 1.0  # there is no init that could be kept
    assert (job.bars, job.request.alpha, job.output) == (0, 0.0, Path("out.wav"))


def test_a_journey_has_both_ends() -> None:
    typed = [
        *RENDER,
        "--to",
        "house",
        "--seed",
        "5",
        "--to-seed",
        "6",
        "--bars",
        "16",
        "--init",
        "a.wav",
        "--key",
        "a minor",
    ]
    job = render_job(build_parser().parse_args(typed))
    assert (job.request.end.prompt, job.request.end.seed, job.request.end.strength) == ("house", 6, 0.6)
    assert (job.bars, job.request.init, job.request.key) == (16, "a.wav", "A minor")


def test_words_prints_the_whole_vocabulary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["words"]) == 0
    listed = {word.strip() for line in capsys.readouterr().out.splitlines() for word in line.split(":")[-1].split(",")}
    known = family_of("bundled").vocabulary("bundled")
    assert known is not None
    assert set().union(*known.by_role().values()) <= listed


def test_words_of_a_model_that_takes_any_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["words", "--model", "a/checkpoint"]) == 0
    assert capsys.readouterr().out == "a/checkpoint has no list of words: its prompts may hold any text\n"


def test_devices_says_what_to_do_in_a_process_of_its_own() -> None:
    end = subprocess.run([sys.executable, "-m", "riffengine", "devices"], capture_output=True, text=True, timeout=60)
    assert end.returncode == 0, end.stderr
    assert end.stdout.startswith("Sound outputs\n  ")
    assert "\nMIDI (" in end.stdout


def test_doctor_gives_programs_what_it_shows_people() -> None:
    command = [sys.executable, "-m", "riffengine", "doctor"]
    for_people = subprocess.run(command, capture_output=True, text=True, timeout=120)
    for_programs = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=120)
    report = json.loads(for_programs.stdout)
    assert for_people.returncode == for_programs.returncode == (0 if report["playable"] else 1)
    shown = for_people.stdout.splitlines()
    for finding in report["findings"]:
        assert any(line.startswith(f"{finding['state']:8}{finding['topic']}") for line in shown)


def test_a_terminal_without_unicode_is_no_reason_to_end() -> None:
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "riffengine", "doctor"]
    end = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert "UnicodeEncodeError" not in end.stderr
    assert end.returncode in (0, 1)
    assert end.stdout.splitlines()[-1].endswith((".", "above."))


def test_without_a_preset_the_music_is_endless() -> None:
    session = default_session()
    assert session.state(session.tree()).number("deck/a/drift") == 0.1


def test_a_device_is_shown_as_a_line_for_people() -> None:
    shown = str(DeviceInfo(3, "HDA Intel", "ALSA", 2, 48000, True))
    assert shown == "3  HDA Intel (ALSA)  2 ch  48000 Hz  default"


def test_a_preset_that_records_to_another_format_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preset = tmp_path / "set.yaml"
    preset.write_text("deck: {a: {prompt: piano}}\noutput: {record: tape.ogg}\n")
    assert ".wav or .flac" in refused(["play", str(preset)], capsys)


def test_words_of_a_model_that_is_not_there_are_not_listed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "other.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    for model, reason in [("nowhere.safetensors", "there is no file"), (str(tmp_path / "other.safetensors"), "format")]:
        assert main(["words", "--model", model]) == 2
        said = capsys.readouterr()
        assert said.out == "" and reason in said.err
