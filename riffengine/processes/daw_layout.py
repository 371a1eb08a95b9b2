"""The byte layout of a DawRing, the shared memory between the engine and one plugin in a DAW; ``ring.h`` mirrors it.

All numbers are in the machine's byte order, which is little-endian on x86-64 and arm64. Offsets are in bytes from the
start of the segment. ``i64`` and ``f64`` are aligned to eight bytes and written by one store. Each cache line of 64
bytes has one writer: the engine's player ("engine") or the plugin in the DAW's process ("plugin").

========  ======================  ========  ======================================================================
offset    field                   writer    meaning
========  ======================  ========  ======================================================================
0         magic, 8 bytes          creator   ``RIFFDAW1``
8         u32 version             creator   1; another version is not attached
12        u32 header bytes        creator   where the samples begin: 45056
16        u32 rate                creator   frames a second: the host's rate. Another rate needs another ring
20        u32 channels            creator   2 for each source in ``wants``
24        u32 capacity            creator   frames in the ring, a power of two
28        u32 engine pid          creator   process id of the engine
32        char[64] instance       creator   id of the plugin instance, ASCII, ends with NUL
96        char[256] wants         creator   sources, separated by commas, ASCII, ends with NUL
384       i64 claim               engine    end of the frames that may be written now; stored before the samples
392       i64 write               engine    end of the frames that are whole; stored after the samples and the span
400       i64 spans               engine    number of spans ever written; span ``k`` lies in place ``k % 1024``
408       i64 run                 engine    number of the newest run
416       i64 heartbeat           engine    ns of CLOCK_MONOTONIC of the player's last look at this ring
424       i64 midi read           engine    number of MIDI events taken
432       i64 ahead               engine    frames by which the engine intends to be ahead; to show only
440       i64 closing             engine    1: the ring is given up; the plugin asks for a new one
448       f64 engine bpm          engine    the engine's own tempo, for hosts that tell none
456       i64 to-plugin changes   engine    sum of the change counters of the 16 parameters at 832
512       i64 read                plugin    index of the frame that the plugin reads next
520       i64 frames              plugin    frames the host has asked for since the plugin was activated
528       i64 blocks              plugin    calls of the host's audio thread
536       i64 underruns           plugin    blocks played incomplete while rolling, those right after a jump excepted
544       i64 silent              plugin    frames that were silent while rolling, for whatever reason
552       i64 midi written        plugin    number of MIDI events ever written; event ``k`` lies in place ``k % 128``
560       i64 midi dropped        plugin    events for which there was no room
568       i64 to-engine changes   plugin    sum of the change counters of the 16 parameters at 704
576       i64 sequence            plugin    of the host time below: odd while it is being written
584       i64 jumps               plugin    counts the jumps (start elsewhere, locate) whose music is not in the ring
592       f64 beat                plugin    quarters since the start of the song at the first frame of this block
600       f64 bpm                 plugin    quarters a minute
608       f64 wanted              plugin    the first beat that the plugin still needs, see below
616       f64 loop start          plugin    of the loop range in quarters; both 0 where none is known
624       f64 loop end            plugin
632       i64 ns                  plugin    CLOCK_MONOTONIC when this was written
640       i64 frames              plugin    frames asked for before this block
648       i64 read                plugin    index at which this block is read, -1 where there is no music for it
656       i64 block               plugin    frames of this block
664       i64 flags               plugin    1 rolling, 2 host plays, 4 offline, 8 host tells tempo and beat, 16 loop on
672       f64 beats per bar       plugin    of the host's metre, in units of ``beat unit``
680       i64 beat unit           plugin    4 for a quarter
704       16 x (f32, u32)         plugin    value 0..1 and change counter of each parameter, for the engine
832       16 x (f32, u32)         engine    the same for the plugin
1024      128 x 24 bytes          plugin    MIDI: f64 beat, i64 frame (of ``frames`` at 520), u8 size 1..3, u8 data[3]
4096      1024 x 40 bytes         engine    spans: i64 first, i64 frames, f64 beat, f64 bpm, i64 run
45056     capacity x channels     engine    f32 samples, interleaved; frame ``i`` lies in place ``i % capacity``
========  ======================  ========  ======================================================================

How sound finds its place. The engine writes blocks one after the other; for each it writes a *span*: frames
``first`` to ``first + frames`` hold the music from ``beat`` on at ``bpm``. A *run* is a series of spans without a
break in the music; the engine begins a new one after a jump or a step of the tempo. The plugin knows the beat that its
host wants, plays the frames whose span says that beat, and is silent where there are none. Sound of a wrong place is
therefore never played, however late the engine is, and there is no latency to report, however early it is.

``wanted`` is the first beat that the plugin still needs. While it rolls: the beat of its next block (of this block
where the host renders offline, since then the plugin waits). While it stands: some blocks before the place at which it
stands, because hosts differ by a block or two in where they start; beats may be negative. The engine fills from there
until it is ``ahead`` of ``beat``, and then holds.

After ``claim``, ``write`` and ``run`` a new player process continues where the old one ended.

Memory order. Samples, span, ``spans``, ``write`` are stored in this order, ``claim`` before all; the plugin loads
``write`` and ``spans`` with acquire order, copies, and then looks at ``claim`` again: where ``claim`` is beyond
``first + capacity`` the frames were overwritten meanwhile, and are not played.
"""

from __future__ import annotations

MAGIC = b"RIFFDAW1"
VERSION = 1

INSTANCE, INSTANCE_BYTES = 32, 64
WANTS, WANTS_BYTES = 96, 256

CLAIM, WRITE, SPANS_WRITTEN, RUN, HEARTBEAT, MIDI_READ, AHEAD, CLOSING = range(384, 448, 8)
ENGINE_BPM, TO_PLUGIN_CHANGES = 448, 456
READ, FRAMES, BLOCKS, UNDERRUNS, SILENT, MIDI_WRITTEN, MIDI_DROPPED, TO_ENGINE_CHANGES = range(512, 576, 8)

SEQUENCE = 576
HOST_JUMPS, HOST_BEAT, HOST_BPM, HOST_WANTED, HOST_LOOP_START, HOST_LOOP_END = range(584, 632, 8)
HOST_NS, HOST_FRAMES, HOST_READ, HOST_BLOCK, HOST_FLAGS, HOST_BEATS_PER_BAR, HOST_BEAT_UNIT = range(632, 688, 8)
HOST_BYTES = 128

ROLLING, PLAYING, OFFLINE, KNOWN, LOOPING = 1, 2, 4, 8, 16

PARAMETERS = 16
TO_ENGINE, TO_PLUGIN = 704, 832

MIDI, MIDI_EVENTS, MIDI_BYTES = 1024, 128, 24
SPANS, SPAN_RECORDS, SPAN_BYTES = 4096, 1024, 40
SAMPLES = 45056

CAPACITY_FRAMES = 65536
"""Frames in a ring: 1.4 s at 48 kHz."""
