/* serve: answers blocks of a chain of LV2 plugins without Python, as long as nothing but sound comes.
 *
 * plugins/native_server.py has the same structures, and says when it is used. What it does to a block is what
 * HostedChain does, to the bit; whatever is out of the ordinary it leaves to that. One thread, which may be real-time.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PORTS = 4, INSTANCES = 2, CONTROLS = 16 };
enum { TEMPO, METRE, UNIT, BEAT, BAR, BAR_BEAT, FRAME, SPEED }; /* of lv2._FROM_POSITION */
enum { IDLE, DUE, WORK, TO_BEGIN, TO_JUDGE, TO_GIVE };
enum { ASKED_TO = 3, ANSWERED_TO = 4, POSITION = 5 }; /* of the header of plugin_blocks.py */

typedef struct {
    int64_t asked, answered, latency;
    double beat, bpm;
    int64_t changes, notes;
} record;

typedef struct {
    void (*run[INSTANCES])(void *, uint32_t);
    void *handle[INSTANCES]; /* the second is null where one instance does both channels */
    int (*end_run[INSTANCES])(void *);
    const int32_t *work[INSTANCES]; /* not 0: the plugin has asked for work, or has an answer to come */
    float *in[2], *out[2];          /* in[0] null: an instrument */
    const float *latency;           /* or null */
    float latency_was;
    float *kept; /* the last kept_frames of stereo sound that went in */
    int64_t kept_frames;
    float share; /* of the plugin in what is heard; the rest is the sound before it, as late as the plugin */
    char *positions[PORTS];                     /* buffers that hold one time:Position each; null after the last */
    uint64_t *outputs[PORTS], outputs_are[PORTS]; /* atom outputs, and the header that offers the whole buffer */
    float *controls[CONTROLS]; /* that are told the time; null after the last */
    int32_t controls_are[CONTROLS];
} plugin;

typedef struct {
    int64_t *header;
    char *records;
    int64_t record_bytes, slots;
    const float *in;
    float *out;
    uint32_t *asked_word, *answered_word;
    int64_t frames, most_behind, idle_ns;
    float loudest;
    int32_t plugins;
    plugin *chain;
    float *sound, *dry; /* stereo: of the block, and what went into the present plugin, as late as it comes out */
    /* for each call */
    int64_t number, left, latency;
    /* what Python has to go on with */
    int64_t position;
    double beat, bpm;
} server;

#define BEATS_PER_BAR 4.0

static int64_t load(const int64_t *from) { return __atomic_load_n(from, __ATOMIC_ACQUIRE); }
static void store(int64_t *to, int64_t value) { __atomic_store_n(to, value, __ATOMIC_RELEASE); }

/* The least peak that is told apart: sound is 0 where all is below loudest, NaN never is. */
static int all_below(const float *sound, int64_t count, float loudest) {
    int below = 1;
    for (int64_t i = 0; i < count; i++) below &= fabsf(sound[i]) < loudest;
    return below;
}

static int wait_for_block(server *s) {
    uint32_t seen = __atomic_load_n(s->asked_word, __ATOMIC_ACQUIRE);
    if (load(&s->header[ASKED_TO]) > s->number) return 1;
    struct timespec span = {.tv_nsec = s->idle_ns};
    syscall(SYS_futex, s->asked_word, FUTEX_WAIT, seen, &span, NULL, 0);
    return load(&s->header[ASKED_TO]) > s->number;
}

typedef struct {
    int64_t frame, bar;
    double beat, bpm, bar_beat;
} position;

static position position_of(const server *s) {
    position at = {.frame = s->number * s->frames, .beat = s->beat, .bpm = s->bpm};
    double whole;
    at.bar_beat = fmod(s->beat, BEATS_PER_BAR);
    whole = (s->beat - at.bar_beat) / BEATS_PER_BAR;
    if (at.bar_beat < 0.0) {
        at.bar_beat += BEATS_PER_BAR;
        whole -= 1.0;
    }
    at.bar = (int64_t)floor(whole + 0.5); /* it is whole but for rounding */
    return at;
}

/* Into the places of lv2_atoms.EventPort, where the object of the position is the only event. */
static void write_position(char *buffer, const position *at) {
    enum { FIRST = 56, EACH = 24, FRAME_AT = 0, BAR_AT = 2, BAR_BEAT_AT = 3, BEAT_AT = 4, TEMPO_AT = 7 };
    float bar_beat = (float)at->bar_beat, tempo = (float)at->bpm;
    memcpy(buffer + FIRST + FRAME_AT * EACH, &at->frame, sizeof at->frame);
    memcpy(buffer + FIRST + BAR_AT * EACH, &at->bar, sizeof at->bar);
    memcpy(buffer + FIRST + BAR_BEAT_AT * EACH, &bar_beat, sizeof bar_beat);
    memcpy(buffer + FIRST + BEAT_AT * EACH, &at->beat, sizeof at->beat);
    memcpy(buffer + FIRST + TEMPO_AT * EACH, &tempo, sizeof tempo);
}

