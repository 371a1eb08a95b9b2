/* clock: the beat of the host, counted by ourselves and kept on what the host tells.
 *
 * Hosts tell the beat in ticks or as float32, some of them only when something changes. The own count is exact to the
 * frame; it follows the host where the two differ by less than a tick or two, and jumps with it where they differ by
 * more. Pure: no thread, no memory but its own. Beats are quarter notes.
 */
#ifndef RIFF_CLOCK_H
#define RIFF_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* What the host tells about the first frame of a block, or of a part of one. */
typedef struct {
    bool known;   /* it tells tempo and beat */
    bool playing; /* its transport runs */
    bool offline; /* it renders as fast as it can */
    bool loop;    /* its loop range is on, and known */
    double beat, bpm;
    double loop_start, loop_end;
    double beats_per_bar;
    int beat_unit;
} riff_host;

typedef struct {
    double rate;
    bool started, rolling;
    double beat, bpm;    /* of the next frame; bpm is told_bpm and trim_bpm */
    double told_bpm, told_beat;
    double trim_bpm;     /* what the beats say beyond it: in a ramp Ardour tells the tempo at which the ramp began */
    bool tracks;         /* trim_bpm is in use */
    double since, quiet; /* frames since the host was followed, and since it has needed no trim */
    bool loop;
    double loop_start, loop_end;
    bool learnt;               /* the loop range was seen, not told */
    double turn_from, turn_to; /* the newest jump backwards */
    double guess_bpm;          /* tempo for hosts that tell none */
} riff_clock;

void clock_reset(riff_clock *clock, double rate);

/* Takes what the host tells about the next frame. True: the beat is not where the own count would have been.
 * play_on: roll while the host stands. */
bool clock_follow(riff_clock *clock, const riff_host *host, bool play_on);

/* The beat after frames more; within the loop range if there is one. */
double clock_ahead(const riff_clock *clock, double frames);

void clock_advance(riff_clock *clock, uint32_t frames);

#endif
