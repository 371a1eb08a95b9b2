from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riffengine.control.midi.binding import Binding
from riffengine.errors import PresetError
from riffengine.renderer.bundled.vocabulary import Vocabulary
from riffengine.session.session import Session, default_session, load_session
from riffengine.session.yaml_reader import MAX_BYTES

PRESETS = sorted((Path(__file__).parents[2] / "presets").glob("*.yaml"))


def load(tmp_path: Path, text: str) -> Session:
    path = tmp_path / "set.yaml"
    path.write_text(text)
    return load_session(path)


def test_there_are_presets_for_the_three_uses() -> None:
    sessions = [load_session(path) for path in PRESETS]
    assert len(sessions) >= 6
    assert sum(len(s.midi.bindings) > 2 for s in sessions) >= 2
    assert sum(s.osc.enabled for s in sessions) >= 2
    assert any(float(s.parameters.get("deck/a/drift", 0)) > 0 for s in sessions)


@pytest.mark.parametrize("path", PRESETS, ids=lambda p: p.stem)
def test_a_shipped_preset_loads_and_speaks_only_words_that_the_model_knows(path: Path) -> None:
    session = load_session(path)
    assert session.name and session.description
    state = session.state(session.tree())
    assert state.revision == 0 and set(session.parameters) <= set(state.values)
    vocabulary = Vocabulary.load()
    words = [
        *(p for _, bank in session.prompt_lists.banks for p in bank),
        *(v for b in session.midi.bindings if not b.path.endswith("/chords") for v in b.values if isinstance(v, str)),
    ]
    words += [str(v) for p, v in session.parameters.items() if p.endswith(("/prompt", "/to", "/negative"))]
    for prompt in words if session.model == "bundled" else ():  # a checkpoint has read most words there are
        assert vocabulary.parse(prompt).unknown == (), prompt


WHOLE = """
name: All of it
description: every key
tempo: 126
quantum: off
key: a minor
steps: 10
draft_steps: 3
gain: -6
crossfader: 0.5
model: bundled
prompts: [house, techno, "808"]
deck:
  a: {prompt: house, to: techno, seed: 3, to_seed: 4, alpha: 0.5, negative: dark, guidance: 3, strength: 0.5,
      init: loop.wav, drift: 0.25, gain: -3, mute: no, stem: {bass: {gain: -1}}}
  b: {prompt: jazz}
output: {to: paced, device: "USB", sample_rate: 48000, block_frames: 256, record: set.flac, fade_in: 1, fade_out: 3.5}
osc: {enabled: yes, host: 0.0.0.0, port: 9100, allow: [192.168.1.0/24, 10.0.0.7], query: no, announce: no}
midi:
  enabled: true
  ports: [nanoKONTROL]
  virtual: false
  map:
    - {cc: 1, set: deck/a/alpha, channel: 3, low: 0.25, high: 0.75, curve: exp}
    - {note: 36, set: deck/b/prompt, channel: any, values: prompts}
    - {pitchbend: true, set: crossfader}
    - {program: 5, set: next}
    - {cc: 2, set: deck/a/seed, mode: relative-signed-bit}
"""


def test_every_key_arrives_where_it_belongs(tmp_path: Path) -> None:
    session = load(tmp_path, WHOLE)
    audio, osc, midi = session.audio, session.osc, session.midi
    assert (session.decks, audio.output, audio.device) == (("a", "b"), "paced", "USB")
    assert (audio.sample_rate, audio.block_frames, audio.record) == (48000, 256, Path("set.flac"))
    assert (audio.fade_in_seconds, audio.fade_out_seconds) == (1.0, 3.5)
    assert (osc.enabled, osc.host, osc.port) == (True, "0.0.0.0", 9100)
    assert osc.allow == ("192.168.1.0/24", "10.0.0.7") and not (osc.query or osc.announce)
    assert (midi.enabled, midi.ports, midi.virtual) == (True, ("nanoKONTROL",), False)
    assert session.prompt_lists.bank(1) == ("house", "techno", "808")
    state = session.state(session.tree())
    assert (state["transport/quantum"], state["key"], state["deck/a/mute"]) == ("off", "A minor", False)
    assert state.deck("a").drift == 0.25 and state["deck/a/stem/bass/gain"] == -1.0
    assert state.deck("b").prompt == "jazz" and state["transport/tempo"] == 126.0
    assert session.midi.bindings == (
        Binding("deck/a/alpha", "cc", 1, 3, 0.25, 0.75, "exp"),
        Binding("deck/b/prompt", "note", 36, values=("house", "techno", "808")),
        Binding("crossfader", "pitchbend"),
        Binding("next", "program", 5),
        Binding("deck/a/seed", "cc", 2, mode="relative-signed-bit"),
    )


