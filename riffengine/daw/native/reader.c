#include "reader.h"

#include <math.h>
#include <string.h>

#define PLAY_BEATS 0.02    /* music that is further off is not played: 10 ms at 120 bpm, while a new tempo comes */
#define READY_BEATS 1e-3   /* the same where there is time to wait for the right one */
#define TEMPO_SHARE 0.02   /* of music that may be found: the engine is at most 1 % faster or slower than the host */
#define AGE_FRAMES 8192 /* a host that goes back by more is a jump: the engine writes that place anew. Until it has, the
                         * music of that place is played where the ring still has it, instead of silence. */

typedef struct {
    int64_t number, first, frames, run;
    double beat, bpm;
} span;

static int64_t written_spans(const ring_memory *ring) {
    return atomic_load_explicit(&ring->spans_written, memory_order_acquire);
}

static int64_t oldest_span(int64_t written) { return written > RING_SPANS - 2 ? written - RING_SPANS + 2 : 0; }

static span span_at(const ring_memory *ring, int64_t number) {
    const ring_span *record = &ring->spans[number % RING_SPANS];
    return (span){
        .number = number,
        .first = atomic_load_explicit(&record->first, memory_order_relaxed),
        .frames = atomic_load_explicit(&record->frames, memory_order_relaxed),
        .run = atomic_load_explicit(&record->run, memory_order_relaxed),
        .beat = atomic_load_explicit(&record->beat, memory_order_relaxed),
        .bpm = atomic_load_explicit(&record->bpm, memory_order_relaxed),
    };
}

static double frames_of(const riff_clock *clock, double beats, double bpm) { return beats * 60.0 * clock->rate / bpm; }

static bool overwritten(const ring_memory *ring, int64_t index) {
    return atomic_load_explicit(&ring->claim, memory_order_relaxed) > index + ring->capacity;
}

/* The span that holds index, from the reader's own span on. */
static bool span_of_index(riff_reader *reader, int64_t index, span *found) {
    int64_t written = written_spans(reader->ring), oldest = oldest_span(written);
    for (int64_t number = reader->span > oldest ? reader->span : oldest; number < written; number++) {
        *found = span_at(reader->ring, number);
        if (index < found->first) return false;
        if (index < found->first + found->frames) {
            reader->span = number;
            return !overwritten(reader->ring, index);
        }
    }
    return false;
}

/* The newest span that holds the beat, and the frame in it; only newer runs, if newer. */
static bool span_of_beat(const riff_reader *reader, const riff_clock *clock, double beat, bool newer, span *found,
                         int64_t *index) {
    int64_t written = written_spans(reader->ring);
    for (int64_t number = written - 1; number >= oldest_span(written); number--) {
        *found = span_at(reader->ring, number);
        if (found->run < reader->run || (newer && found->run == reader->run)) return false;
        if (!(fabs(found->bpm / clock->bpm - 1.0) < TEMPO_SHARE)) continue;
        double offset = frames_of(clock, beat - found->beat, found->bpm);
        if (!(offset > -0.5 && offset < (double)found->frames)) continue;
        int64_t place = llround(offset);
        if (place >= found->frames) continue;
        *index = found->first + place;
        bool fresh = found->run > reader->run || !reader->placed || *index >= reader->read - AGE_FRAMES;
        if (fresh && !overwritten(reader->ring, *index)) return true;
    }
    return false;
}

static double beat_in(const riff_clock *clock, const span *in, int64_t index) {
    return in->beat + (double)(index - in->first) * in->bpm / 60.0 / clock->rate;
}

/* How far the music at index is from the beat; the two ends of a loop range are one place. */
static double beats_off(const riff_clock *clock, const span *in, int64_t index, double beat) {
    double off = beat_in(clock, in, index) - beat, length = clock->loop_end - clock->loop_start;
    if (clock->loop && fabs(off) > length / 2) off -= copysign(length, off);
    return fabs(off);
}

static void go_to(riff_reader *reader, const span *to, int64_t index) {
    reader->span = to->number;
    reader->run = to->run;
    reader->read = index;
    reader->placed = true;
}

