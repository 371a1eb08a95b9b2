#define _GNU_SOURCE
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine_socket.h"
#include "start_engine.h"

#define AGAIN_MS 100        /* between two tries to find the engine */
#define REFUSED_MS 1000     /* after it has refused */
#define KEEP_NS 1000000000  /* the music of an engine that has gone is played for this long, if there is so much */
#define START_NS 30000000000 /* between two starts of the engine */
#define ANSWER_MS 5000
#define LEAVE_MS 1000

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* --- the audio thread ------------------------------------------------------------------------------------------- */

const link_ring *link_enter(link_to_engine *link) {
    link_ring *ring = atomic_load(&link->current);
    for (;;) {
        atomic_store(&link->entered, ring);
        link_ring *now = atomic_load(&link->current);
        if (now == ring) return ring;
        ring = now;
    }
}

void link_leave(link_to_engine *link) { atomic_store(&link->entered, NULL); }

static void wake(link_to_engine *link) {
    if (write(link->wake[1], "", 1) < 0) return; /* the pipe is full: the thread will wake anyway */
}

void link_choose(link_to_engine *link, int source, bool may_start) {
    bool same = atomic_load(&link->source) == source && atomic_load(&link->may_start) == may_start;
    if (same) return;
    atomic_store(&link->source, source);
    atomic_store(&link->may_start, may_start);
    wake(link); /* a pipe that does not block, and only when a parameter was turned */
}

/* --- rings ------------------------------------------------------------------------------------------------------ */

static void use(link_to_engine *link, link_ring *ring) {
    if (ring != NULL) ring->number = ++link->made;
    link_ring *before = atomic_exchange(&link->current, ring);
    if (before == NULL) return;
    before->retired_ns = now_ns();
    before->next = link->old;
    link->old = before;
}

static void sweep(link_to_engine *link, bool all) {
    for (link_ring **at = &link->old; *at != NULL;) {
        link_ring *ring = *at;
        bool held = atomic_load(&link->entered) == ring || now_ns() - ring->retired_ns < KEEP_NS;
        if (held && !all) {
            at = &ring->next;
            continue;
        }
        *at = ring->next;
        munmap(ring->memory, ring->bytes);
        free(ring);
    }
}

static link_ring *map_ring(const char *name, uint32_t rate, uint32_t channels, char problem[256]) {
    char path[160];
    snprintf(path, sizeof path, "/%s", name);
    int file = shm_open(path, O_RDWR | O_CLOEXEC, 0);
    struct stat size;
    if (file < 0 || fstat(file, &size) != 0) {
        snprintf(problem, 256, "the ring %s cannot be opened: %s", name, strerror(errno));
        if (file >= 0) close(file);
        return NULL;
    }
    size_t bytes = (size_t)size.st_size;
    void *memory = bytes < sizeof(ring_memory) ? MAP_FAILED
                                               : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED) {
        snprintf(problem, 256, "the ring %s cannot be mapped", name);
        return NULL;
    }
    ring_memory *head = memory;
    uint64_t capacity = head->capacity;
    bool fits = memcmp(head->magic, RING_MAGIC, 8) == 0 && head->version == RING_VERSION && head->rate == rate &&
                head->channels == channels && capacity >= 4096 && (capacity & (capacity - 1)) == 0 &&
                bytes >= sizeof(ring_memory) + capacity * channels * sizeof(float);
    link_ring *ring = fits ? calloc(1, sizeof *ring) : NULL;
    if (ring == NULL) {
        snprintf(problem, 256, "the ring %s is of another release; run riffengine plugin install", name);
        munmap(memory, bytes);
        return NULL;
    }
    mlock(memory, bytes); /* where it is allowed: no page fault in the audio thread */
    ring->memory = head;
    ring->bytes = bytes;
    return ring;
}

/* --- the socket ------------------------------------------------------------------------------------------------- */

static bool ending(link_to_engine *link, bool *again) {
    pthread_mutex_lock(&link->lock);
    bool end = link->ending;
    *again = link->again || link->asked_source != atomic_load(&link->source);
    pthread_mutex_unlock(&link->lock);
    return end;
}