@pytest.mark.parametrize(
    ("block", "prompt"),
    [
        (">\n      deep house,\n      warm pads\n", "deep house, warm pads"),
        ("|\n      deep house,\n      warm pads\n", "deep house, warm pads"),
        (">-\n      deep house", "deep house"),
        ("|+\n      deep house\n\n\n", "deep house"),
        ("|\n      808\n", "808"),  # text, as it is in quotes
    ],
)
def test_a_prompt_as_a_block_of_lines_is_one_line(tmp_path: Path, block: str, prompt: str) -> None:
    session = load(tmp_path, f"scenes:\n  drop:\n    deck/a/prompt: {block}\ndeck:\n  a:\n    prompt: {block}")
    assert session.parameters["deck/a/prompt"] == prompt
    assert session.scenes[0].values["deck/a/prompt"] == prompt


def test_a_preset_of_everything_that_is_allowed_at_most_is_read(tmp_path: Path) -> None:
    long = "techno, " * 49 + "dark"
    decks = "".join(f'  {deck}: {{prompt: "{long}", to: "{long}", seed: {seed}}}\n' for seed, deck in enumerate("abcd"))
    values = ", ".join(f'deck/{deck}/prompt: "house, warm", deck/{deck}/gain: -3' for deck in "abcd")
    scenes = "".join(f"  scene {number}: {{{values}}}\n" for number in range(128))
    lists = "".join(f"  list{n}: [{', '.join(f'techno {n} {m}' for m in range(128))}]\n" for n in range(16))
    lines = "".join(f"  - {{cc: {n % 120}, channel: {n % 16 + 1}, set: deck/a/alpha}}\n" for n in range(1000))
    text = f"deck:\n{decks}scenes:\n{scenes}prompts:\n{lists}midi:\n  map:\n{lines}"
    session = load(tmp_path, text + "#" * (MAX_BYTES - len(text)))
    assert (len(session.scenes), len(session.prompt_lists.banks), len(session.midi.bindings)) == (128, 16, 1000)
    assert session.parameters["deck/d/to"] == long
    with pytest.raises(PresetError, match="larger than 256 KiB"):
        load(tmp_path, text + "#" * (MAX_BYTES - len(text) + 1))


def test_a_line_break_in_quotes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match="cannot be shown"):
        load(tmp_path, 'deck: {a: {prompt: "deep\\nhouse"}}')


def test_an_empty_mapping_is_the_default_session_at_rest(tmp_path: Path) -> None:
    assert load(tmp_path, "{}") == replace(default_session(), parameters={})


