/* ring.h: the byte layout of the ring between the engine and one plugin instance.
 *
 * The same as riffengine/processes/daw_layout.py, which says what the fields mean and how sound finds its place.
 * A test compiles this file and compares the offsets. Copyright of this project, MIT.
 */
#ifndef RIFF_RING_H
#define RIFF_RING_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define RING_MAGIC "RIFFDAW1"
#define RING_VERSION 1u
#define RING_PARAMETERS 16
#define RING_MIDI_EVENTS 128
#define RING_SPANS 1024

enum { RING_ROLLING = 1, RING_PLAYING = 2, RING_OFFLINE = 4, RING_KNOWN = 8, RING_LOOPING = 16 };

typedef _Atomic int64_t ring_i64;
typedef _Atomic double ring_f64;

/* A parameter is a value and the number of its changes, in one word so that both change at once. */
typedef _Atomic uint64_t ring_parameter;

typedef struct {
    ring_f64 beat;
    ring_i64 frame;
    ring_i64 message; /* u8 size, u8 data[3] in the first four bytes */
} ring_midi;

typedef struct {
    ring_i64 first, frames;
    ring_f64 beat, bpm;
    ring_i64 run;
} ring_span;

typedef struct {
    ring_i64 sequence, jumps;
    ring_f64 beat, bpm, wanted, loop_start, loop_end;
    ring_i64 ns, frames, read, block, flags;
    ring_f64 beats_per_bar;
    ring_i64 beat_unit;
    int64_t unused[2];
} ring_host;

typedef struct {
    char magic[8];
    uint32_t version, header_bytes, rate, channels, capacity, engine_pid;
    char instance[64];
    char wants[256];
    char unused_0[32];
    /* written by the engine */
    ring_i64 claim, write, spans_written, run, heartbeat, midi_read, ahead, closing;
    ring_f64 engine_bpm;
    ring_i64 to_plugin_changes;
    int64_t unused_1[6];
    /* written by the plugin */
    ring_i64 read, frames, blocks, underruns, silent, midi_written, midi_dropped, to_engine_changes;
    ring_host host;
    ring_parameter to_engine[RING_PARAMETERS]; /* written by the plugin */
    ring_parameter to_plugin[RING_PARAMETERS]; /* written by the engine */
    int64_t unused_2[8];
    ring_midi midi[RING_MIDI_EVENTS]; /* written by the plugin */
    ring_span spans[RING_SPANS];      /* written by the engine */
    float samples[];                  /* capacity x channels, written by the engine */
} ring_memory;

static_assert(sizeof(double) == 8 && sizeof(ring_i64) == 8 && sizeof(ring_f64) == 8, "eight bytes without a lock");
static_assert(offsetof(ring_memory, claim) == 384, "layout");
static_assert(offsetof(ring_memory, read) == 512, "layout");
static_assert(offsetof(ring_memory, host) == 576, "layout");
static_assert(offsetof(ring_memory, to_engine) == 704, "layout");
static_assert(offsetof(ring_memory, midi) == 1024, "layout");
static_assert(offsetof(ring_memory, spans) == 4096, "layout");
static_assert(offsetof(ring_memory, samples) == 45056, "layout");

#endif
