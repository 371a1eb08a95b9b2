/* core_test: the core between an engine and a host in threads of their own, for the sanitizers.
 *
 *   core_test BLOCKS     with $RIFFENGINE_DAW_SOCKET; prints "frames N silent S wrong W rings R", fails where W is not 0
 *
 * The engine answers over the socket, and writes blocks that say their own beat; the host plays blocks of odd sizes,
 * jumps, changes parameters, saves, loads (which is another ring each time), and stops. Each side maps the ring for
 * itself, so the sanitizers see races around it, but not in it: those would be heard as wrong beats.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core.h"
#include "ring.h"

enum { RATE = 48000, CAPACITY = 65536, BLOCK = 256, AHEAD = 4096 };

static _Atomic bool ends;
static _Atomic int rings;

static ring_memory *make_ring(char name[64]) {
    snprintf(name, 64, "riffengine-test-%d-%d", getpid(), atomic_fetch_add(&rings, 1));
    char path[80];
    snprintf(path, sizeof path, "/%s", name);
    size_t bytes = sizeof(ring_memory) + (size_t)CAPACITY * 2 * sizeof(float);
    int file = shm_open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (file < 0 || ftruncate(file, (off_t)bytes) != 0) exit(2);
    ring_memory *ring = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (ring == MAP_FAILED) exit(2);
    ring->version = RING_VERSION;
    ring->header_bytes = sizeof(ring_memory);
    ring->rate = RATE;
    ring->channels = 2;
    ring->capacity = CAPACITY;
    memcpy(ring->magic, RING_MAGIC, 8);
    return ring;
}

typedef struct {
    bool begun;
    int64_t jumps, run;
    double beat, bpm;
} plan;

/* What the host needs now, by the seqlock; false where it is being written, or was never. */
static bool look(ring_memory *ring, double *wanted, double *bpm, int64_t *jumps) {
    int64_t before = atomic_load_explicit(&ring->host.sequence, memory_order_acquire);
    if (before == 0 || before % 2) return false;
    *wanted = atomic_load_explicit(&ring->host.wanted, memory_order_acquire);
    *bpm = atomic_load_explicit(&ring->host.bpm, memory_order_acquire);
    *jumps = atomic_load_explicit(&ring->host.jumps, memory_order_acquire);
    return atomic_load_explicit(&ring->host.sequence, memory_order_acquire) == before;
}

static void fill(ring_memory *ring, plan *at) {
    double wanted, bpm;
    int64_t jumps;
    if (!look(ring, &wanted, &bpm, &jumps)) return;
    double per_frame = bpm / 60.0 / RATE, lead = at->beat - wanted;
    if (!at->begun || jumps != at->jumps || lead < 0.0 || lead > 3 * AHEAD * per_frame || bpm != at->bpm) {
        *at = (plan){.begun = true, .jumps = jumps, .run = at->run + 1, .beat = wanted, .bpm = bpm};
        lead = 0.0;
    }
    for (; lead < AHEAD * per_frame; lead += BLOCK * per_frame) {
        int64_t first = atomic_load(&ring->write), number = atomic_load(&ring->spans_written);
        atomic_store(&ring->claim, first + BLOCK);
        for (int i = 0; i < BLOCK; i++) {
            float *frame = ring->samples + 2 * ((first + i) % CAPACITY);
            frame[0] = (float)((at->beat + i * per_frame) / 256.0);
            frame[1] = 1.0f;
        }
        ring_span *span = &ring->spans[number % RING_SPANS];
        atomic_store(&span->first, first);
        atomic_store(&span->frames, BLOCK);
        atomic_store(&span->beat, at->beat);
        atomic_store(&span->bpm, bpm);
        atomic_store(&span->run, at->run);
        atomic_store(&ring->run, at->run);
        atomic_store(&ring->spans_written, number + 1);
        atomic_store(&ring->write, first + BLOCK);
        at->beat += BLOCK * per_frame;
    }
    uint64_t word = atomic_load(&ring->to_plugin[2]);
    float value = (float)(jumps % 10) / 10.0f;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((uint32_t)word != bits) atomic_store(&ring->to_plugin[2], ((word >> 32) + 1) << 32 | bits);
    atomic_store(&ring->midi_read, atomic_load(&ring->midi_written));
}

