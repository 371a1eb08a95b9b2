#define _GNU_SOURCE
#include "core.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "link.h"
#include "reader.h"
#include "names.h"

#define WAIT_NS 5000000000  /* offline: for the music of a block, until the engine has once been too late */
#define STALLED_NS 20000000 /* offline: after that */
#define POLL_NS 200000
#define DECKS 4
#define STEMS 4
#define CHUNK 1024
#define LEAST_CHANGE 1e-6f

struct riff {
    riff_kind kind;
    uint32_t channels;
    bool linked;
    link_to_engine link;
    riff_clock clock;
    riff_reader reader;
    const link_ring *ring; /* entered, for this block */
    uint64_t ring_number;  /* of the ring that is read, 0: none */
    uint32_t whole, longest;
    int64_t frames, jumps;
    bool awaits_jump, stalled;
    bool unplaced; /* the host has jumped while it stopped */
    _Atomic float values[RIFF_PARAMETERS];
    _Atomic bool moved[RIFF_SLOTS]; /* differs, or has differed, from its standard: the engine is told */
    float told[RIFF_SLOTS];
    bool is_told[RIFF_SLOTS];
    uint32_t heard[RIFF_SLOTS]; /* change counters of the engine's changes */
    uint16_t changed;           /* a bit for each slot that the engine has changed */
    _Atomic int status;
    float memory[READER_CHANNELS][CHUNK];
};

/* --- parameters ------------------------------------------------------------------------------------------------- */

static const riff_parameter slots[RIFF_SLOTS] = {RIFF_SLOT_LIST};

static const riff_parameter own[] = {
    {"play_on", "When Stopped", 0, 1, 0, true},
    {"source", "Source", 0, DECKS + DECKS * STEMS, 0, true},
    {"start", "Start the Engine", 0, 1, 0, true},
};

const riff_parameter *riff_parameter_of(int parameter) {
    if (parameter < 0 || parameter >= RIFF_PARAMETERS) return NULL;
    return parameter < RIFF_SLOTS ? &slots[parameter] : &own[parameter - RIFF_SLOTS];
}

int riff_sources(riff_kind kind) { return kind == RIFF_STEMS ? DECKS : 1 + DECKS + DECKS * STEMS; }

void riff_source_name(riff_kind kind, int source, char *name, size_t room) {
    if (kind == RIFF_STEMS)
        snprintf(name, room, "Deck %c", 'A' + source % DECKS);
    else if (source <= 0 || source > DECKS + DECKS * STEMS)
        snprintf(name, room, "Master");
    else if (source <= DECKS)
        snprintf(name, room, "Deck %c", 'A' + source - 1);
    else
        snprintf(name, room, "Deck %c Stem %d", 'A' + (source - 1 - DECKS) / STEMS, 1 + (source - 1 - DECKS) % STEMS);
}

static void name_source(int source, char wants[LINK_WANTS]) {
    if (source <= 0 || source > DECKS + DECKS * STEMS)
        snprintf(wants, LINK_WANTS, "master");
    else if (source <= DECKS)
        snprintf(wants, LINK_WANTS, "deck/%c", 'a' + source - 1);
    else
        snprintf(wants, LINK_WANTS, "deck/%c/stem/%d", 'a' + (source - 1 - DECKS) / STEMS,
                 1 + (source - 1 - DECKS) % STEMS);
}

static void name_stems(int source, char wants[LINK_WANTS]) {
    char deck = 'a' + source % DECKS;
    snprintf(wants, LINK_WANTS, "deck/%c/stem/1,deck/%c/stem/2,deck/%c/stem/3,deck/%c/stem/4", deck, deck, deck, deck);
}

void riff_set(riff *self, int parameter, float value) {
    const riff_parameter *is = riff_parameter_of(parameter);
    if (is == NULL || !isfinite(value)) return;
    value = value < is->low ? is->low : value > is->high ? is->high : value;
    if (is->whole) value = roundf(value);
    /* Hosts keep the value in a text of seven digits or so: the standard that comes back from there has not moved. */
    if (fabsf(riff_get(self, parameter) - value) < LEAST_CHANGE) return;
    atomic_store_explicit(&self->values[parameter], value, memory_order_relaxed);
    if (parameter < RIFF_SLOTS) atomic_store_explicit(&self->moved[parameter], true, memory_order_relaxed);
}

float riff_get(const riff *self, int parameter) {
    return riff_parameter_of(parameter) == NULL ? 0.0f : atomic_load_explicit(&self->values[parameter], memory_order_relaxed);
}

