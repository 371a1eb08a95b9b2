"""AgentTools: what an agent can do with a running engine, one method for each tool. The docstrings are its manual.

Every method belongs to the event loop of its ``EngineClient`` and raises ``AgentError`` with a reason for the agent.
"""

from __future__ import annotations

import asyncio
import difflib
import io
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import soundfile

from riffengine.agent.engine_client import EngineClient, Message
from riffengine.agent.hearing import hear, picture
from riffengine.agent.results import (
    Change,
    DeckState,
    Description,
    EngineState,
    Moment,
    ParameterInfo,
    Rehearsed,
    Saved,
    Scenes,
    Shared,
    Step,
    StepHeard,
    Words,
)
from riffengine.errors import AgentError, RiffError
from riffengine.performance.parameters import standard_tree
from riffengine.processes.parameter_path import decks_of, stems_of
from riffengine.rehearsal.forecast import PlannedChange, forecast
from riffengine.transport.beat_grid import BEATS_PER_BAR

Value = bool | int | float | str
_MOST_DESCRIBED = 80
_MOST_PATHS = 32
_MOST_BARS = 16
_LONGEST_WAIT_SECONDS = 60.0
_RAMP_STEPS_A_BEAT = 4
_RENDER_SECONDS = 0.5  # until one was measured
_DECK_STATE = ("prompt", "to", "alpha", "seed", "gain", "mute", "density", "brightness", "energy", "memory")
_TRIGGERS = ("again", "next", "panic", "undo", "redo", "scene/next", "scene/previous", "record/start", "record/stop")


