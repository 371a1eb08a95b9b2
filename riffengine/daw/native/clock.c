#include "clock.h"

#include <math.h>

/* Ardour tells 1/1920 of a beat: its word differs from the true beat by up to 5.2e-4. */
#define STILL_BEATS 6e-4
#define JUMP_BEATS 5e-3 /* 2.5 ms at 120 bpm */
#define LEAN_RAMP 0.1   /* share of a difference taken over with each block while the host tells another tempo each time */
/* A second-order loop with 20 rad/s, critically damped, follows beats that are faster than the tempo told: in a ramp of
 * 10 bpm a second it is 4e-4 beats behind, and ticks move its tempo by 0.3 %. */
#define TRACK 20.0
#define TRACK_MOST 0.5 /* share of the tempo */
#define QUIET_SHARE 2e-4
#define TURN_BEATS 2e-3 /* two turns back at the same place are a loop range */
#define NO_TURN -1e18
#define SMOOTH 0.1 /* a host whose beats go on at our tempo to within this share has not jumped: we were wrong */

void clock_reset(riff_clock *clock, double rate) {
    *clock = (riff_clock){.rate = rate, .bpm = 120.0, .told_bpm = 120.0, .turn_from = NO_TURN, .guess_bpm = 120.0};
}

static void learn(riff_clock *clock, double from, double to) {
    bool same = fabs(from - clock->turn_from) < TURN_BEATS && fabs(to - clock->turn_to) < TURN_BEATS;
    clock->loop = clock->learnt = same && to < from;
    if (clock->learnt) {
        clock->loop_start = to;
        clock->loop_end = from;
    }
    clock->turn_from = to < from ? from : NO_TURN;
    clock->turn_to = to;
}

/* The loop range that was seen; the host may go anywhere from where it stands. */
static void forget_turns(riff_clock *clock) {
    if (clock->learnt) clock->loop = clock->learnt = false;
    clock->turn_from = NO_TURN;
}

static void track(riff_clock *clock, double error, double since) {
    double seconds = since / clock->rate, most = TRACK_MOST * clock->told_bpm;
    double share = 2.0 * TRACK * seconds;
    clock->tracks = true;
    clock->beat += (share < 0.5 ? share : 0.5) * error;
    clock->trim_bpm += TRACK * TRACK * seconds * 60.0 * error;
    clock->trim_bpm = fmax(-most, fmin(most, clock->trim_bpm));
    bool quiet = fabs(error) < STILL_BEATS && fabs(clock->trim_bpm) < QUIET_SHARE * clock->told_bpm;
    clock->quiet = quiet ? clock->quiet + since : 0.0;
    if (clock->quiet > clock->rate) {
        clock->tracks = false;
        clock->trim_bpm = 0.0;
    }
}

bool clock_follow(riff_clock *clock, const riff_host *host, bool play_on) {
    bool rolled = clock->rolling, first = !clock->started, jumped = first, guided = host->known;
    clock->rolling = host->playing || play_on;
    clock->started = true;
    double since = clock->since;
    clock->since = 0.0;
    if (guided && host->loop) {
        clock->loop = true;
        clock->learnt = false;
        clock->loop_start = host->loop_start;
        clock->loop_end = host->loop_end;
    } else if (!clock->learnt) {
        clock->loop = false;
    }
    double bpm = guided && host->bpm > 0.0 ? host->bpm : clock->guess_bpm;
    bool ramp = fabs(bpm - clock->told_bpm) > 1e-9 * bpm;
    double error = host->beat - clock->beat, went = host->beat - clock->told_beat;
    double expected = since * clock->bpm / 60.0 / clock->rate;
    bool smooth = clock->tracks && fabs(went - expected) < SMOOTH * expected;
    clock->told_beat = host->beat;
    if (ramp || !rolled || !clock->rolling || (fabs(error) > JUMP_BEATS && !smooth)) {
        clock->tracks = false;
        clock->trim_bpm = clock->quiet = 0.0;
    }
    clock->told_bpm = bpm;
    clock->bpm = bpm + clock->trim_bpm;
    if (!guided || (play_on && !host->playing && !first)) return jumped; /* nobody says where we are: count on */
    if (!rolled || !clock->rolling) {
        forget_turns(clock);
        clock->beat = host->beat;
        return jumped || fabs(error) > 1e-9;
    }
    if (first || fabs(error) > JUMP_BEATS) {
        if (!first && !host->loop && !ramp) learn(clock, clock->beat, host->beat);
        clock->beat = host->beat;
        return true;
    }
    if (ramp)
        clock->beat += LEAN_RAMP * error;
    else if (clock->tracks || fabs(error) > STILL_BEATS)
        track(clock, error, since);
    clock->bpm = bpm + clock->trim_bpm;
    return jumped;
}

double clock_ahead(const riff_clock *clock, double frames) {
    double beat = clock->beat + frames * clock->bpm / 60.0 / clock->rate;
    double length = clock->loop_end - clock->loop_start;
    if (clock->loop && length > 1e-3 && clock->beat < clock->loop_end && beat >= clock->loop_end - 1e-9)
        beat = clock->loop_start + fmod(beat - clock->loop_start + 1e-9, length) - 1e-9;
    return beat;
}

void clock_advance(riff_clock *clock, uint32_t frames) {
    if (clock->rolling) clock->beat = clock_ahead(clock, frames);
    clock->since += frames;
}
