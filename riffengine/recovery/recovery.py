"""Recovery as the engine uses it: what to start from, what to keep while it plays, and the goodbye."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from riffengine.performance.command import Command
from riffengine.performance.parameters import ParameterTree
from riffengine.performance.scenes import Scene
from riffengine.performance.state import PerformanceState
from riffengine.performance.takes import stems_of
from riffengine.processes.loop_store import LoopStore
from riffengine.processes.render_messages import RenderRequest
from riffengine.recovery.autosave import Autosave
from riffengine.recovery.exit_marker import begin_run
from riffengine.recovery.saved_state import Samples, SavedLoop, SavedState, load_saved_state, read_loop, state_folder
from riffengine.scheduler.conductor import Conductor
from riffengine.scheduler.scene_player import ScenePlayer

LiesIn = Callable[[int, RenderRequest], None]
RequestIn = Callable[[int], RenderRequest | None]
NotesLieIn = Callable[[int, bytes], None]
NotesIn = Callable[[int], bytes]


class Recovery:
    """One run's recovery, in the engine process. ``resume`` asks to go on where the last set was; Unix seconds."""

    def __init__(self, folder: Path, now_seconds: float, resume: bool) -> None:
        self._folder = folder
        self.start, ending = begin_run(folder, now_seconds)
        self._autosave = Autosave(ending)
        wanted = resume and not self.start.safe and not self.start.busy
        self.keepsake: SavedState | None = load_saved_state(folder) if wanted else None
        self.advice = self.start.advice(resume)
        if wanted and self.keepsake is None:
            self.advice = "there is no state to resume: starting anew"
        self.preset = ""

    @classmethod
    def open(cls, environment: Mapping[str, str], now_seconds: float, resume: bool) -> Recovery:
        """In the user's state folder."""
        return cls(state_folder(environment), now_seconds, resume)

    def forget_if_changed(self, preset: Path) -> str:
        """Do not go on with what another preset has left, or this one before it was edited; says why, or ``""``."""
        kept = self.keepsake
        if kept is None:
            return ""
        reason = ""
        if kept.preset != str(preset.resolve()):
            reason = f"the last set was played from {kept.preset or 'no preset'}: beginning anew"
        elif preset.stat().st_mtime > kept.saved_at:
            reason = "the preset has changed since the last set: beginning anew"
        if reason:
            self.keepsake, self.advice = None, ""
        return reason

    @property
    def failure(self) -> str:
        """Why nothing is kept any more, ``""`` while all is well."""
        return self._autosave.failure

    def state(self, tree: ParameterTree, state: PerformanceState) -> PerformanceState:
        """``state`` with the values that were kept; those that this session does not take are left out."""
        for path, value in (self.keepsake.parameters if self.keepsake else {}).items():
            state, _ = tree.apply(state, Command(path, value, "resume"))
        return PerformanceState(state.values)

    def scenes(self, scenes: tuple[Scene, ...]) -> tuple[Scene, ...]:
        """The scenes that were kept, or else ``scenes``."""
        return self.keepsake.scenes if self.keepsake and self.keepsake.scenes else scenes

    def restore(
        self,
        conductor: Conductor,
        store: LoopStore,
        lies_in: LiesIn,
        notes_lie_in: NotesLieIn = lambda slot, notes: None,
    ) -> int:
        """Put the kept loops into ``store`` and on the shelf; returns how many. Before the Conductor starts."""
        scheduler = conductor.scheduler
        restored, stems = 0, stems_of(scheduler.state.values, next(iter(scheduler.decks)))
        for loop in self.keepsake.loops if self.keepsake else ():
            if loop.request.sample_rate != scheduler.facts.sample_rate or loop.request.model != scheduler.facts.model:
                continue
            if loop.request.beats != scheduler.facts.beats:  # the preset wants other loops now
                continue
            if loop.stems != stems:  # the model has become another under the same name
                continue
            audio = read_loop(self._folder, loop)
            if audio is None or audio.size > store.slot_floats:
                continue
            slot = conductor.reserve_slot()
            if slot is None:
                break
            store.write(slot, audio)
            lies_in(slot, loop.request)
            notes_lie_in(slot, bytes.fromhex(loop.notes))
            conductor.restore_loop(loop.request, slot, (loop.frames, loop.channels, loop.stems, loop.request.beats))
            restored += 1
        return restored

    def keep(
        self,
        now_seconds: float,
        conductor: Conductor,
        scene_player: ScenePlayer,
        store: LoopStore,
        request_in: RequestIn,
        notes_in: NotesIn = lambda slot: b"",
    ) -> None:
        """Keep this moment if it is time; costs a copy of the loops that are new, about 1 ms each."""
        if not self._autosave.due(now_seconds):
            return
        slots: dict[str, int] = {}
        loops: list[SavedLoop] = []
        for ref in conductor.sounding_loops():
            request = request_in(ref.slot)
            if request is not None:
                loop = SavedLoop(request, ref.frames, ref.channels, ref.stems, notes_in(ref.slot).hex())
                slots[loop.file] = ref.slot
                loops.append(loop)
        if not loops:  # a start that has not sounded yet keeps what the last set left
            return
        scheduler = conductor.scheduler
        keepsake = SavedState(
            preset=self.preset,
            sample_rate=scheduler.facts.sample_rate,
            decks=tuple(scheduler.decks),
            saved_at=now_seconds,
            parameters=dict(scheduler.state.values),
            scenes=scene_player.book.scenes,
            scene=scene_player.book.current,
            loops=tuple(loops),
        )

        def samples(loop: SavedLoop) -> Samples:
            return store.view(slots[loop.file], len(loop.stems), loop.frames, loop.channels)

        self._autosave.offer(keepsake, samples)

    def goodbye(self, clean: bool = True) -> None:
        """The run ends: as it should, or because a part of it died in the middle of the music."""
        self._autosave.finish(clean)