class AgentTools:
    """The tools over one ``client``. ``folder`` is where ``save_last`` puts its files."""

    def __init__(self, client: EngineClient, folder: Path) -> None:
        self._client, self._folder = client, folder

    async def describe(self, prefix: str = "", search: str = "") -> Description:
        """List the parameters below ``prefix`` (such as "deck/a") whose path or help holds ``search``.

        Each has its range or choices, its present value and when a change of it is heard: immediate (at once), morph,
        quantised (on a beat) or structural. Without a prefix only the groups and their sizes are listed.
        """
        await self._client.connect()
        below = prefix.rstrip("/") + "/" if prefix else ""
        within = [entry for path, entry in self._client.schema.items() if f"{path}/".startswith(below)]
        if not within:
            raise AgentError(self._unknown(prefix))
        found = [entry for entry in within if search.lower() in f"{entry['path']} {entry['help']}".lower()]
        groups: dict[str, int] = {}
        for entry in found:
            head = "/".join(entry["path"].split("/")[: 2 if entry["deck"] else 1])
            groups[head] = groups.get(head, 0) + 1
        if not prefix and not search:
            return Description(groups, [], len(found))
        return Description(groups, [self._info(entry) for entry in found[:_MOST_DESCRIBED]], len(found))

    async def state(self) -> EngineState:
        """Where the set stands: beat, tempo, every deck, what is heard, what will be heard on which beat, events."""
        await self._client.connect()
        client = self._client
        decks = {}
        for name, figures in client.figures.get("decks", {}).items():
            values = {one: client.values.get(f"deck/{name}/{one}") for one in _DECK_STATE}
            decks[name] = DeckState(
                str(figures["phase"]), str(figures["sounding"].get("prompt", "")),
                {one: value for one, value in values.items() if value is not None},
            )  # fmt: skip
        return EngineState(
            set=str(client.welcome["name"]),
            role=str(client.welcome["role"]),
            beat=round(client.beat, 2),
            bar=math.floor(client.beat / BEATS_PER_BAR) + 1,
            bpm=client.grid.bpm,
            key=str(client.values.get("key", "")),
            crossfader=float(client.values.get("crossfader", 0.0)),
            panicked=bool(client.figures.get("panicked", False)),
            scene=str(client.figures.get("scene", "")),
            decks=decks,
            landings={path: round(landing["beat"], 2) for path, landing in client.landings.items()},
            events=list(client.events)[-10:],
        )

    async def set_parameters(self, values: dict[str, Value]) -> list[Change]:
        """Set parameters by path, such as {"deck/a/prompt": "dub techno, deep bass", "deck/a/alpha": 0.3}.

        Each is answered with the beat on which it is heard, or with why it was refused; a refused one changes nothing.
        A control that a person moved within the last eight bars is theirs, and is refused.
        """
        if not 1 <= len(values) <= _MOST_PATHS:
            raise AgentError(f"{len(values)} parameters were given; set 1 to {_MOST_PATHS} at a time")
        await self._client.connect()
        return [await self._set(path, value) for path, value in values.items()]

    async def ramp(self, path: str, target: float, bars: float) -> Change:
        """Move a number evenly to ``target`` over ``bars`` bars (at most 32), and return when it is there.

        Use it for alpha, gain, crossfader, density, filter and the like.
        """
        await self._client.connect()
        entry = self._entry(path)
        if entry["kind"] not in ("float", "int"):
            raise AgentError(f"{path} is a {entry['kind']}; only numbers can be moved evenly")
        if not 0 < bars <= 32:
            raise AgentError(f"bars is {bars:g}; it must be above 0 and at most 32")
        client = self._client
        begin, start = client.beat, float(client.values[path])
        beats = bars * BEATS_PER_BAR
        steps = max(1, round(beats * _RAMP_STEPS_A_BEAT))
        answer: Message = {}
        for step in range(1, steps + 1):
            share = step / steps
            await client.wait_for_beat(begin + share * beats)
            value = start + (target - start) * share
            answer = await client.set(path, round(value) if entry["kind"] == "int" else value)
        return _change(path, answer)

    async def trigger(self, what: str, deck: str = "") -> Change:
        """Do something once: again (generate anew what plays on ``deck``), next (the next seed, on every deck), panic
        (silence at once), undo, redo, scene/next, scene/previous, record/start, record/stop, or any path of a trigger.
        """
        await self._client.connect()
        path = f"deck/{deck}/{what}" if deck and not what.startswith("deck/") else what
        entry = self._client.schema.get(path)
        if entry is None or entry["kind"] != "trigger":
            raise AgentError(f"{path} is no trigger; there are {', '.join(_TRIGGERS)}; again needs a deck")
        return await self._set(path, True)

    async def scenes(self, action: str = "list", name: str = "") -> Scenes:
        """List the scenes of the set; "store" the present values as ``name``, or "recall" the scene ``name``."""
        await self._client.connect()
        change = None
        if action in ("store", "recall"):
            if not name:
                raise AgentError(f"{action} needs the name of a scene")
            change = await self._set(f"scene/{action}", name)
            if change.refused:
                raise AgentError(change.refused)
        elif action != "list":
            raise AgentError(f"the action is {action}; use list, store or recall")
        known = [str(one) for one in self._client.figures.get("scenes", ())]
        if action == "store" and name not in known:
            known.append(name)
        return Scenes(known, str(self._client.figures.get("scene", "")), change)

    async def words(self, text: str) -> Words:
        """Which words of a prompt the model knows: continuations of the last word, and what an unknown one may mean.

        The model understands words of its vocabulary (genres, instruments, moods); others change nothing.
        """
        found = await self._client.ask({"type": "suggest", "text": text[:400]})
        unknown = {str(one["word"]): [str(word) for word in one["close"]] for one in found.get("unknown", ())}
        return Words([str(word) for word in found.get("words", ())], unknown)

    async def wait_until(self, beat: float = 0.0, bars: float = 0.0, landed: str = "") -> Moment:
        """Wait for a ``beat`` of the set, for some ``bars`` from now, or until the change of the path ``landed`` is
        heard; at most 60 s.
        """
        await self._client.connect()
        client = self._client
        if landed:
            self._entry(landed)
            seconds = max(0.0, client.landings.get(landed, {}).get("seconds", 0.0))
        else:
            beat = beat or client.beat + bars * BEATS_PER_BAR
            seconds = (beat - client.beat) * 60.0 / client.grid.bpm
        if seconds > _LONGEST_WAIT_SECONDS:
            raise AgentError(f"that is {seconds:.0f} s from now; wait at most 60 s at a time")
        try:
            async with asyncio.timeout(_LONGEST_WAIT_SECONDS):  # landings are put off, and tempos change
                await (client.wait_until_landed(landed) if landed else client.wait_for_beat(beat))
        except TimeoutError:
            raise AgentError(
                f"{_LONGEST_WAIT_SECONDS:g} s have passed, and it has not come; see state, and wait again"
            ) from None
        return Moment(round(client.beat, 2), math.floor(client.beat / BEATS_PER_BAR) + 1, client.grid.bpm)

    async def rehearse(self, plan: list[Step], bars: int = 32, seconds_a_render: float = 0.0) -> Rehearsed:
        """Try a plan without playing it: when each change would be heard, whether music would run short, what it costs.

        ``plan`` is at most 32 changes of parameters, such as [{"bars": 0, "values": {"deck/a/prompt": "dub techno"}},
        {"bars": 8, "values": {"deck/a/alpha": 1}}]; bars count from the next bar line. The real scheduler plays it from
        the present values on simulated time, over ``bars`` bars (1 to 256), with renders as slow as they are measured
        now, or ``seconds_a_render``. Nothing of the set changes.
        """
        await self._client.connect()
        client = self._client
        changes = [PlannedChange(step.bars, path, value) for step in plan for path, value in step.values.items()]
        if not 1 <= len(changes) <= _MOST_PATHS:
            raise AgentError(f"{len(changes)} changes were given; rehearse 1 to {_MOST_PATHS}")
        each = seconds_a_render or float(client.figures.get("facts", {}).get("render_seconds", 0.0)) or _RENDER_SECONDS
        if not 0.001 <= each <= 60.0:
            raise AgentError(f"seconds_a_render is {each:g}; it must be 0.001 to 60, or 0 for what is measured")
        values = client.values | {"transport/tempo": round(client.grid.bpm, 3)}
        decks = decks_of(values)
        beats, bar = int(client.welcome["loop_beats"]), math.floor(client.beat / BEATS_PER_BAR) + 1
        stems, cue = stems_of(values, decks[0]) or ("mix",), "cue/mix" in values
        try:
            tree = standard_tree(decks, stems, cue, beats)
            found = await asyncio.to_thread(forecast, tree, values, changes, bars, each, beats, bar)
        except RiffError as error:
            raise AgentError(str(error)) from None
        heard = [StepHeard(**asdict(change)) for change in found.changes]
        return Rehearsed(
            float(bar * BEATS_PER_BAR), heard, bars, found.seconds, round(each, 3), found.famines, found.gaps,
            found.renders, found.render_seconds, found.renderer_busy, found.spare_seconds,
        )  # fmt: skip

    async def listen(self, bars: int = 4) -> tuple[dict[str, Any], bytes]:
        """Hear the last whole ``bars`` (1 to 16): loudness, brightness, onsets per bar, likeliest key, balance, width,
        and a picture of the spectrum (time to the right, 40 Hz to 16 kHz upwards).
        """
        if not 1 <= bars <= _MOST_BARS:
            raise AgentError(f"bars is {bars}; it must be 1 to {_MOST_BARS}")
        body, _ = await self._client.download("/save-last.flac", bars=str(bars))
        samples, rate = soundfile.read(io.BytesIO(body), dtype="float32", always_2d=True)
        return vars(hear(samples, rate, bars, self._client.grid.bpm)), picture(samples, rate)

    async def save_last(self, bars: int = 8) -> Saved:
        """Save the last whole ``bars`` (1 to 64) as a FLAC file on the machine that this server runs on."""
        if not 1 <= bars <= 64:
            raise AgentError(f"bars is {bars}; it must be 1 to 64")
        body, name = await self._client.download("/save-last.flac", bars=str(bars))
        stem = Path(Path(name).name).stem
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for number in range(1, 1000):
                path = self._folder / f"{stem}{f'-{number}' if number > 1 else ''}.flac"
                try:
                    with path.open("xb") as file:
                        file.write(body)
                    return Saved(str(path), len(body))
                except FileExistsError:
                    continue
        except OSError as error:
            raise AgentError(f"{self._folder}: {error.strerror}; choose another folder with --save-to") from None
        raise AgentError(f"{self._folder} holds a thousand files of this name; choose another folder with --save-to")

    async def share(self) -> Shared:
        """The whole present moment as a text. Opened on any page with the same weights it gives the same loops."""
        found = await self._client.ask({"type": "share"})
        if not found.get("text"):
            raise AgentError(str(found.get("error", "the moment cannot be shared")))
        return Shared(str(found["text"]), [str(note) for note in found.get("notes", ())])

    # --- parameters ---------------------------------------------------------------------------------------------------

    async def _set(self, path: str, value: Value) -> Change:
        if path not in self._client.schema:
            return Change(path, refused=self._unknown(path))
        try:
            return _change(path, await self._client.set(path, value))
        except AgentError as error:
            return Change(path, refused=str(error))

    def _entry(self, path: str) -> Message:
        if path not in self._client.schema:
            raise AgentError(self._unknown(path))
        return self._client.schema[path]

    def _unknown(self, path: str) -> str:
        near = difflib.get_close_matches(path, self._client.schema, 3, 0.5)
        return f"there is no parameter {path[:80]}" + (f"; near it are {', '.join(near)}" if near else "; see describe")

    def _info(self, entry: Mapping[str, Any]) -> ParameterInfo:
        value = self._client.values.get(entry["path"])
        return ParameterInfo(
            path=entry["path"], kind=entry["kind"], heard=entry["class"], help=entry["help"], allowed=entry["allowed"],
            value=None if entry["kind"] == "trigger" else value,
        )  # fmt: skip


def _change(path: str, answer: Mapping[str, Any]) -> Change:
    landing = answer.get("landing")
    return Change(
        path=path,
        value=answer.get("value"),
        heard_on_beat=None if landing is None else round(landing["beat"], 2),
        heard_in_seconds=None if landing is None else round(landing["seconds"], 2),
        note="; ".join(filter(None, ("brought into its range" if answer.get("clipped") else "", answer.get("note")))),
    )
