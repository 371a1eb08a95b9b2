"""EngineContext: all parts of the engine's process, put together once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from riffengine.clock import Clock, SystemClock
from riffengine.control.midi.sender import MidiSender
from riffengine.engine.command_schedule import CommandSchedule
from riffengine.engine.host_channel import HostChannel
from riffengine.engine.latency_meter import LatencyMeter
from riffengine.engine.live_input import RING_FRAMES
from riffengine.engine.midi_out.clock import MidiClockOut
from riffengine.engine.midi_out.notes import MidiNotesOut
from riffengine.engine.options import PlayOptions
from riffengine.engine.plugins.wanted import wanted_plugins
from riffengine.engine.stream_clock import StreamClock
from riffengine.engine.surfaces.journal import open_journal
from riffengine.engine.surfaces.registry import Surfaces
from riffengine.engine.sync.leaders import sync_leaders
from riffengine.engine.sync.tempo_sync import TempoSync
from riffengine.errors import JournalError, LoopStoreError, OutOfRange
from riffengine.output.process import PlayerOptions
from riffengine.output.registry import DAW
from riffengine.performance.command import Command, Rejected
from riffengine.performance.latency import LatencyCsv
from riffengine.performance.progress import PerformanceProgress
from riffengine.performance.prompt_picker import PromptPicker
from riffengine.performance.state import PerformanceState
from riffengine.pool.node_access import check_url, read_token
from riffengine.pool.options import NodeAddress, PoolOptions, RayOptions
from riffengine.pool.ray_options import check_ray
from riffengine.processes.audio import CHANNELS
from riffengine.processes.audio_tap import AudioTap
from riffengine.processes.loop_store import LoopStore
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.recording import RecordingController
from riffengine.recovery import Recovery
from riffengine.renderer.file_hash import DiskFileHashes
from riffengine.renderer.process import RendererOptions
from riffengine.renderer.registry import model_shape
from riffengine.replay.player_log import PlayerLog
from riffengine.scheduler.actions import Policy
from riffengine.scheduler.conductor import SLOTS_PER_DECK, Conductor
from riffengine.scheduler.scene_player import ScenePlayer
from riffengine.session.fx import PluginSetting
from riffengine.session.pool import PoolSettings
from riffengine.session.session import Session
from riffengine.transport.beat_grid import BeatGrid, Moment
from riffengine.transport.sync.source import SLOWEST_BPM

NOTES_CLIENT = "riffengine notes"
SLOTS = 48
STORE_BYTES = 512 << 20  # of all loops together: 48 of three stereo stems at 48 kHz and the slowest tempo are 442 MB


@dataclass(frozen=True)
class EngineContext:
    """What the parts of the engine share. One thread, the event loop's."""

    session: Session
    options: PlayOptions
    clock: Clock
    store: LoopStore
    conductor: Conductor
    file_hashes: DiskFileHashes
    scene_player: ScenePlayer
    sync: TempoSync
    midi_clock_out: MidiClockOut
    midi_notes_out: MidiNotesOut
    stream_clock: StreamClock
    latency: LatencyMeter
    player_log: PlayerLog
    surfaces: Surfaces
    schedule: CommandSchedule
    recording: RecordingController
    host: HostChannel
    say: Callable[[str], None]
    plugins: tuple[PluginSetting, ...] = ()  # that the set begins with
    tap: AudioTap | None = None  # the output for the web server
    input_ring: AudioTap | None = None  # the sound input, if there is one

    @property
    def state(self) -> PerformanceState:
        """What the performer wants right now."""
        return self.conductor.state

    @property
    def recovery(self) -> Recovery | None:
        """What is saved in case of a crash."""
        return self.options.recovery

    def progress(self) -> PerformanceProgress:
        """How far every deck is with what is wanted of it."""
        return self.conductor.progress(self.scene_player.book)

    def now(self) -> Moment:
        """The present frame in every unit."""
        return self.conductor.moment(self.stream_clock.frame())

    def close_memory(self) -> None:
        """Remove the memory that the processes shared."""
        for ring in (self.tap, self.input_ring):
            if ring is not None:
                ring.close()
        self.store.close()

    def renderer_options(self) -> RendererOptions:
        """What the renderer process is started with."""
        session, store = self.session, self.store
        warm = MorphEnd("house", 0)
        bpm = self.state.number("transport/tempo")
        request = RenderRequest(
            warm, warm, steps=1, bpm=bpm, beats=session.loop_beats, sample_rate=session.audio.sample_rate
        )
        return RendererOptions(store.name, store.slots, slot_floats(session), session.model, warm=request)

    def pool_options(self) -> PoolOptions | None:
        """What the pool process is started with in place of a renderer process; ``None`` where the set has no pool."""
        pool = self.session.pool
        if not pool.used:
            return None
        nodes = pool_nodes(pool)
        renderer, ray = self.renderer_options(), pool_actors(pool)
        cache = "" if pool.files else pool.cache  # nodes of this machine keep their loops there themselves
        return PoolOptions(renderer, pool.renderers, nodes, pool.memory_mb, cache, pool.cache_mb, ray=ray)

    def player_options(self) -> PlayerOptions:
        """What the player process is started with."""
        session, store, audio = self.session, self.store, self.session.audio
        return PlayerOptions(
            sample_rate=audio.sample_rate,
            grid=BeatGrid(audio.sample_rate, self.state.number("transport/tempo")),
            store_name=store.name,
            store_slots=store.slots,
            store_slot_floats=slot_floats(session),
            block_frames=audio.block_frames,
            channels=CHANNELS,
            output=audio.output,
            device=audio.portaudio_device,
            record=str(audio.record) if audio.record else None,
            decks=session.decks,
            player_log=self.options.journal is not None,
            cue=audio.cue,
            part_seconds=60.0 * session.recording.part_minutes,
            keep_seconds=60.0 * session.recording.keep_minutes,
            tap=self.tap.name if self.tap is not None else "",
            input_ring=self.input_ring.name if self.input_ring is not None else "",
            input_device=audio.portaudio_input,
        )


