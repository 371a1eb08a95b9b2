"""Keys are pressed and the screen is read, at 80 × 24, before a real Conductor with two decks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Input

from riffengine.clock import VirtualClock
from riffengine.dashboard.app import Dashboard
from riffengine.dashboard.wire import Answered, Fading, FromDashboard, Quit, Said
from riffengine.performance.command import Command
from tests.dashboard.observations import Band


class Seat:
    """A performer before the screen: ``press`` keys, let the band ``play``, ``read``."""

    def __init__(self, pilot: Pilot[None], app: Dashboard, band: Band, sent: list[FromDashboard]) -> None:
        self.pilot, self.app, self.band, self.sent = pilot, app, band, sent

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.play(0.0)

    async def play(self, seconds: float) -> None:
        self.band.play(seconds)
        self.app.take(self.band.look())
        self.app.draw()
        await self.pilot.pause()

    def read(self) -> list[str]:
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip).rstrip() for strip in strips]

    def sees(self, *parts: str) -> None:
        text = "\n".join(self.read())
        for part in parts:
            assert part in text, f"{part!r} is not on the screen:\n{text}"


def perform(
    script: Callable[[Seat], Awaitable[None]], size: tuple[int, int] = (80, 24), decks: tuple[str, ...] = ("a", "b")
) -> list[FromDashboard]:
    sent: list[FromDashboard]
    band, sent = Band(decks), []

    def ask(message: FromDashboard) -> None:
        sent.append(message)
        if isinstance(message, Command):
            app.take(Answered(band.submit(message)))

    app = Dashboard(ask, VirtualClock(5))

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await script(Seat(pilot, app, band, sent))

    asyncio.run(run())
    return sent


def test_everything_is_readable_on_eighty_columns() -> None:
    async def script(seat: Seat) -> None:
        seat.sees("waiting for the engine")
        await seat.play(4.0)
        lines = seat.read()
        assert len(lines) == 24 and max(map(len, lines)) <= 80
        assert "Tonight" in lines[0] and "120 bpm" in lines[0] and "paced" in "\n".join(lines)
        seat.sees("▶a ambient piano", " b ambient piano", "alpha ●", "bank", "runway", "xruns 0", "OSC ○", "q quit")
        seat.sees("level", "-6.0 dB", "knob to ear", "landing", "nothing is on its way", "render")
        for line in lines[-2:]:
            assert "…" not in line, "the help does not fit"

    perform(script)


def test_the_chosen_deck_is_turned_muted_and_given_a_prompt() -> None:
    async def script(seat: Seat) -> None:
        await seat.play(4.0)
        await seat.press("right", "right", "right")
        seat.sees("alpha ━━●", "0.15", "deck/a/alpha: 0.15")
        await seat.press("left")
        seat.sees("0.10")
        await seat.press("down", "m")
        assert seat.band.conductor.state["deck/b/mute"] is True
        seat.sees("▶b", "MUTE")
        await seat.press("m", "minus", "minus")
        assert seat.band.conductor.state["deck/b/mute"] is False
        seat.sees("-2 dB")
        await seat.press("p")
        seat.sees("deck/b/prompt: Enter sends it")
        await seat.press(*"dub", "enter")  # what was there is selected: writing replaces it
        assert seat.band.conductor.state["deck/b/prompt"] == "dub"
        seat.sees("deck/b/prompt: dub, lands on beat", "▶b dub")
        assert any("deck/b/prompt beat" in line for line in seat.read())
        await seat.play(6.0)
        seat.sees("nothing is on its way")
        await seat.press("m")  # keys are keys again
        assert seat.band.conductor.state["deck/b/mute"] is True

    sent = perform(script)
    assert all(isinstance(m, Command) and (m.source, m.stamp_ns) == ("dashboard", 5) for m in sent)


def test_a_prompt_may_hold_every_letter_that_is_a_key_and_escape_leaves_it_unsent() -> None:
    async def script(seat: Seat) -> None:
        await seat.play(4.0)
        await seat.press("o", *"nmqsltr", "enter")
        assert seat.band.conductor.state["deck/a/to"] == "nmqsltr"
        await seat.press("p", *"qqq", "escape")
        assert seat.band.conductor.state["deck/a/prompt"] == "ambient piano"
        await seat.press("n")

    sent = perform(script)
    assert [m.path for m in sent if isinstance(m, Command)] == ["deck/a/to", "next"]


def test_a_prompt_that_is_typed_faster_than_the_screen_is_no_gesture() -> None:
    async def script(seat: Seat) -> None:
        await seat.play(4.0)
        for key in ("p", *"mrn!q", "enter"):  # as they come from a terminal that was busy: all at once
            seat.app.post_message(Key(key, key if len(key) == 1 else None))
        deadline = time.perf_counter() + 60.0
        while not seat.sent:
            assert time.perf_counter() < deadline
            await seat.pilot.pause()
        await seat.press("m")

    sent = perform(script)
    assert [(m.path, m.value) for m in sent if isinstance(m, Command)] == [
        ("deck/a/prompt", "mrn!q"), ("deck/a/mute", True),
    ]  # fmt: skip
    assert Quit() not in sent


def test_the_main_gestures_have_keys() -> None:
    async def script(seat: Seat) -> None:
        await seat.play(4.0)
        await seat.press("right_square_bracket", "right_square_bracket", "left_square_bracket")
        assert seat.band.conductor.state["crossfader"] == 0.05
        await seat.press("s")
        seat.sees("scene intro")
        await seat.press("s", "u", "exclamation_mark")
        seat.sees("PANIC")
        await seat.press("exclamation_mark")
        assert "PANIC" not in "\n".join(seat.read())
        await seat.press("t", "n", "l", "r")
        seat.band.recording = "set.flac"
        await seat.play(0.1)
        seat.sees("REC set.flac")
        await seat.press("r")

    paths = [m.path for m in perform(script) if isinstance(m, Command)]
    assert paths == [
        "crossfader", "crossfader", "crossfader", "scene/next", "scene/next", "undo", "panic", "panic",
        "transport/tap", "next", "record/save_last", "record/start", "record/stop",
    ]  # fmt: skip


def test_what_is_said_and_refused_and_wrong_is_seen() -> None:
    async def script(seat: Seat) -> None:
        await seat.play(4.0)
        for number in range(30):
            seat.app.take(Said(f"line {number}"))
        seat.band.underruns = 3
        seat.band.activity = {"OSC": 7, "MIDI": 0}
        await seat.press("U")
        seat.sees("nothing to redo", "xruns 3", "OSC ● 7", "MIDI ○ 0", "line 29")
        assert "line 0\n" not in "\n".join(seat.read())
        seat.app.take(Fading())
        await seat.play(0.1)
        seat.sees("fading out")

    perform(script)


def test_q_fades_out_and_ctrl_c_does_too() -> None:
    async def script(seat: Seat) -> None:
        await seat.press("q", "ctrl+c")
        seat.app.draw()
        await seat.pilot.pause()
        seat.sees("fading out")

    assert perform(script) == [Quit(), Quit()]


def test_stems_are_muted_by_their_numbers() -> None:
    async def script(seat: Seat) -> None:
        await seat.play(4.0)
        await seat.press("1", "3")
        seat.sees("no drums, harmony +0 dB left")
        await seat.press("1", "7")
        seat.sees("no harmony", "deck a has 3 stems: drums, bass, harmony")
        seat.band.submit(Command("deck/a/stem/bass/solo", True, "test"))
        await seat.play(0.1)
        seat.sees("only bass +0 dB left")

    sent = perform(script)
    assert [(m.path, m.value) for m in sent if isinstance(m, Command)] == [
        ("deck/a/stem/drums/mute", True), ("deck/a/stem/harmony/mute", True), ("deck/a/stem/drums/mute", False),
    ]  # fmt: skip


def test_four_decks_fit_on_twenty_four_lines() -> None:
    async def script(seat: Seat) -> None:
        await seat.play(4.0)
        seat.app.take(Said("what was said last"))
        await seat.press("up")
        seat.sees("▶d", " a ", " b ", " c ", "xruns", "nothing is on its way", "what was said last", "q quit")

    perform(script, decks=("a", "b", "c", "d"))


def test_a_small_and_a_large_terminal_are_used_as_they_are() -> None:
    async def script(seat: Seat) -> None:
        await seat.play(4.0)
        await seat.press("p")
        seat.app.query_one("#entry", Input).value = "x" * 200
        await seat.press("enter")
        lines = seat.read()
        assert max(map(len, lines)) <= seat.app.size.width
        seat.sees("▶a", "…", "Tonight")

    for size in ((60, 20), (132, 43)):
        perform(script, size)