void reader_reset(riff_reader *reader, const ring_memory *ring, bool gap) {
    *reader = (riff_reader){.ring = ring, .run = -1, .gap = gap};
}

bool reader_place(riff_reader *reader, const riff_clock *clock) {
    span found;
    int64_t index;
    if (reader->ring == NULL || !span_of_beat(reader, clock, clock->beat, false, &found, &index)) return false;
    go_to(reader, &found, index);
    return true;
}

bool reader_ready(riff_reader *reader, const riff_clock *clock, uint32_t frames) {
    if (reader->ring == NULL) return false;
    span at;
    int64_t index;
    if (span_of_beat(reader, clock, clock->beat, true, &at, &index)) go_to(reader, &at, index);
    bool there = reader->placed && span_of_index(reader, reader->read, &at) &&
                 beats_off(clock, &at, reader->read, clock->beat) < READY_BEATS;
    if (!there && !reader_place(reader, clock)) return false;
    int64_t here = reader->span;
    uint32_t done = 0;
    while (done < frames) {
        int64_t next = reader->read + done;
        if (!span_of_index(reader, next, &at)) break;
        int64_t left = at.first + at.frames - next;
        uint32_t count = left < frames - done ? (uint32_t)left : frames - done;
        if (beats_off(clock, &at, next, clock_ahead(clock, done)) > READY_BEATS) break;
        if (beats_off(clock, &at, next + count - 1, clock_ahead(clock, done + count - 1)) > READY_BEATS) break;
        done += count;
    }
    reader->span = here;
    return done >= frames;
}

static float sample_at(const ring_memory *ring, int64_t index, uint32_t channel) {
    return ring->samples[(size_t)(index & (ring->capacity - 1)) * ring->channels + channel];
}

static void copy(const ring_memory *ring, int64_t index, uint32_t frames, float *const *out, uint32_t channels,
                 uint32_t at) {
    for (uint32_t channel = 0; channel < channels; channel++) {
        float *to = out[channel] + at;
        for (uint32_t i = 0; i < frames; i++) to[i] = sample_at(ring, index + i, channel);
    }
}

static void silence(float *const *out, uint32_t channels, uint32_t at, uint32_t frames) {
    for (uint32_t channel = 0; channel < channels; channel++) memset(out[channel] + at, 0, frames * sizeof(float));
}

static void fade_out(float *const *out, uint32_t channels, uint32_t end, uint32_t frames) {
    for (uint32_t channel = 0; channel < channels; channel++)
        for (uint32_t i = 0; i < frames; i++) out[channel][end - 1 - i] *= (float)i / (float)frames;
}

static void fade_in(float *const *out, uint32_t channels, uint32_t at, uint32_t frames) {
    for (uint32_t channel = 0; channel < channels; channel++)
        for (uint32_t i = 0; i < frames; i++) out[channel][at + i] *= (float)(i + 1) / (float)(frames + 1);
}

/* Frames until the newest run has music for a beat of this block; all of them where it has none. */
static uint32_t silent_frames(const riff_reader *reader, const riff_clock *clock, double beat, uint32_t frames) {
    int64_t written = written_spans(reader->ring), newest = -1;
    double least = frames;
    for (int64_t number = written - 1; number >= oldest_span(written); number--) {
        span at = span_at(reader->ring, number);
        if (newest < 0) newest = at.run;
        if (at.run != newest) break;
        double offset = frames_of(clock, at.beat - beat, clock->bpm);
        if (offset > 0.0 && offset < least) least = offset;
    }
    uint32_t whole = (uint32_t)llround(least);
    return whole < 1 ? 1 : whole > frames ? frames : whole;
}

/* Frames until the clock goes back to the start of its loop range. */
static uint32_t frames_to_turn(const riff_clock *clock, double beat, uint32_t frames) {
    if (!clock->loop || beat >= clock->loop_end) return frames;
    double left = ceil(frames_of(clock, clock->loop_end - beat, clock->bpm) - 1e-4);
    return left < 1.0 ? 1 : left < frames ? (uint32_t)left : frames;
}

