/* transport: JACK's transport and timebase, driven by lines on standard input.
 *
 *   tempo BPM | locate FRAME | play | stop
 *
 * The beat is computed from the frame in every cycle. jack_transport, which comes with JACK, adds whole ticks instead
 * (15 for 15.36 at 90 bpm and 256 frames): its beat falls 6 frames behind with every cycle, and a host that lost a
 * cycle takes the beat from there.
 */
#include <jack/jack.h>
#include <jack/transport.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEATS_PER_BAR 4
#define TICKS_PER_BEAT 1000000.0 /* .03 frames at 90 bpm and 48 kHz */

static _Atomic double tempo = 120.0;

static void timebase(jack_transport_state_t state, jack_nframes_t frames, jack_position_t *position, int new_position,
                     void *unused) {
    (void)state, (void)frames, (void)new_position, (void)unused;
    double bpm = atomic_load(&tempo), beats = position->frame * bpm / 60.0 / position->frame_rate;
    long whole = (long)beats;
    position->valid = JackPositionBBT;
    position->bar = (int32_t)(whole / BEATS_PER_BAR) + 1;
    position->beat = (int32_t)(whole % BEATS_PER_BAR) + 1;
    position->tick = (int32_t)((beats - (double)whole) * TICKS_PER_BEAT);
    position->bar_start_tick = (double)(whole / BEATS_PER_BAR) * BEATS_PER_BAR * TICKS_PER_BEAT;
    position->beats_per_bar = BEATS_PER_BAR;
    position->beat_type = 4.0f;
    position->ticks_per_beat = TICKS_PER_BEAT;
    position->beats_per_minute = bpm;
}

int main(void) {
    char line[64];
    jack_client_t *client = jack_client_open("transport", JackNoStartServer, NULL);
    if (!client || jack_set_timebase_callback(client, 0, timebase, NULL) || jack_activate(client)) {
        fprintf(stderr, "transport: no JACK server, or it refused the timebase\n");
        return 1;
    }
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (!strncmp(line, "tempo ", 6)) atomic_store(&tempo, atof(line + 6));
        else if (!strncmp(line, "locate ", 7)) jack_transport_locate(client, (jack_nframes_t)atol(line + 7));
        else if (!strcmp(line, "play\n")) jack_transport_start(client);
        else if (!strcmp(line, "stop\n")) jack_transport_stop(client);
        else return 2;
    }
    jack_client_close(client);
    return 0;
}