def slot_floats(session: Session) -> int:
    """What one loop of the session's model takes at the slowest tempo, in samples."""
    shape = model_shape(session.model)
    channels = min(shape.channels, CHANNELS)
    return int(session.loop_beats * 60 / SLOWEST_BPM * session.audio.sample_rate) * channels * len(shape.stems)


def pool_nodes(pool: PoolSettings) -> tuple[NodeAddress, ...]:
    """The render nodes of a set; ``ControlError`` for an address or a token that cannot be used."""
    token = read_token(Path(pool.token)) if pool.token else ""
    for url in pool.nodes:
        check_url(url, token)
    return tuple(NodeAddress(url, token, pool.certificate, pool.files) for url in pool.nodes)


def pool_actors(pool: PoolSettings) -> RayOptions | None:
    """The actors of a set; ``ControlError`` where Ray is not installed, or the cluster's token cannot be read."""
    if pool.ray is None:
        return None
    ray = pool.ray
    token = read_token(Path(ray.token)) if ray.token else ""
    options = RayOptions(ray.address, ray.least, ray.most, ray.gpus, ray.cpus, token)
    check_ray(options)
    return options


def slots_for(session: Session) -> int:
    """How many loops are kept: as many as the memory is worth, and never too few to play with."""
    least = SLOTS_PER_DECK * len(session.decks)
    return max(least, min(SLOTS, STORE_BYTES // (4 * slot_floats(session))))


def build_context(session: Session, options: PlayOptions, clock: Clock, say: Callable[[str], None]) -> EngineContext:
    """Put all parts together. Raises every error that a file, a preset or the command line can cause."""
    # First, since it may fail: what is made before it would be left behind.
    csv = LatencyCsv(options.latency_csv) if options.latency_csv is not None else None
    pool_nodes(session.pool)
    pool_actors(session.pool)
    tree = session.tree()
    state, scenes = session.state(tree), session.scenes
    if options.recovery is not None:
        state, scenes = options.recovery.state(tree, state), options.recovery.scenes(scenes)
    # The track of a DAW follows the DAW, unless the preset or the command line say otherwise.
    follow = session.audio.output == DAW and "transport/sync" not in session.parameters
    for command in (*((Command("transport/sync", "daw"),) if follow else ()), *options.commands):
        state, reply = tree.apply(state, command)
        if isinstance(reply, Rejected):
            raise OutOfRange(reply.reason)
    audio, rate, decks = session.audio, session.audio.sample_rate, session.decks
    store = LoopStore.create(slots_for(session), slot_floats(session), least_slots=SLOTS_PER_DECK * len(decks))
    journal = None
    try:
        journal = open_journal(options.journal, session, state, say)
        tap = AudioTap.create(rate, CHANNELS) if session.web.enabled else None
        input_ring = AudioTap.create(rate, CHANNELS, RING_FRAMES) if audio.sound_input else None
    except (JournalError, LoopStoreError):
        store.close()  # of a refused set, neither shared memory nor a thread must stay
        if journal is not None:
            journal.close()
        raise
    grid = BeatGrid(rate, state.number("transport/tempo"))
    policy = Policy(fade_in_seconds=audio.fade_in_seconds, loop_beats=session.loop_beats)
    hashes = DiskFileHashes()
    conductor = Conductor(tree, state, grid, decks, store.slots, policy, session.model, hashes)
    surfaces = Surfaces(session, say, journal)
    recording = RecordingController(
        session.name, session.recording, rate, SystemClock().unix_seconds, say, audio.record
    )
    for surface in (recording, *options.surfaces):
        surfaces.join(surface)
    host = HostChannel()
    leaders = sync_leaders(session, clock, say, host.send)
    sync = TempoSync(conductor, rate, session.loop_beats, clock, leaders, session.sync.start_stop)
    beats = session.loop_beats
    midi_clock_out = MidiClockOut(
        conductor, sync.frames, lambda: MidiSender(session.sync.clock_out_port, loop_beats=beats), say
    )
    midi_notes_out = MidiNotesOut(
        conductor, sync.frames, lambda: MidiSender(session.midi.notes_out_port, NOTES_CLIENT), say
    )
    stream_clock = StreamClock(rate, audio.block_frames, clock)
    return EngineContext(
        session=session,
        options=options,
        clock=clock,
        store=store,
        conductor=conductor,
        file_hashes=hashes,
        scene_player=ScenePlayer(conductor, scenes, PromptPicker(session.prompt_lists, Random())),
        sync=sync,
        midi_clock_out=midi_clock_out,
        midi_notes_out=midi_notes_out,
        stream_clock=stream_clock,
        latency=LatencyMeter(tree, conductor, stream_clock, csv),
        player_log=PlayerLog(lambda frame, kind, facts: surfaces.played(conductor.moment(frame), kind, facts)),
        surfaces=surfaces,
        schedule=CommandSchedule(tree, sync.frames, rate, clock, SystemClock().unix_seconds, conductor.moment),
        recording=recording,
        host=host,
        say=say,
        plugins=wanted_plugins(session, options.recovery),
        tap=tap,
        input_ring=input_ring,
    )
