/* core: one instance of the plugin, whatever its format: host time to the engine, the engine's music to the host.
 *
 * Threads: riff_run, riff_set, riff_take_change, riff_status by the host's audio thread; the rest by others. The audio
 * thread only copies. It waits in one case: the host renders offline, and the music is not there yet.
 */
#ifndef RIFF_CORE_H
#define RIFF_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"

enum {
    RIFF_SLOTS = 16,      /* parameters 0 to 15, 0..1: names.h, written from daw_slots.py */
    RIFF_PLAY_ON = 16,    /* 1: play while the host stands */
    RIFF_SOURCE = 17,     /* which music: riff_source_name */
    RIFF_START = 18,      /* 1: start the engine where none answers */
    RIFF_PARAMETERS = 19,
    RIFF_EVENTS = 256,
    RIFF_STATE = 65536    /* bytes of a saved state at most */
};

typedef enum {
    RIFF_EFFECT,     /* stereo in and out: the music is added */
    RIFF_INSTRUMENT, /* MIDI in, stereo out */
    RIFF_STEMS,      /* MIDI in, four stems out */
    RIFF_KINDS
} riff_kind;

typedef struct {
    const char *symbol, *name;
    float low, high, standard;
    bool whole; /* only whole numbers */
} riff_parameter;

typedef struct {
    uint32_t frame; /* of the part that riff_run is given */
    uint8_t size, data[3];
} riff_event;

typedef struct riff riff;

const riff_parameter *riff_parameter_of(int parameter);
int riff_sources(riff_kind kind);
void riff_source_name(riff_kind kind, int source, char *name, size_t room);

riff *riff_new(riff_kind kind);
void riff_free(riff *self);
void riff_activate(riff *self, double rate);

/* A host's block, in one part or several: begin, then run for each part. whole: frames of the block. */
void riff_begin(riff *self, uint32_t whole);
void riff_run(riff *self, const riff_host *host, const riff_event *events, uint32_t event_count,
              const float *const *in, float *const *out, uint32_t frames);

/* riff_set keeps a value that differs from the present one, and tells the engine. */
void riff_set(riff *self, int parameter, float value);
float riff_get(const riff *self, int parameter);

/* The next parameter that the engine has changed; false when there is none. */
bool riff_take_change(riff *self, int *parameter, float *value);

/* 0: no engine; 1: an engine, silence; 2: music. */
int riff_status(const riff *self);

/* What keeps the engine from answering, "" if nothing. */
void riff_problem(riff *self, char problem[256]);

/* State as text: instance and engine's state; with parameters too for formats whose host does not save them. */
size_t riff_save(riff *self, bool parameters, char text[RIFF_STATE]);
bool riff_load(riff *self, const char *text);

#endif
