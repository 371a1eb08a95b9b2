/* reader: finds the music of a beat in a ring and copies it. Audio thread; never waits; no memory but its own. */
#ifndef RIFF_READER_H
#define RIFF_READER_H

#include "clock.h"
#include "ring.h"

enum {
    READER_FADE = 64, /* frames of a crossfade between two runs, and of the ends of a gap: 1.3 ms */
    READER_CHANNELS = 8
};

typedef struct {
    const ring_memory *ring; /* or null */
    int64_t read;            /* index of the next frame */
    int64_t run;             /* the run that it belongs to */
    int64_t span;            /* number of a span at or before it */
    bool placed;             /* read is a place of the music */
    bool gap;                /* the frame before was silent for want of music */
} riff_reader;

/* Reads another ring, or none, from now on. gap: the music fades in when it is found. */
void reader_reset(riff_reader *reader, const ring_memory *ring, bool gap);

/* Goes to the newest music of the clock's beat; false where there is none. */
bool reader_place(riff_reader *reader, const riff_clock *clock);

/* Whether there is music for all frames from the clock's beat on, at its tempo. May move to a newer run. */
bool reader_ready(riff_reader *reader, const riff_clock *clock, uint32_t frames);

/* Writes frames of music from the clock's beat on to out, one array for each channel; zeros where there is none.
 * Returns how many of them were music. Does not advance the clock; a new place may move it by less than a frame, to
 * the beat of the frame that was found. */
uint32_t reader_play(riff_reader *reader, riff_clock *clock, uint32_t frames, float *const *out, uint32_t channels);

/* Writes the end of what was heard, faded out, and zeros; the place stays. */
void reader_stop(riff_reader *reader, uint32_t frames, float *const *out, uint32_t channels);

#endif