bool riff_take_change(riff *self, int *parameter, float *value) {
    for (int slot = 0; self->changed != 0 && slot < RIFF_SLOTS; slot++) {
        if (!(self->changed & 1u << slot)) continue;
        self->changed &= (uint16_t)~(1u << slot);
        *parameter = slot;
        *value = riff_get(self, slot);
        return true;
    }
    return false;
}

static void exchange_parameters(riff *self, ring_memory *ring) {
    for (int slot = 0; slot < RIFF_SLOTS; slot++) {
        uint64_t word = atomic_load_explicit(&ring->to_plugin[slot], memory_order_acquire);
        uint32_t bits = (uint32_t)word, count = (uint32_t)(word >> 32);
        if (count != self->heard[slot]) {
            float value;
            memcpy(&value, &bits, sizeof value);
            self->heard[slot] = count;
            if (value >= 0.0f && value <= 1.0f) {
                atomic_store_explicit(&self->values[slot], value, memory_order_relaxed);
                self->told[slot] = value;
                self->is_told[slot] = true;
                self->changed |= (uint16_t)(1u << slot);
            }
        }
        if (!atomic_load_explicit(&self->moved[slot], memory_order_relaxed)) continue;
        float value = riff_get(self, slot);
        if (self->is_told[slot] && value == self->told[slot]) continue;
        self->told[slot] = value;
        self->is_told[slot] = true;
        memcpy(&bits, &value, sizeof bits);
        uint64_t before = atomic_load_explicit(&ring->to_engine[slot], memory_order_relaxed);
        uint64_t after = (uint64_t)((uint32_t)(before >> 32) + 1) << 32 | bits;
        atomic_store_explicit(&ring->to_engine[slot], after, memory_order_release);
        atomic_fetch_add_explicit(&ring->to_engine_changes, 1, memory_order_release);
    }
}

/* --- what the engine is told ------------------------------------------------------------------------------------ */

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The first beat that is still needed: what daw_layout.py says of "wanted". */
static double wanted_beat(const riff *self, const riff_host *host, uint32_t frames) {
    if (!self->clock.rolling) {
        double before = 2.0 * self->longest + 512.0;
        return self->clock.beat - before * self->clock.bpm / 60.0 / self->clock.rate;
    }
    return host->offline ? self->clock.beat : clock_ahead(&self->clock, frames);
}