static void *engine(void *argument) {
    int server = *(int *)argument, plugin = -1;
    ring_memory *ring = NULL;
    plan at = {0};
    char text[RIFF_STATE + 512], name[64], path[80];
    while (!atomic_load(&ends)) {
        struct pollfd polled[2] = {{.fd = server, .events = POLLIN}, {.fd = plugin, .events = POLLIN}};
        poll(polled, plugin < 0 ? 1 : 2, 1);
        if (plugin >= 0 && polled[1].revents) { /* it says nothing more: it has gone */
            close(plugin);
            plugin = -1;
            munmap(ring, sizeof(ring_memory) + (size_t)CAPACITY * 2 * sizeof(float));
            ring = NULL;
        }
        if (plugin < 0 && polled[0].revents & POLLIN) {
            plugin = accept(server, NULL, NULL);
            for (size_t length = 0; length == 0 || text[length - 1] != '\n';) {
                ssize_t got = recv(plugin, text + length, sizeof text - length, 0);
                if (got <= 0) break;
                length += (size_t)got;
            }
            ring = make_ring(name);
            at = (plan){0};
            int length = snprintf(text, sizeof text, "{\"ring\":\"%s\",\"instance\":\"i-%d\"}\n", name, atomic_load(&rings));
            length += snprintf(text + length, sizeof text - (size_t)length, "{\"state\":\"c3RhdGU=\"}\n");
            if (send(plugin, text, (size_t)length, MSG_NOSIGNAL) < 0) continue;
        }
        if (ring != NULL) fill(ring, &at);
    }
    for (int i = 0; i < atomic_load(&rings); i++) {
        snprintf(path, sizeof path, "/riffengine-test-%d-%d", getpid(), i);
        shm_unlink(path);
    }
    if (plugin >= 0) close(plugin);
    return NULL;
}

/* Frames that are music of another beat than they should be. */
static int wrong_frames(const float *left, const float *right, double beat, double bpm, uint32_t frames, int *silent) {
    int wrong = 0;
    for (uint32_t i = 0; i < frames; i++) {
        if (right[i] < 1e-6f) {
            ++*silent;
            continue;
        }
        double off = (double)left[i] / (double)right[i] * 256.0 - (beat + i * bpm / 60.0 / RATE);
        if (fabs(off) > 2e-4 && wrong++ == 0)
            printf("frame %u of %u: off by %g beats at beat %.4f, %g bpm, level %g\n", i, frames, off, beat, bpm, right[i]);
    }
    return wrong;
}

int main(int count, char **arguments) {
    const char *socket_path = getenv("RIFFENGINE_DAW_SOCKET");
    if (count < 2 || socket_path == NULL) return 2;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(server, (struct sockaddr *)&address, sizeof address) != 0 || listen(server, 4) != 0) return 2;
    pthread_t thread;
    pthread_create(&thread, NULL, engine, &server);

    static const uint32_t sizes[] = {512, 64, 333, 17, 480, 1, 1023};
    riff *plugin = riff_new(RIFF_INSTRUMENT);
    riff_activate(plugin, RATE);
    riff_host host = {.known = true, .playing = true, .bpm = 120.0, .beats_per_bar = 4.0, .beat_unit = 4};
    float left[1024], right[1024], *out[2] = {left, right};
    static char state[RIFF_STATE];
    long frames = 0, blocks = atol(arguments[1]);
    int silent = 0, wrong = 0;
    for (long block = 0; block < blocks; block++) {
        uint32_t size = sizes[block % 7];
        riff_event event = {.frame = size / 2, .size = 3, .data = {0x90, 60, 100}};
        if (block % 97 == 96) host.beat = (double)(block % 40);
        if (block % 401 == 400) host.bpm = block % 2 ? 90.0 : 174.0;
        if (block % 401 == 400) host.beat = 16.0; /* a step of the tempo with a jump: no block may be of the old one */
        host.playing = block % 50 != 49;
        host.offline = block % 300 > 280;
        riff_set(plugin, 3, (float)(block % 11) / 10.0f);
        riff_begin(plugin, size);
        riff_run(plugin, &host, &event, 1, NULL, out, size);
        int slot;
        float value;
        while (riff_take_change(plugin, &slot, &value)) continue;
        if (host.playing) {
            int off = wrong_frames(left, right, host.beat, host.bpm, size, &silent);
            if (off > 0) printf("block %ld: %d wrong frames\n", block, off);
            wrong += off;
            host.beat += size * host.bpm / 60.0 / RATE;
        }
        frames += size;
        if (block % 1000 == 999) {
            riff_save(plugin, true, state);
            riff_load(plugin, state);
        }
        usleep(300);
    }
    riff_free(plugin);
    atomic_store(&ends, true);
    pthread_join(thread, NULL);
    close(server);
    printf("frames %ld silent %d wrong %d rings %d\n", frames, silent, wrong, atomic_load(&rings));
    return wrong == 0 && silent < frames / 2 ? 0 : 1;
}
