/* link: the thread of an instance that asks the engine for a ring, and for another one when the engine has changed.
 *
 * riffengine/processes/daw_handshake.py says what crosses the socket. The audio thread only calls link_enter and
 * link_leave; everything else is for other threads.
 */
#ifndef RIFF_LINK_H
#define RIFF_LINK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "ring.h"

enum { LINK_INSTANCE = 64, LINK_WANTS = 256, LINK_STATE = 60001 };

/* A mapped ring. Rings are told apart by their number: a host may call no block for so long that an address is used
 * again. */
typedef struct link_ring {
    uint64_t number; /* from 1 on */
    ring_memory *memory;
    size_t bytes;
    int64_t retired_ns; /* 0: in use */
    struct link_ring *next;
} link_ring;

/* Writes the sources that are number source of the plugin's list, as the engine names them. */
typedef void (*link_name_source)(int source, char wants[LINK_WANTS]);

typedef struct {
    _Atomic int source;       /* chosen by the audio thread */
    _Atomic bool may_start;   /* start the engine where none answers */
    _Atomic(link_ring *) current; /* what the audio thread uses from its next block on */
    _Atomic(link_ring *) entered; /* what it uses now */
    link_ring *old;               /* mapped still, for a second at least */
    uint64_t made;                /* rings so far */
    pthread_t thread;
    bool runs;
    int wake[2];
    pthread_mutex_t lock; /* of everything below */
    bool ending, again; /* again: ask anew, with another rate or state */
    int asked_source;
    uint32_t rate, channels;
    link_name_source name_source;
    char instance[LINK_INSTANCE], state[LINK_STATE], problem[256];
} link_to_engine;

bool link_open(link_to_engine *link);
void link_close(link_to_engine *link);

/* Asks the engine for a ring, and anew where the rate differs from before. */
void link_want(link_to_engine *link, uint32_t rate, uint32_t channels, link_name_source name_source);

/* The instance and the engine's state, as they are saved with a project; text of base64 letters, '-' and '_'. */
void link_save(link_to_engine *link, char instance[LINK_INSTANCE], char state[LINK_STATE]);
void link_load(link_to_engine *link, const char *instance, const char *state);

/* What keeps the engine from answering, "" if nothing. */
void link_problem(link_to_engine *link, char problem[256]);

/* Audio thread: the ring for this block, or null; it stays mapped until link_leave. */
const link_ring *link_enter(link_to_engine *link);
void link_leave(link_to_engine *link);

/* Audio thread: chooses the source, and whether the engine may be started. */
void link_choose(link_to_engine *link, int source, bool may_start);

#endif