static void publish(riff *self, ring_memory *ring, const riff_host *host, uint32_t frames) {
    ring_host *to = &ring->host;
    int64_t sequence = atomic_load_explicit(&to->sequence, memory_order_relaxed);
    const riff_clock *clock = &self->clock;
    int64_t flags = (clock->rolling ? RING_ROLLING : 0) | (host->playing ? RING_PLAYING : 0) |
                    (host->offline ? RING_OFFLINE : 0) | (host->known ? RING_KNOWN : 0) |
                    (clock->loop ? RING_LOOPING : 0);
    atomic_store_explicit(&to->sequence, sequence + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
#define TELL(field, value) atomic_store_explicit(&to->field, value, memory_order_relaxed)
    TELL(jumps, self->jumps);
    TELL(beat, clock->beat);
    TELL(bpm, clock->bpm);
    TELL(wanted, wanted_beat(self, host, frames));
    TELL(loop_start, clock->loop_start);
    TELL(loop_end, clock->loop_end);
    TELL(ns, now_ns());
    TELL(frames, self->frames);
    TELL(read, self->reader.placed ? self->reader.read : -1);
    TELL(block, (int64_t)self->whole);
    TELL(flags, flags);
    TELL(beats_per_bar, host->beats_per_bar);
    TELL(beat_unit, host->beat_unit);
#undef TELL
    atomic_store_explicit(&to->sequence, sequence + 2, memory_order_release);
}

static void tell_midi(riff *self, ring_memory *ring, const riff_event *events, uint32_t count) {
    int64_t written = atomic_load_explicit(&ring->midi_written, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        if (written - atomic_load_explicit(&ring->midi_read, memory_order_acquire) >= RING_MIDI_EVENTS) {
            atomic_fetch_add_explicit(&ring->midi_dropped, count - i, memory_order_relaxed);
            break;
        }
        ring_midi *to = &ring->midi[written % RING_MIDI_EVENTS];
        const riff_event *event = &events[i];
        double beat = self->clock.rolling ? clock_ahead(&self->clock, event->frame) : self->clock.beat;
        uint64_t message = event->size | (uint64_t)event->data[0] << 8 | (uint64_t)event->data[1] << 16 |
                           (uint64_t)event->data[2] << 24;
        atomic_store_explicit(&to->beat, beat, memory_order_relaxed);
        atomic_store_explicit(&to->frame, self->frames + event->frame, memory_order_relaxed);
        atomic_store_explicit(&to->message, (int64_t)message, memory_order_relaxed);
        atomic_store_explicit(&ring->midi_written, ++written, memory_order_release);
    }
}

/* --- the audio thread ------------------------------------------------------------------------------------------- */

static ring_memory *enter(riff *self) {
    const link_ring *ring = link_enter(&self->link);
    uint64_t number = ring == NULL ? 0 : ring->number;
    self->ring = ring;
    if (number != self->ring_number) {
        self->ring_number = number;
        reader_reset(&self->reader, ring == NULL ? NULL : ring->memory, self->clock.rolling);
        self->awaits_jump = true;
        memset(self->heard, 0, sizeof self->heard);
        memset(self->is_told, 0, sizeof self->is_told); /* a new engine is told all that was moved */
    }
    return ring == NULL ? NULL : ring->memory;
}

/* Offline: until the music of these frames is there, or it has taken too long. */
static void wait_for_music(riff *self, const riff_host *host, uint32_t frames) {
    int64_t last_ns = now_ns() + (self->stalled ? STALLED_NS : WAIT_NS);
    const struct timespec pause = {.tv_nsec = POLL_NS};
    while (!reader_ready(&self->reader, &self->clock, frames)) {
        if (now_ns() > last_ns) {
            self->stalled = true;
            return;
        }
        nanosleep(&pause, NULL);
        link_leave(&self->link);
        ring_memory *ring = enter(self); /* the engine may come, or come back, meanwhile */
        if (ring != NULL) publish(self, ring, host, frames);
    }
    self->stalled = false;
}

void riff_begin(riff *self, uint32_t whole) {
    self->whole = whole;
    if (whole > self->longest) self->longest = whole;
    link_choose(&self->link, (int)riff_get(self, RIFF_SOURCE), riff_get(self, RIFF_START) >= 0.5f);
}

static void count(riff *self, ring_memory *ring, uint32_t frames, uint32_t music) {
    if (music < frames) {
        if (!self->awaits_jump) atomic_fetch_add_explicit(&ring->underruns, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&ring->silent, frames - music, memory_order_relaxed);
    }
    if (music > 0) self->awaits_jump = false;
}

void riff_run(riff *self, const riff_host *host, const riff_event *events, uint32_t event_count,
              const float *const *in, float *const *out, uint32_t frames) {
    if (frames == 0) return;
    bool rolled = self->clock.rolling;
    ring_memory *ring = enter(self);
    if (ring != NULL) {
        double bpm = atomic_load_explicit(&ring->engine_bpm, memory_order_relaxed);
        if (bpm > 0.0) self->clock.guess_bpm = bpm;
    }
    bool jumped = clock_follow(&self->clock, host, riff_get(self, RIFF_PLAY_ON) >= 0.5f) || self->unplaced;
    bool stops = rolled && !self->clock.rolling; /* what was heard fades out before another place is gone to */
    self->unplaced = jumped && stops;
    if (ring != NULL) {
        bool search = !stops && (!self->clock.rolling || jumped || !self->reader.placed);
        bool found = search ? reader_place(&self->reader, &self->clock) : true;
        if (jumped && !found) {
            self->jumps++;
            self->reader.placed = false;
            self->awaits_jump = true;
        }
        publish(self, ring, host, frames);
        exchange_parameters(self, ring);
        tell_midi(self, ring, events, event_count);
    }
    if (self->clock.rolling && host->offline) {
        wait_for_music(self, host, frames);
        ring = self->ring == NULL ? NULL : self->ring->memory;
    }
    uint32_t music = 0;
    float *chunk[READER_CHANNELS];
    for (uint32_t channel = 0; channel < READER_CHANNELS; channel++) chunk[channel] = self->memory[channel];
    for (uint32_t done = 0; done < frames;) {
        uint32_t part = frames - done < CHUNK ? frames - done : CHUNK;
        if (self->clock.rolling)
            music += reader_play(&self->reader, &self->clock, part, chunk, self->channels);
        else
            reader_stop(&self->reader, stops && done == 0 ? part : 0, chunk, self->channels);
        bool sounds = self->clock.rolling || (stops && done == 0);
        for (uint32_t channel = 0; channel < self->channels; channel++) {
            float *to = out[channel] + done;
            const float *through = in == NULL ? NULL : in[channel] + done;
            for (uint32_t i = 0; i < part; i++)
                to[i] = (through == NULL ? 0.0f : through[i]) + (sounds ? chunk[channel][i] : 0.0f);
        }
        clock_advance(&self->clock, part);
        done += part;
    }
    self->frames += frames;
    if (ring != NULL) {
        if (self->clock.rolling) count(self, ring, frames, music);
        atomic_store_explicit(&ring->read, self->reader.read, memory_order_release);
        atomic_store_explicit(&ring->frames, self->frames, memory_order_relaxed);
        atomic_fetch_add_explicit(&ring->blocks, 1, memory_order_relaxed);
    }
    atomic_store_explicit(&self->status, ring == NULL ? 0 : music > 0 ? 2 : 1, memory_order_relaxed);
    link_leave(&self->link);
}

int riff_status(const riff *self) { return atomic_load_explicit(&self->status, memory_order_relaxed); }

/* --- life ------------------------------------------------------------------------------------------------------- */

riff *riff_new(riff_kind kind) {
    riff *self = malloc(sizeof *self);
    if (self == NULL) return NULL;
    memset(self, 0, sizeof *self); /* by hand: every page is there before the audio thread needs it */
    self->kind = kind;
    self->channels = kind == RIFF_STEMS ? 2 * STEMS : 2;
    self->linked = link_open(&self->link);
    if (!self->linked) {
        free(self);
        return NULL;
    }
    for (int i = 0; i < RIFF_PARAMETERS; i++) atomic_store(&self->values[i], riff_parameter_of(i)->standard);
    clock_reset(&self->clock, 48000.0);
    reader_reset(&self->reader, NULL, false);
    return self;
}

void riff_free(riff *self) {
    if (self == NULL) return;
    link_close(&self->link);
    free(self);
}

void riff_activate(riff *self, double rate) {
    clock_reset(&self->clock, rate);
    reader_reset(&self->reader, NULL, false);
    self->ring = NULL;
    self->ring_number = 0;
    self->longest = 0;
    link_choose(&self->link, (int)riff_get(self, RIFF_SOURCE), riff_get(self, RIFF_START) >= 0.5f);
    link_want(&self->link, (uint32_t)lround(rate), self->channels, self->kind == RIFF_STEMS ? name_stems : name_source);
}

void riff_problem(riff *self, char problem[256]) { link_problem(&self->link, problem); }

/* --- state ------------------------------------------------------------------------------------------------------ */

/* In whole numbers: the decimal point of printf depends on the host's language. */
static long as_saved(const riff *self, int parameter) { return lround((double)riff_get(self, parameter) * 1e6); }

size_t riff_save(riff *self, bool parameters, char text[RIFF_STATE]) {
    char instance[LINK_INSTANCE];
    char *state = malloc(LINK_STATE);
    if (state == NULL) return 0;
    link_save(&self->link, instance, state);
    size_t length = (size_t)snprintf(text, RIFF_STATE, "riffengine 1\ninstance %s\nstate %s\n", instance, state);
    free(state);
    for (int i = 0; parameters && i < RIFF_PARAMETERS; i++) {
        const char *symbol = riff_parameter_of(i)->symbol;
        length += (size_t)snprintf(text + length, RIFF_STATE - length, "%s %ld\n", symbol, as_saved(self, i));
    }
    return length;
}

bool riff_load(riff *self, const char *text) {
    if (strncmp(text, "riffengine 1\n", 13) != 0) return false;
    size_t length = strlen(text);
    char *copy = malloc(length + 1), *rest = copy, *instance = "", *state = "";
    if (copy == NULL) return false;
    memcpy(copy, text, length + 1);
    for (char *line = strtok_r(copy, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        char *value = strchr(line, ' ');
        if (value == NULL) continue;
        *value++ = 0;
        if (strcmp(line, "instance") == 0) instance = value;
        if (strcmp(line, "state") == 0) state = value;
        for (int i = 0; i < RIFF_PARAMETERS; i++) {
            long millionths = strtol(value, NULL, 10);
            if (strcmp(line, riff_parameter_of(i)->symbol) == 0 && millionths != as_saved(self, i))
                riff_set(self, i, (float)millionths / 1e6f);
        }
    }
    link_choose(&self->link, (int)riff_get(self, RIFF_SOURCE), riff_get(self, RIFF_START) >= 0.5f);
    link_load(&self->link, instance, state);
    free(copy);
    return true;
}
