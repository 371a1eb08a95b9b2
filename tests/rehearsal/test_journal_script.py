"""The commands of a journal are rehearsed: the same gestures with other faults of the renderer."""

from dataclasses import replace
from pathlib import Path

import pytest

from riffengine.cli import main
from riffengine.errors import JournalError
from riffengine.performance.command import Accepted, Command
from riffengine.performance.journal import Journal, JournalHeader, Recording, read_journal
from riffengine.rehearsal import RandomPerformer, RehearsalPlan, rehearse_seeds, rehearse_session, went_wrong
from riffengine.rehearsal.rehearse_preset import whole_rate
from riffengine.session.session import Session, load_session
from riffengine.transport.beat_grid import BeatGrid, Moment

PRESET = Path(__file__).parents[2] / "presets" / "dj-two-prompts.yaml"
RATE = 48000
GRID = BeatGrid(RATE, 120.0)
HOURS = 0.02


def recorded_set(path: Path, session: Session) -> Recording:
    """A journal as the engine writes it, with the gestures of RandomPerformer seed 5 and drift steps between them."""
    tree = session.tree()
    state = session.state(tree)
    with Journal(path, JournalHeader("p", "bundled", "0", RATE, 0, {**state.values, "gone": 1})) as journal:
        for line in RandomPerformer(state, session.decks, 5, every_seconds=6.0).lines(HOURS * 3600):
            moment = Moment.on(GRID, round(line.seconds * RATE))
            for command in (*line.commands, Command("deck/a/alpha", 0.9, "walk")):
                state, reply = tree.apply(state, command)
                assert isinstance(reply, Accepted)
                journal.record_command(moment, command, reply.value, state.revision)
    return read_journal(path)


def test_a_journal_is_rehearsed_gesture_by_gesture(tmp_path: Path) -> None:
    session = load_session(PRESET)
    recording = recorded_set(tmp_path / "set.jsonl", session)
    gestures = [command for _, command in recording.commands() if command.source != "walk"]
    assert len(gestures) > 20
    plan = RehearsalPlan(hours=HOURS, journal=recording)
    played = rehearse_session(session, plan)
    assert played["gestures"] == len(gestures) and played["landings"] > 1
    assert not went_wrong(played)
    assert rehearse_session(session, replace(plan, block_frames=64))["digest"] == played["digest"]
    assert rehearse_session(session, replace(plan, journal=None))["digest"] != played["digest"]
    early = rehearse_session(session, replace(plan, hours=HOURS / 2))
    assert 0 < early["gestures"] < len(gestures)


def test_a_set_starts_from_its_journalled_state_and_seeds_vary_only_the_renderer(tmp_path: Path) -> None:
    session = load_session(PRESET)
    recording = recorded_set(tmp_path / "set.jsonl", session)
    slower = replace(
        recording, header=replace(recording.header, parameters={**recording.header.parameters, "transport/tempo": 60.0})
    )
    plan = RehearsalPlan(hours=HOURS, journal=recording)
    assert rehearse_session(session, replace(plan, journal=slower))["sample_rate"] == whole_rate(
        60.0, session.loop_beats
    )
    figures = rehearse_seeds(session, plan, 2, 1)
    assert figures["gestures"] == 2 * len([c for _, c in recording.commands() if c.source != "walk"])
    assert figures["wrong_seeds"] == []


def test_the_command_takes_a_journal_and_refuses_a_damaged_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = load_session(PRESET)
    path = tmp_path / "set.jsonl"
    recording = recorded_set(path, session)
    assert main(["rehearse", str(PRESET), "--hours", "0.005", "--journal", str(path)]) == 0
    assert "landing_error_frames_max 0" in capsys.readouterr().out
    assert main(["rehearse", str(PRESET), "--journal", str(tmp_path / "none.jsonl")]) != 0
    assert "cannot be read" in capsys.readouterr().err
    header = replace(recording.header, sample_rate=0)
    with pytest.raises(JournalError, match="sample rate"):
        rehearse_session(session, RehearsalPlan(hours=HOURS, journal=replace(recording, header=header)))