/* The music at the reader's place for this beat, or where a newer run has it; the old one's next frames go to tail. */
static bool settle(riff_reader *reader, riff_clock *clock, double beat, span *at, float *const *tail,
                   uint32_t channels, uint32_t *tail_frames) {
    int64_t index;
    span found;
    bool there = reader->placed && span_of_index(reader, reader->read, at) &&
                 beats_off(clock, at, reader->read, beat) < PLAY_BEATS;
    *tail_frames = 0;
    if (there) reader->run = at->run;
    if (!span_of_beat(reader, clock, beat, there, &found, &index)) return there;
    if (there) {
        int64_t left = at->first + at->frames - reader->read;
        *tail_frames = left < READER_FADE ? (uint32_t)left : READER_FADE;
        copy(reader->ring, reader->read, *tail_frames, tail, channels, 0);
    }
    go_to(reader, &found, index);
    *at = found;
    double moved = beat_in(clock, &found, index) - beat;
    if (fabs(frames_of(clock, moved, clock->bpm)) <= 1.0) clock->beat += moved;
    return true;
}

uint32_t reader_play(riff_reader *reader, riff_clock *clock, uint32_t frames, float *const *out, uint32_t channels) {
    uint32_t music = 0, heard = 0, tail_frames; /* heard: music without a break before the present frame */
    float memory[READER_CHANNELS][READER_FADE], *tail[READER_CHANNELS];
    for (uint32_t channel = 0; channel < READER_CHANNELS; channel++) tail[channel] = memory[channel];
    if (reader->ring == NULL) {
        silence(out, channels, 0, frames);
        reader->gap = true;
        return 0;
    }
    for (uint32_t done = 0; done < frames;) {
        double beat = clock_ahead(clock, done);
        uint32_t left = frames_to_turn(clock, beat, frames - done);
        span at;
        if (!settle(reader, clock, beat, &at, tail, channels, &tail_frames)) {
            uint32_t count = silent_frames(reader, clock, beat, left);
            fade_out(out, channels, done, heard < READER_FADE ? heard : READER_FADE);
            silence(out, channels, done, count);
            reader->placed = false;
            reader->gap = true;
            heard = 0;
            done += count;
            continue;
        }
        int64_t rest = at.first + at.frames - reader->read;
        uint32_t count = rest < left ? (uint32_t)rest : left;
        copy(reader->ring, reader->read, count, out, channels, done);
        atomic_thread_fence(memory_order_acquire);
        if (overwritten(reader->ring, reader->read) || at.number < oldest_span(written_spans(reader->ring))) {
            reader->placed = false; /* the engine was a whole ring ahead meanwhile */
            silence(out, channels, done, count);
            reader->gap = true;
            done += count;
            continue;
        }
        uint32_t fade = count < READER_FADE ? count : READER_FADE;
        if (reader->gap) fade_in(out, channels, done, fade);
        if (tail_frames > fade) tail_frames = fade;
        for (uint32_t channel = 0; channel < channels; channel++)
            for (uint32_t i = 0; i < tail_frames; i++) {
                float share = (float)(i + 1) / (float)(tail_frames + 1);
                out[channel][done + i] = share * out[channel][done + i] + (1.0f - share) * tail[channel][i];
            }
        reader->gap = false;
        reader->read += count;
        music += count;
        heard += count;
        done += count;
    }
    return music;
}

void reader_stop(riff_reader *reader, uint32_t frames, float *const *out, uint32_t channels) {
    span at;
    uint32_t count = 0;
    if (reader->ring != NULL && reader->placed && !reader->gap && span_of_index(reader, reader->read, &at)) {
        int64_t left = at.first + at.frames - reader->read;
        count = left < READER_FADE ? (uint32_t)left : READER_FADE;
        if (count > frames) count = frames;
        copy(reader->ring, reader->read, count, out, channels, 0);
        fade_out(out, channels, count, count);
    }
    silence(out, channels, count, frames - count);
    reader->gap = false;
}