REFUSED = [  # text, line, key, a part of the problem
    ("tempo: 120\ntempi: 3", 2, "tempi", "tempo"),
    ("tempo: fast", 1, "tempo", "60 to 180"),
    ("# one\n\ntempo: 5000", 3, "tempo", "60 to 180"),
    ("tempo: .nan", 1, "tempo", "60 to 180"),
    ("tempo:", 1, "tempo", "nothing"),
    ("tempo: [1]", 1, "tempo", "list"),
    ("tempo: 2026-11-21", 1, "tempo", "does not fit"),
    ("tempo: 120\ntempo: 121", 2, "tempo", "first in line 1"),
    ("deck:\n  a: {}\n  a: {}", 3, "deck.a", "first in line 2"),
    ("deck:\n  a:\n    seed: 1\n    seed: 2", 4, "deck.a.seed", "first in line 3"),
    ("output:\n  fade_in: 1\n  fade_in: 2", 3, "output.fade_in", "first in line 2"),
    ("osc:\n  port: 1\n  port: 2", 3, "osc.port", "first in line 2"),
    ("sync:\n  port: x\n  port: y", 3, "sync.port", "first in line 2"),
    ("midi:\n  virtual: no\n  virtual: no", 3, "midi.virtual", "first in line 2"),
    ("record:\n  folder: x\n  folder: y", 3, "record.folder", "first in line 2"),
    ("osc: 9000", 1, "osc", "enabled, host, port"),
    ("sync: link", 1, "sync", "needs keys and values"),
    ("midi: off", 1, "midi", "needs keys and values"),
    ("output: paced", 1, "output", "needs keys and values"),
    ("sync: {start_stop: 3}", 1, "sync.start_stop", "true or false"),
    ("midi: {notes_port: 3}", 1, "midi.notes_port", "quotes"),
    ("prompts: {}", 1, "prompts", "needs 1 to"),
    ("quantum: 3bars", 1, "quantum", "4bars"),
    ("steps: 2.5", 1, "steps", "whole number"),
    ("key: H minor", 1, "key", "A minor"),
    ("deck:\n  a:\n    alpha: 1.5", 3, "deck.a.alpha", "0 to 1"),
    ("deck:\n  a:\n    aplha: 0.5", 3, "deck.a.aplha", "alpha"),
    ("deck:\n  a:\n    prompt: 808", 3, "deck.a.prompt", "quotes"),
    ("deck:\n  a: techno", 2, "deck.a", "keys"),
    ("deck:\n  e: {}", 2, "deck.e", "a, b, c, d"),
    ("deck: {a: {stem: {choir: {gain: 0}}}}", 1, "deck.a.stem.choir", "drums"),
    ("deck: {a: {seed: -1}}", 1, "deck.a.seed", "2147483647"),
    ("deck: {a: {mute: maybe}}", 1, "deck.a.mute", "true or false"),
    ("output:\n  sample_rate: 96000", 2, "output.sample_rate", "44100, 48000"),
    ("output: {to: radio}", 1, "output.to", "paced"),
    ("output: {block_frames: 8}", 1, "output.block_frames", "16 to 8192"),
    ("output: {fade_out: -1}", 1, "output.fade_out", "0 to 60"),
    ("osc: {port: 70000}", 1, "osc.port", "65535"),
    ("osc: {allow: [my house]}", 1, "osc.allow[0]", "192.168.1.0/24"),
    ("osc: {enabled: 5}", 1, "osc.enabled", "true or false"),
    ("midi: {ports: nano}", 1, "midi.ports", "list"),
    ("midi:\n  map:\n    - {cc: 1}", 3, "midi.map[0]", "set"),
    ("midi:\n  map:\n    - {set: next}", 3, "midi.map[0]", "cc"),
    ("midi:\n  map:\n    - {cc: 1, note: 2, set: next}", 3, "midi.map[0].note", "one control"),
    ("midi:\n  map:\n    - {cc: 1, set: deck/b/alpha}", 3, "midi.map[0]", "deck/a/alpha"),
    ("midi:\n  map:\n    - {cc: 200, set: deck/a/alpha}", 3, "midi.map[0]", "0 to 127"),
    ("midi:\n  map:\n    - {cc: one, set: deck/a/alpha}", 3, "midi.map[0].cc", "0 to 127"),
    ("midi:\n  map:\n    - {cc: 1, set: deck/a/alpha, mode: spin}", 3, "midi.map[0].mode", "absolute"),
    ("midi:\n  map:\n    - {cc: 1, set: deck/a/alpha, high: 2}", 3, "midi.map[0]", "0 to 1"),
    ("midi:\n  map:\n    - {note: 1, set: deck/a/prompt, values: prompts}", 3, "midi.map[0].values", "no prompts"),
    ("prompts: [house, 5]", 1, "prompts[1]", "text"),
    ("name: !!python/object/apply:os.system [ls]", 1, "name", "does not fit"),
    ("name: !!python/name:os.system x", 1, "name", "does not fit"),
    ("- a list", 1, "", "keys"),
    ("", 1, "", "empty"),
    ("a: b: c", 1, "", "not YAML"),
    ("tempo: 120\n\tsteps: 3", 2, "", "not YAML"),
    ("a: 1\n---\nb: 2", 2, "", "not YAML"),
    ("[" * 5000, 1, "", ""),
    ("deck: {a: {seed: " + "9" * 5000 + "}}", 1, "deck.a.seed", ""),
]


@pytest.mark.parametrize(("text", "line", "key", "problem"), REFUSED, ids=[r[0][:40] for r in REFUSED])
def test_a_refusal_names_file_line_key_and_what_is_allowed(
    tmp_path: Path, text: str, line: int, key: str, problem: str
) -> None:
    with pytest.raises(PresetError) as refusal:
        load(tmp_path, text)
    error = refusal.value
    assert (error.where, error.key) == (f"{tmp_path / 'set.yaml'}:{line}", key)
    assert problem in error.problem and error.problem
    assert str(error).startswith(error.where)