static float value_of(int32_t control, const position *at) {
    switch (control) {
    case TEMPO: return (float)at->bpm;
    case BEAT: return (float)at->beat;
    case BAR: return (float)at->bar;
    case BAR_BEAT: return (float)at->bar_beat;
    case FRAME: return (float)at->frame;
    case SPEED: return 1.0f;
    default: return (float)BEATS_PER_BAR; /* and a beat is a quarter */
    }
}

/* Delays the sound by what is kept of before, into dry. */
static void delay(plugin *p, const float *sound, float *dry, int64_t frames) {
    int64_t moved = p->kept_frames > frames ? p->kept_frames - frames : 0, taken = p->kept_frames - moved;
    memcpy(dry, p->kept, (size_t)(2 * taken) * sizeof(float));
    memcpy(dry + 2 * taken, sound, (size_t)(2 * (frames - taken)) * sizeof(float));
    memmove(p->kept, p->kept + 2 * taken, (size_t)(2 * moved) * sizeof(float));
    memcpy(p->kept + 2 * moved, sound + 2 * (frames - taken), (size_t)(2 * taken) * sizeof(float));
}

/* Runs one plugin on the sound; returns whether it waits for work to be done. */
static int run(server *s, plugin *p, const position *at) {
    float *sound = s->sound;
    int waits = 0;
    if (p->kept_frames > 0 || p->share != 1.0f) delay(p, sound, s->dry, s->frames);
    if (p->in[0] != NULL)
        for (int64_t i = 0; i < s->frames; i++) {
            p->in[0][i] = sound[2 * i];
            p->in[1][i] = sound[2 * i + 1];
        }
    for (int i = 0; i < PORTS && p->positions[i] != NULL; i++) write_position(p->positions[i], at);
    for (int i = 0; i < CONTROLS && p->controls[i] != NULL; i++) *p->controls[i] = value_of(p->controls_are[i], at);
    for (int i = 0; i < PORTS && p->outputs[i] != NULL; i++) *p->outputs[i] = p->outputs_are[i];
    for (int i = 0; i < INSTANCES && p->handle[i] != NULL; i++) p->run[i](p->handle[i], (uint32_t)s->frames);
    for (int64_t i = 0; i < s->frames; i++) {
        sound[2 * i] = p->out[0][i];
        sound[2 * i + 1] = p->out[1][i];
    }
    for (int i = 0; i < INSTANCES && p->handle[i] != NULL; i++) {
        if (p->work[i] != NULL && __atomic_load_n(p->work[i], __ATOMIC_ACQUIRE) != 0)
            waits = 1;
        else if (p->end_run[i] != NULL)
            p->end_run[i](p->handle[i]);
    }
    return waits;
}

static void blend(float *sound, const float *dry, float share, int64_t count) {
    for (int64_t i = 0; i < count; i++) sound[i] = (sound[i] - dry[i]) * share + dry[i];
}

static void give(server *s, record *slot, float *out) {
    store(&slot->answered, -1);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    memcpy(out, s->sound, (size_t)(2 * s->frames) * sizeof(float));
    slot->latency = s->latency;
    store(&slot->answered, s->number);
    store(&s->header[ANSWERED_TO], s->number + 1);
    __atomic_fetch_add(s->answered_word, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, s->answered_word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Answers the blocks from number on, left of them at most. Returns why it stopped:
 *   IDLE, DUE     nothing came for a while; left is 0
 *   WORK          a plugin has asked for work; the block is answered
 *   TO_BEGIN      block number is Python's, it has not begun
 *   TO_JUDGE      the plugin at position has run and its sound, in sound, is too loud or no sound
 *   TO_GIVE       all have run, sound is to be given; their latency is another one now
 */
int riff_serve(server *s) {
    while (s->left > 0) {
        if (!wait_for_block(s)) return IDLE;
        int64_t asked_to = load(&s->header[ASKED_TO]);
        if (asked_to - s->number > s->most_behind) s->number = asked_to - 1;
        int64_t at = s->number % s->slots;
        record *slot = (record *)(s->records + at * s->record_bytes);
        if (load(&slot->asked) != s->number) {
            s->number++;
            continue;
        }
        if (slot->changes != 0 || slot->notes != 0) return TO_BEGIN;
        memcpy(s->sound, s->in + at * 2 * s->frames, (size_t)(2 * s->frames) * sizeof(float));
        s->beat = slot->beat;
        s->bpm = slot->bpm;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (load(&slot->asked) != s->number) {
            s->number++;
            continue;
        }
        if (!all_below(s->sound, 2 * s->frames, INFINITY)) return TO_BEGIN;
        position at_first = position_of(s);
        int waits = 0, changed = 0;
        for (int32_t i = 0; i < s->plugins; i++) {
            plugin *p = &s->chain[i];
            s->header[POSITION] = i;
            waits |= run(s, p, &at_first);
            changed |= p->latency != NULL && memcmp(p->latency, &p->latency_was, sizeof(float)) != 0;
            if (!all_below(s->sound, 2 * s->frames, s->loudest)) {
                s->position = i;
                return TO_JUDGE;
            }
            if (p->share != 1.0f) blend(s->sound, s->dry, p->share, 2 * s->frames);
        }
        if (changed) return TO_GIVE;
        give(s, slot, s->out + at * 2 * s->frames);
        s->number++;
        s->left--;
        if (waits) return WORK;
    }
    return DUE;
}
