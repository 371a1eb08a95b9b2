"""Recovery as the engine uses it: what to start from, what to save while it plays, and the mark at the end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from riffengine.files.regular import read_regular
from riffengine.performance.command import Command
from riffengine.performance.parameter_tree import ParameterTree
from riffengine.performance.scenes import Scene
from riffengine.performance.state import PerformanceState
from riffengine.processes.audio import Samples
from riffengine.processes.loop_store import LoopStore
from riffengine.processes.parameter_path import stems_of
from riffengine.processes.render_request import RenderRequest
from riffengine.recovery.autosave import Autosave
from riffengine.recovery.exit_marker import begin_run
from riffengine.recovery.saved_state import SavedLoop, SavedState, load_saved_state, read_loop, state_folder
from riffengine.scheduler.conductor import Conductor
from riffengine.scheduler.scene_player import ScenePlayer

_MOST_PRESET_BYTES = 1 << 20  # a larger one was refused before

SetSlotRequest = Callable[[int, RenderRequest], None]
SlotRequest = Callable[[int], RenderRequest | None]
SetSlotNotes = Callable[[int, bytes], None]
SlotNotes = Callable[[int], bytes]


class Recovery:
    """The recovery of one run, in the engine process. ``resume`` asks to continue the last set; seconds are Unix time.

    ``saved`` is the state to continue from, ``advice`` what to tell the performer at the start, ``preset`` the file to
    play.
    """

    def __init__(self, folder: Path, now_seconds: float, resume: bool) -> None:
        self._folder = folder
        start, exit_marker = begin_run(folder, now_seconds)
        self._autosave = Autosave(exit_marker)
        resumes = resume and not start.safe and not start.busy
        self.saved: SavedState | None = load_saved_state(folder) if resumes else None
        self.advice = start.advice(resume)
        if resumes and self.saved is None:
            self.advice = "there is no state to resume: this set starts from the preset"
        self.preset = self._preset_digest = ""

    @classmethod
    def open(cls, environment: Mapping[str, str], now_seconds: float, resume: bool) -> Recovery:
        """In the user's state folder."""
        return cls(state_folder(environment), now_seconds, resume)

    def forget_if_changed(self, preset: Path) -> str:
        """Drop the saved state of another preset, or of this one before it was edited; returns why, or ``""``."""
        self._preset_digest = hashlib.sha256(read_regular(preset, _MOST_PRESET_BYTES)).hexdigest()[:16]
        saved = self.saved
        if saved is None:
            return ""
        reason = ""
        if saved.preset != str(preset.resolve()):
            reason = f"the last set was played from {saved.preset or 'no preset'}: this set starts from the preset"
        elif saved.preset_digest not in ("", self._preset_digest):
            reason = "the preset has changed since the last set: this set starts from the preset"
        if reason:
            self.saved, self.advice = None, ""
        return reason

    @property
    def failure(self) -> str:
        """Why nothing is saved at the moment, ``""`` while saving works."""
        return self._autosave.failure

    def state(self, tree: ParameterTree, state: PerformanceState) -> PerformanceState:
        """``state`` with the saved values; those that this session does not accept are left out."""
        for path, value in (self.saved.parameters if self.saved else {}).items():
            state, _ = tree.apply(state, Command(path, value, "resume"))
        return PerformanceState(state.values)

    def scenes(self, scenes: tuple[Scene, ...]) -> tuple[Scene, ...]:
        """The saved scenes, or else ``scenes``."""
        return self.saved.scenes if self.saved and self.saved.scenes else scenes

    def restore(
        self,
        conductor: Conductor,
        store: LoopStore,
        set_slot_request: SetSlotRequest,
        set_slot_notes: SetSlotNotes = lambda slot, notes: None,
    ) -> int:
        """Put the saved loops into ``store`` and into the loop pool, before the Conductor starts; returns how many."""
        scheduler = conductor.scheduler
        restored, stems = 0, stems_of(scheduler.state.values, next(iter(scheduler.decks)))
        for loop in self.saved.loops if self.saved else ():
            if loop.request.sample_rate != scheduler.facts.sample_rate or loop.request.model != scheduler.facts.model:
                continue
            if loop.request.beats != scheduler.facts.beats:  # the length of loops has changed
                continue
            if loop.stems != stems:  # another model under the same name
                continue
            audio = read_loop(self._folder, loop)
            if audio is None or audio.size > store.slot_floats:
                continue
            slot = conductor.reserve_slot()
            if slot is None:
                break
            store.write(slot, audio)
            set_slot_request(slot, loop.request)
            set_slot_notes(slot, bytes.fromhex(loop.notes))
            conductor.restore_loop(loop.request, slot, (loop.frames, loop.channels, loop.stems, loop.request.beats))
            restored += 1
        return restored

    def save(
        self,
        now_seconds: float,
        unix_seconds: float,
        conductor: Conductor,
        scene_player: ScenePlayer,
        store: LoopStore,
        slot_request: SlotRequest,
        slot_notes: SlotNotes = lambda slot: b"",
        plugin_states: Mapping[str, bytes] | None = None,
    ) -> None:
        """Save the set if it is time; costs a copy of each new loop, about 1 ms each.

        ``now_seconds`` is monotonic, ``unix_seconds`` is written into the state.
        """
        if not self._autosave.due(now_seconds):
            return
        slots: dict[str, int] = {}
        loops: list[SavedLoop] = []
        for ref in conductor.sounding_loops():
            request = slot_request(ref.slot)
            if request is not None:
                loop = SavedLoop(request, ref.frames, ref.channels, ref.stems, slot_notes(ref.slot).hex())
                slots[loop.file] = ref.slot
                loops.append(loop)
        if not loops:  # until the first sound, the state of the last set stays on disk
            return
        scheduler = conductor.scheduler
        state = SavedState(
            preset=self.preset,
            sample_rate=scheduler.facts.sample_rate,
            decks=tuple(scheduler.decks),
            saved_at=unix_seconds,
            parameters=dict(scheduler.state.values),
            scenes=scene_player.book.scenes,
            scene=scene_player.book.current,
            loops=tuple(loops),
            plugin_states=dict(plugin_states or {}),
            preset_digest=self._preset_digest,
        )

        def samples(loop: SavedLoop) -> Samples:
            return store.view(slots[loop.file], len(loop.stems), loop.frames, loop.channels)

        self._autosave.save(state, samples, now_seconds)

    def mark_ended(self, clean: bool = True) -> None:
        """The run has ended; not ``clean`` when a process died in the middle of the music."""
        self._autosave.finish(clean)