def test_all_problems_are_told_at_once_in_the_order_of_the_lines(tmp_path: Path) -> None:
    with pytest.raises(PresetError) as refusal:
        load(tmp_path, "midi: {map: [{cc: 1, set: deck/b/alpha}]}\nfoo: 1\ntempo: 1\nkey: 5")
    assert [e.key for e in (refusal.value, *refusal.value.others)] == ["midi.map[0]", "foo", "tempo", "key"]
    assert str(refusal.value).count("set.yaml:") == 4


def test_files_that_are_no_preset_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match="No such file"):
        load_session(tmp_path / "none.yaml")
    with pytest.raises(PresetError, match="cannot be read"):
        load_session(tmp_path)
    (tmp_path / "b.yaml").write_bytes(b"name: x\nkey: \xff")
    with pytest.raises(PresetError, match=r"b.yaml:2: is not UTF-8"):
        load_session(tmp_path / "b.yaml")
    (tmp_path / "c.yaml").write_bytes(b"name: \x00")
    with pytest.raises(PresetError, match="not YAML"):
        load_session(tmp_path / "c.yaml")
    (tmp_path / "d.yaml").write_bytes(b"#" * (2 << 20))
    with pytest.raises(PresetError, match="256 KiB"):
        load_session(tmp_path / "d.yaml")


LINES = WHOLE.splitlines()


@given(st.lists(st.one_of(st.sampled_from(LINES), st.text(max_size=30)), max_size=12))
def test_no_text_raises_anything_but_a_preset_error(lines: list[str]) -> None:
    import tempfile

    with tempfile.NamedTemporaryFile("wb", suffix=".yaml") as file:
        file.write("\n".join(lines).encode("utf-8", "replace"))
        file.flush()
        try:
            session = load_session(file.name)
        except PresetError as error:
            assert error.where.startswith(file.name)
        else:
            session.state(session.tree())


def test_a_cue_bus_brings_its_controls_and_only_when_asked_for(tmp_path: Path) -> None:
    text = "deck: {a: {}, b: {}}\noutput: {cue: %s}\nmidi: {map: [{cc: 1, set: %s}]}"
    (tmp_path / "cue.yaml").write_text(text % ("true", "deck/b/cue"))
    session = load_session(tmp_path / "cue.yaml")
    assert session.audio.cue
    assert {"cue/gain", "cue/mix", "deck/a/cue", "deck/b/cue"} <= set(session.tree().parameters)
    (tmp_path / "none.yaml").write_text(text % ("false", "master/gain"))
    assert not any("cue" in path for path in load_session(tmp_path / "none.yaml").tree().parameters)


def test_an_input_brings_its_controls_and_only_when_asked_for(tmp_path: Path) -> None:
    session = load(tmp_path, "output: {input: true, input_device: '2', input_latency: 0.02}\n")
    assert (session.audio.sound_input, session.audio.portaudio_input) == (True, 2)
    assert session.audio.input_latency_seconds == 0.02
    assert {"deck/a/capture", "deck/a/follow"} <= set(session.tree().parameters)
    plain = load(tmp_path, "output: {input: false}\n")
    assert not plain.audio.sound_input and plain.audio.portaudio_input is None
    assert not {"deck/a/capture", "deck/a/follow"} & set(plain.tree().parameters)


def test_a_preset_says_who_leads(tmp_path: Path) -> None:
    session = load(tmp_path, "sync: {source: midi, offset: 12.5, ramp: 8, start_stop: true, port: Digitakt}\n")
    assert (session.sync.start_stop, session.sync.port) == (True, "Digitakt")
    assert session.parameters["transport/sync"] == "midi"
    assert session.parameters["transport/offset"] == 12.5
    assert session.parameters["transport/ramp"] == 8.0
    with pytest.raises(PresetError, match=r"sync\.source: 'ableton' is no choice; allowed is one of internal"):
        load(tmp_path, "sync: {source: ableton}\n")


def test_a_path_from_home_is_that_of_the_performer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    (tmp_path / "set.yaml").write_text("record: {folder: ~/sets}\noutput: {record: ~/set.flac}\n")
    session = load_session(tmp_path / "set.yaml")
    assert session.recording.folder == Path("/home/ann/sets")
    assert session.audio.record == Path("/home/ann/set.flac")