/* Waits for the file (or for nothing, -1) or for a call of wake. */
static bool wait_for(link_to_engine *link, int file, short events, int milliseconds) {
    struct pollfd polled[2] = {{.fd = link->wake[0], .events = POLLIN}, {.fd = file, .events = events}};
    char unread[64];
    if (poll(polled, file < 0 ? 1 : 2, milliseconds) <= 0) return false;
    if (polled[0].revents) while (read(link->wake[0], unread, sizeof unread) > 0) continue;
    return file >= 0 && polled[1].revents != 0;
}

static bool send_all(link_to_engine *link, int file, const char *text, size_t length) {
    bool again;
    int64_t last_ns = now_ns() + (int64_t)ANSWER_MS * 1000000;
    while (length > 0) {
        ssize_t sent = send(file, text, length, MSG_NOSIGNAL);
        if (sent > 0) {
            text += sent;
            length -= (size_t)sent;
        } else if (errno == EAGAIN || errno == EINTR) {
            wait_for(link, file, POLLOUT, 100);
            if (ending(link, &again) || now_ns() > last_ns) return false;
        } else {
            return false;
        }
    }
    return true;
}

/* --- the thread ------------------------------------------------------------------------------------------------- */

static void say_problem(link_to_engine *link, const char *problem) {
    pthread_mutex_lock(&link->lock);
    snprintf(link->problem, sizeof link->problem, "%s", problem);
    pthread_mutex_unlock(&link->lock);
}

/* Says hello and takes the answer; true where there is a ring now. */
static bool shake_hands(link_to_engine *link, int file, line_buffer *buffer, char *line) {
    char problem[256] = "", name[128], instance[LINK_INSTANCE], wants[LINK_WANTS];
    pthread_mutex_lock(&link->lock);
    link->again = false;
    link->asked_source = atomic_load(&link->source);
    link->name_source(link->asked_source, wants);
    uint32_t rate = link->rate, channels = link->channels;
    int length = snprintf(line, LINE,
                          "{\"instance\":\"%s\",\"rate\":%u,\"wants\":\"%s\",\"channels\":%u,\"state\":\"%s\"}\n",
                          link->instance, rate, wants, channels, link->state);
    pthread_mutex_unlock(&link->lock);
    bool again = false;
    int found = 0;
    int64_t last_ns = now_ns() + (int64_t)ANSWER_MS * 1000000;
    if (!send_all(link, file, line, (size_t)length)) return false;
    while ((found = next_line(file, buffer, line)) == 0) {
        wait_for(link, file, POLLIN, 100);
        if (ending(link, &again) || again || now_ns() > last_ns) return false;
    }
    if (found < 0) return false;
    if (!text_of(line, "ring", name, sizeof name) || !text_of(line, "instance", instance, sizeof instance)) {
        if (!text_of(line, "error", problem, sizeof problem))
            snprintf(problem, sizeof problem, "the engine's answer cannot be understood");
        say_problem(link, problem);
        return false;
    }
    link_ring *ring = map_ring(name, rate, channels, problem);
    say_problem(link, problem);
    if (ring == NULL) return false;
    pthread_mutex_lock(&link->lock);
    memcpy(link->instance, instance, sizeof instance);
    pthread_mutex_unlock(&link->lock);
    use(link, ring);
    return true;
}

/* Takes the engine's lines until it goes, gives the ring up, or another one is wanted. */
static void listen_to(link_to_engine *link, int file, line_buffer *buffer, char *line) {
    bool again = false;
    for (;;) {
        int found = next_line(file, buffer, line);
        if (found < 0 || ending(link, &again) || again) return;
        if (found > 0) {
            pthread_mutex_lock(&link->lock);
            if (!text_of(line, "state", link->state, sizeof link->state)) link->state[0] = 0;
            pthread_mutex_unlock(&link->lock);
            continue;
        }
        if (atomic_load(&atomic_load(&link->current)->memory->closing)) return;
        sweep(link, false);
        wait_for(link, file, POLLIN, link->old != NULL ? AGAIN_MS : 1000);
    }
}

