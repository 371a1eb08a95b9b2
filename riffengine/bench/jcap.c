/* jcap: capture JACK ports to a file of interleaved float32, bit for bit.
 *
 *   jcap OUT.raw SECONDS_MAX PORT [PORT ...]
 *
 * Prints "ready" when connected; ends after SECONDS_MAX or on SIGTERM/SIGINT and prints
 * "frames N lost L xruns X". The process callback only copies into buffers made beforehand.
 * OUT.raw.times holds, for every block, its first frame in OUT.raw and when its cycle began, both int64,
 * the time in nanoseconds of CLOCK_MONOTONIC.
 */
#include <jack/jack.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PORTS_MAX 8

static jack_port_t *ports[PORTS_MAX];
static int count;
static float *store;
static size_t room, lost; /* frames */
static int64_t *times;
static size_t blocks_room;
static atomic_size_t blocks;
static jack_client_t *client;
static int64_t offset_ns; /* CLOCK_MONOTONIC less JACK's own clock */

static int64_t monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
static atomic_size_t filled;
static atomic_int xruns, gone;
static volatile sig_atomic_t stop;

static int process(jack_nframes_t frames, void *unused) {
    (void)unused;
    size_t at = atomic_load_explicit(&filled, memory_order_relaxed);
    if (at + frames > room) {
        lost += frames;
        return 0;
    }
    for (int p = 0; p < count; p++) {
        const float *in = jack_port_get_buffer(ports[p], frames);
        float *out = store + at * count + p;
        for (jack_nframes_t i = 0; i < frames; i++, out += count) *out = in[i];
    }
    size_t block = atomic_load_explicit(&blocks, memory_order_relaxed);
    if (block < blocks_room) {
        jack_nframes_t cycle;
        jack_time_t began_us, next_us;
        float period_us;
        int unknown = jack_get_cycle_times(client, &cycle, &began_us, &next_us, &period_us);
        times[2 * block] = (int64_t)at;
        times[2 * block + 1] = unknown ? monotonic_ns() : (int64_t)began_us * 1000 + offset_ns;
        atomic_store_explicit(&blocks, block + 1, memory_order_release);
    }
    atomic_store_explicit(&filled, at + frames, memory_order_release);
    return 0;
}

static int on_xrun(void *unused) {
    (void)unused;
    atomic_fetch_add(&xruns, 1);
    return 0;
}

static void on_shutdown(void *unused) {
    (void)unused;
    atomic_store(&gone, 1);
}

static void on_signal(int number) {
    (void)number;
    stop = 1;
}

int main(int argc, char **argv) {
    if (argc < 4 || argc - 3 > PORTS_MAX) {
        fprintf(stderr, "usage: jcap OUT.raw SECONDS_MAX PORT [PORT ...]\n");
        return 2;
    }
    count = argc - 3;
    client = jack_client_open("jcap", JackNoStartServer, NULL);
    if (!client) {
        fprintf(stderr, "jcap: no JACK server\n");
        return 1;
    }
    room = (size_t)(atof(argv[2]) * jack_get_sample_rate(client));
    store = malloc(room * count * sizeof(float));
    blocks_room = room / jack_get_buffer_size(client) + 1;
    times = malloc(2 * blocks_room * sizeof(int64_t));
    FILE *file = fopen(argv[1], "wb");
    char times_name[4096];
    snprintf(times_name, sizeof times_name, "%s.times", argv[1]);
    FILE *times_file = fopen(times_name, "wb");
    if (!store || !times || !file || !times_file) {
        perror("jcap");
        return 1;
    }
    memset(store, 0, room * count * sizeof(float)); /* touch every page now, not in the callback */
    memset(times, 0, 2 * blocks_room * sizeof(int64_t));
    int64_t closest = INT64_MAX; /* the shortest of some readings was interrupted least */
    for (int i = 0; i < 100; i++) {
        int64_t before = monotonic_ns(), jack_ns = (int64_t)jack_get_time() * 1000, after = monotonic_ns();
        if (after - before < closest) {
            closest = after - before;
            offset_ns = (before + after) / 2 - jack_ns;
        }
    }
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    jack_set_process_callback(client, process, NULL);
    jack_set_xrun_callback(client, on_xrun, NULL);
    jack_on_shutdown(client, on_shutdown, NULL);
    for (int p = 0; p < count; p++) {
        char name[16];
        snprintf(name, sizeof name, "in_%d", p);
        ports[p] = jack_port_register(client, name, JACK_DEFAULT_AUDIO_TYPE, JackPortIsInput, 0);
    }
    if (jack_activate(client)) {
        fprintf(stderr, "jcap: the server refused the client\n");
        return 1;
    }
    for (int p = 0; p < count; p++) {
        if (jack_connect(client, argv[3 + p], jack_port_name(ports[p]))) {
            fprintf(stderr, "jcap: no port %s\n", argv[3 + p]);
            return 1;
        }
    }
    printf("ready\n");
    fflush(stdout);
    while (!stop && !atomic_load(&gone) && atomic_load(&filled) + jack_get_buffer_size(client) <= room) usleep(20000);
    if (!atomic_load(&gone)) jack_deactivate(client);
    size_t frames = atomic_load(&filled);
    int written = fwrite(store, sizeof(float) * count, frames, file) == frames && !fclose(file);
    size_t timed = atomic_load(&blocks);
    written = written && fwrite(times, 2 * sizeof(int64_t), timed, times_file) == timed && !fclose(times_file);
    printf("frames %zu lost %zu xruns %d\n", frames, lost, atomic_load(&xruns));
    return written ? 0 : 1;
}
