"""The dashboard at 80 × 24: keys are pressed and the screen is read, with a real Conductor of two decks."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

import pytest
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Input

from riffengine.clock import VirtualClock
from riffengine.dashboard.app import Dashboard
from riffengine.dashboard.process import open_dashboard
from riffengine.dashboard.wire import CommandReply, FadeOutStarted, FromDashboard, Notice, StopRequested
from riffengine.errors import ServiceError
from riffengine.performance.command import Command
from tests.dashboard.observations import SimulatedSet


class DashboardDriver:
    """Operates the dashboard: ``press`` keys, let the simulated set ``play``, read ``screen_lines``."""

    def __init__(self, pilot: Pilot[None], app: Dashboard, simulated: SimulatedSet, sent: list[FromDashboard]) -> None:
        self.pilot, self.app, self.simulated, self.sent = pilot, app, simulated, sent

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.play(0.0)

    async def play(self, seconds: float) -> None:
        self.simulated.play(seconds)
        self.app.receive(self.simulated.observation())
        self.app.draw()
        await self.pilot.pause()

    def screen_lines(self) -> list[str]:
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip).rstrip() for strip in strips]

    def assert_shows(self, *texts: str) -> None:
        text = "\n".join(self.screen_lines())
        for expected in texts:
            assert expected in text, f"{expected!r} is not on the screen:\n{text}"


def run_script(
    script: Callable[[DashboardDriver], Awaitable[None]],
    size: tuple[int, int] = (80, 24),
    decks: tuple[str, ...] = ("a", "b"),
) -> list[FromDashboard]:
    sent: list[FromDashboard]
    simulated, sent = SimulatedSet(decks), []

    def send_to_engine(message: FromDashboard) -> None:
        sent.append(message)
        if isinstance(message, Command):
            app.receive(CommandReply(simulated.submit(message)))

    app = Dashboard(send_to_engine, VirtualClock(5))

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await script(DashboardDriver(pilot, app, simulated, sent))

    asyncio.run(run())
    return sent


def test_everything_is_readable_on_eighty_columns() -> None:
    async def script(driver: DashboardDriver) -> None:
        driver.assert_shows("waiting for the engine")
        await driver.play(4.0)
        lines = driver.screen_lines()
        assert len(lines) == 24 and max(map(len, lines)) <= 80
        assert "Tonight" in lines[0] and "120 bpm" in lines[0] and "paced" in "\n".join(lines)
        driver.assert_shows(
            "▶a ambient piano", " b ambient piano", "alpha ●", "bank", "runway", "xruns 0", "OSC ○", "q quit"
        )
        driver.assert_shows("level", "-6.0 dB", "knob to ear", "landing", "no change is pending", "render")
        for line in lines[-2:]:
            assert "…" not in line, "the help does not fit"

    run_script(script)


def test_the_selected_deck_is_turned_muted_and_given_a_prompt() -> None:
    async def script(driver: DashboardDriver) -> None:
        await driver.play(4.0)
        await driver.press("right", "right", "right")
        driver.assert_shows("alpha ━━●", "0.15", "deck/a/alpha: 0.15")
        await driver.press("left")
        driver.assert_shows("0.10")
        await driver.press("down", "m")
        assert driver.simulated.conductor.state["deck/b/mute"] is True
        driver.assert_shows("▶b", "MUTE")
        await driver.press("m", "minus", "minus")
        assert driver.simulated.conductor.state["deck/b/mute"] is False
        driver.assert_shows("-2 dB")
        await driver.press("p")
        driver.assert_shows("deck/b/prompt: Enter sends it")
        await driver.press(*"dub", "enter")  # the old text is selected, so typing replaces it
        assert driver.simulated.conductor.state["deck/b/prompt"] == "dub"
        driver.assert_shows("deck/b/prompt: dub, lands on beat", "▶b dub")
        assert any("deck/b/prompt beat" in line for line in driver.screen_lines())
        await driver.play(6.0)
        driver.assert_shows("no change is pending")
        await driver.press("m")  # the keys are gestures again
        assert driver.simulated.conductor.state["deck/b/mute"] is True

    sent = run_script(script)
    assert all(isinstance(m, Command) and (m.source, m.stamp_ns) == ("dashboard", 5) for m in sent)


def test_a_prompt_may_hold_every_letter_that_is_a_key_and_escape_leaves_it_unsent() -> None:
    async def script(driver: DashboardDriver) -> None:
        await driver.play(4.0)
        await driver.press("o", *"nmqsltr", "enter")
        assert driver.simulated.conductor.state["deck/a/to"] == "nmqsltr"
        await driver.press("p", *"qqq", "escape")
        assert driver.simulated.conductor.state["deck/a/prompt"] == "ambient piano"
        await driver.press("n")

    sent = run_script(script)
    assert [m.path for m in sent if isinstance(m, Command)] == ["deck/a/to", "next"]


def test_a_prompt_that_is_typed_faster_than_the_screen_is_no_gesture() -> None:
    async def script(driver: DashboardDriver) -> None:
        await driver.play(4.0)
        for key in ("p", *"mrn!q", "enter"):  # all at once, as from a terminal that was busy
            driver.app.post_message(Key(key, key if len(key) == 1 else None))
        deadline = time.perf_counter() + 60.0
        while not driver.sent:
            assert time.perf_counter() < deadline
            await driver.pilot.pause()
        await driver.press("m")

    sent = run_script(script)
    assert [(m.path, m.value) for m in sent if isinstance(m, Command)] == [
        ("deck/a/prompt", "mrn!q"), ("deck/a/mute", True),
    ]  # fmt: skip
    assert StopRequested() not in sent


def test_the_main_gestures_have_keys() -> None:
    async def script(driver: DashboardDriver) -> None:
        await driver.play(4.0)
        await driver.press("right_square_bracket", "right_square_bracket", "left_square_bracket")
        assert driver.simulated.conductor.state["crossfader"] == 0.05
        await driver.press("s")
        driver.assert_shows("scene intro")
        await driver.press("s", "u", "exclamation_mark")
        driver.assert_shows("PANIC")
        await driver.press("exclamation_mark")
        assert "PANIC" not in "\n".join(driver.screen_lines())
        await driver.press("t", "n", "l", "r")
        driver.simulated.recording = "set.flac"
        await driver.play(0.1)
        driver.assert_shows("REC set.flac")
        await driver.press("r")

    paths = [m.path for m in run_script(script) if isinstance(m, Command)]
    assert paths == [
        "crossfader", "crossfader", "crossfader", "scene/next", "scene/next", "undo", "panic", "panic",
        "transport/tap", "next", "record/save_last", "record/start", "record/stop",
    ]  # fmt: skip


def test_notices_refusals_and_faults_are_shown() -> None:
    async def script(driver: DashboardDriver) -> None:
        await driver.play(4.0)
        for number in range(30):
            driver.app.receive(Notice(f"line {number}"))
        driver.simulated.underruns = 3
        driver.simulated.activity = {"OSC": 7, "MIDI": 0}
        await driver.press("U")
        driver.assert_shows("nothing to redo", "xruns 3", "OSC ● 7", "MIDI ○ 0", "line 29")
        assert "line 0\n" not in "\n".join(driver.screen_lines())
        driver.app.receive(FadeOutStarted())
        await driver.play(0.1)
        driver.assert_shows("fading out")

    run_script(script)


def test_q_fades_out_and_ctrl_c_does_too() -> None:
    async def script(driver: DashboardDriver) -> None:
        await driver.press("q", "ctrl+c")
        driver.app.draw()
        await driver.pilot.pause()
        driver.assert_shows("fading out")

    assert run_script(script) == [StopRequested(), StopRequested()]


def test_stems_are_muted_by_their_numbers() -> None:
    async def script(driver: DashboardDriver) -> None:
        await driver.play(4.0)
        await driver.press("1", "3")
        driver.assert_shows("no drums, harmony +0 dB left")
        await driver.press("1", "7")
        driver.assert_shows("no harmony", "deck a has 3 stems: drums, bass, harmony")
        driver.simulated.submit(Command("deck/a/stem/bass/solo", True, "test"))
        await driver.play(0.1)
        driver.assert_shows("only bass +0 dB left")

    sent = run_script(script)
    assert [(m.path, m.value) for m in sent if isinstance(m, Command)] == [
        ("deck/a/stem/drums/mute", True), ("deck/a/stem/harmony/mute", True), ("deck/a/stem/drums/mute", False),
    ]  # fmt: skip


def test_four_decks_fit_on_twenty_four_lines() -> None:
    async def script(driver: DashboardDriver) -> None:
        await driver.play(4.0)
        driver.app.receive(Notice("the last notice"))
        await driver.press("up")
        driver.assert_shows("▶d", " a ", " b ", " c ", "xruns", "no change is pending", "the last notice", "q quit")

    run_script(script, decks=("a", "b", "c", "d"))


def test_a_small_and_a_large_terminal_are_used_as_they_are() -> None:
    async def script(driver: DashboardDriver) -> None:
        await driver.play(4.0)
        await driver.press("p")
        driver.app.query_one("#entry", Input).value = "x" * 200
        await driver.press("enter")
        lines = driver.screen_lines()
        assert max(map(len, lines)) <= driver.app.size.width
        driver.assert_shows("▶a", "…", "Tonight")

    for size in ((60, 20), (132, 43)):
        run_script(script, size)


def test_a_terminal_that_is_too_small_says_how_large_it_must_be() -> None:
    async def script(driver: DashboardDriver) -> None:
        await driver.play(0.1)
        driver.assert_shows("this terminal has 60 × 20; enlarge it to 80 × 24")
        await driver.press("m")
        driver.assert_shows("deck/a/mute: on")

    run_script(script, size=(60, 20))


def test_a_terminal_that_only_prints_gets_no_dashboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "isatty", lambda descriptor: True)
    monkeypatch.setenv("TERM", "dumb")
    with pytest.raises(ServiceError, match="leave --tui out"):
        open_dashboard()