/* Waits until the engine has closed its end too: otherwise it might take the next hello for one of a duplicated track. */
static void take_leave(link_to_engine *link, int file) {
    char unread[1024];
    bool again;
    int64_t last_ns = now_ns() + (int64_t)LEAVE_MS * 1000000;
    shutdown(file, SHUT_WR);
    while (!ending(link, &again) && now_ns() < last_ns) {
        ssize_t got = recv(file, unread, sizeof unread, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return;
        if (got < 0) wait_for(link, file, POLLIN, 50);
    }
}

typedef struct {
    line_buffer buffer;
    char line[LINE + 1];
} room;

static void *run(void *argument) {
    link_to_engine *link = argument;
    room *memory = calloc(1, sizeof *memory);
    pid_t engine = -1;
    int64_t started_ns = -START_NS;
    bool again = false;
    while (memory != NULL && !ending(link, &again)) {
        int file = connect_to_engine(), pause_ms = AGAIN_MS;
        if (file >= 0) {
            memory->buffer.filled = 0;
            if (shake_hands(link, file, &memory->buffer, memory->line))
                listen_to(link, file, &memory->buffer, memory->line);
            else
                pause_ms = REFUSED_MS;
            take_leave(link, file);
            close(file);
        } else {
            say_problem(link, "no engine answers; start riffengine play or serve");
            if (atomic_load(&link->may_start) && engine < 0 && now_ns() - started_ns > START_NS) {
                started_ns = now_ns();
                engine = start_engine();
            }
        }
        if (engine > 0 && waitpid(engine, NULL, WNOHANG) == engine) engine = -1;
        /* What is left of the old music is played on; its ring is dropped a second after the engine has gone. */
        link_ring *ring = atomic_load(&link->current);
        if (ring != NULL) {
            if (ring->retired_ns == 0) ring->retired_ns = now_ns();
            if (now_ns() - ring->retired_ns > KEEP_NS) use(link, NULL);
        }
        sweep(link, false);
        if (!ending(link, &again) && !again) wait_for(link, -1, 0, pause_ms);
    }
    free(memory);
    return NULL;
}

/* --- the other threads ------------------------------------------------------------------------------------------ */

bool link_open(link_to_engine *link) {
    memset(link, 0, sizeof *link);
    pthread_mutex_init(&link->lock, NULL);
    return pipe2(link->wake, O_CLOEXEC | O_NONBLOCK) == 0;
}

void link_close(link_to_engine *link) {
    pthread_mutex_lock(&link->lock);
    link->ending = true;
    pthread_mutex_unlock(&link->lock);
    wake(link);
    if (link->runs) pthread_join(link->thread, NULL);
    use(link, NULL);
    sweep(link, true);
    close(link->wake[0]);
    close(link->wake[1]);
    pthread_mutex_destroy(&link->lock);
}

static void ask_anew(link_to_engine *link) {
    link->again = true;
    if (link->runs || link->rate == 0) return;
    pthread_attr_t attributes;
    sigset_t all, before;
    struct sched_param normal = {.sched_priority = 0};
    pthread_attr_init(&attributes);
    pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&attributes, SCHED_OTHER);
    pthread_attr_setschedparam(&attributes, &normal);
    sigfillset(&all); /* the signals of the DAW are not ours */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    link->runs = pthread_create(&link->thread, &attributes, run, link) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
}

void link_want(link_to_engine *link, uint32_t rate, uint32_t channels, link_name_source name_source) {
    pthread_mutex_lock(&link->lock);
    link->name_source = name_source;
    if (link->rate != rate || link->channels != channels) {
        link->rate = rate;
        link->channels = channels;
        ask_anew(link);
    }
    pthread_mutex_unlock(&link->lock);
    wake(link);
}

void link_save(link_to_engine *link, char instance[LINK_INSTANCE], char state[LINK_STATE]) {
    pthread_mutex_lock(&link->lock);
    memcpy(instance, link->instance, LINK_INSTANCE);
    memcpy(state, link->state, LINK_STATE);
    pthread_mutex_unlock(&link->lock);
}

static bool plain(const char *text, size_t room) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-";
    size_t length = strlen(text);
    return length < room && strspn(text, letters) == length;
}

void link_load(link_to_engine *link, const char *instance, const char *state) {
    pthread_mutex_lock(&link->lock);
    if (plain(instance, LINK_INSTANCE)) strcpy(link->instance, instance);
    if (plain(state, LINK_STATE)) strcpy(link->state, state);
    ask_anew(link);
    pthread_mutex_unlock(&link->lock);
    wake(link);
}

void link_problem(link_to_engine *link, char problem[256]) {
    pthread_mutex_lock(&link->lock);
    memcpy(problem, link->problem, 256);
    pthread_mutex_unlock(&link->lock);
}
