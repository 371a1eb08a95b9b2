/* jcap: capture JACK ports to a file of interleaved float32, bit for bit.
 *
 *   jcap OUT.raw SECONDS_MAX PORT [PORT ...]
 *
 * Prints "ready" when connected; ends after SECONDS_MAX or on SIGTERM/SIGINT and prints
 * "frames N lost L xruns X". The process callback only copies into a buffer made beforehand.
 */
#include <jack/jack.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORTS_MAX 8

static jack_port_t *ports[PORTS_MAX];
static int count;
static float *store;
static size_t room, lost; /* frames */
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
    jack_client_t *client = jack_client_open("jcap", JackNoStartServer, NULL);
    if (!client) {
        fprintf(stderr, "jcap: no JACK server\n");
        return 1;
    }
    room = (size_t)(atof(argv[2]) * jack_get_sample_rate(client));
    store = malloc(room * count * sizeof(float));
    FILE *file = fopen(argv[1], "wb");
    if (!store || !file) {
        perror("jcap");
        return 1;
    }
    memset(store, 0, room * count * sizeof(float)); /* touch every page now, not in the callback */
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
    printf("frames %zu lost %zu xruns %d\n", frames, lost, atomic_load(&xruns));
    return written ? 0 : 1;
}
