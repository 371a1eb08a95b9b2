/* An LV2 effect that does what its port "fault" says: nothing (a gain, delayed by "delay" frames), or harm.
 * It acts when the port changes, once it has run for a while: an instance that a host has restored with a fault is sound. */
#include <lv2/core/lv2.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IN_L, IN_R, OUT_L, OUT_R, GAIN, DELAY, FAULT, LATENCY, PORTS };
enum { NONE, SEGFAULT, HANG, NOT_A_NUMBER, DENORMAL, WRONG_LATENCY, WRITE_BEYOND, RUNAWAY };
#define RING 16384
#define RESTORED_RUNS 60 /* a host runs 50 blocks of silence first */

typedef struct {
    float *ports[PORTS];
    float ring[2][RING];
    unsigned at;
    int asked, fault, runs;
} Plugin;

static LV2_Handle instantiate(const LV2_Descriptor *d, double rate, const char *path, const LV2_Feature *const *f)
{
    (void)d; (void)rate; (void)path; (void)f;
    return calloc(1, sizeof(Plugin));
}

static void connect_port(LV2_Handle handle, uint32_t port, void *data) { ((Plugin *)handle)->ports[port] = data; }

static void run(LV2_Handle handle, uint32_t frames)
{
    Plugin *self = handle;
    int asked = (int)*self->ports[FAULT];
    int changed = self->runs > RESTORED_RUNS && asked != self->asked;
    if (changed) self->fault = asked;
    self->asked = asked;
    self->runs++;
    int fault = self->fault;
    unsigned delay = (unsigned)*self->ports[DELAY];
    float gain = *self->ports[GAIN];
    *self->ports[LATENCY] = fault == WRONG_LATENCY ? 110250.0f : (float)delay;
    if (changed) switch (fault) {
    case SEGFAULT: *(volatile int *)0 = 1; break;
    case HANG: sleep(1); break;
    case WRITE_BEYOND: memset(self->ports[OUT_L], 0x7f, 1 << 26); break;
    }
    for (uint32_t i = 0; i < frames; i++, self->at++)
        for (int channel = 0; channel < 2; channel++) {
            self->ring[channel][self->at % RING] = self->ports[IN_L + channel][i];
            float out = gain * self->ring[channel][(self->at - delay) % RING];
            if (fault == NOT_A_NUMBER) out = NAN;
            if (fault == DENORMAL) out = 1e-40f;
            if (fault == RUNAWAY) out = 1e9f;
            self->ports[OUT_L + channel][i] = out;
        }
}

static void cleanup(LV2_Handle handle) { free(handle); }

static const LV2_Descriptor descriptor = {
    "urn:riffengine:misbehaving", instantiate, connect_port, NULL, run, NULL, cleanup, NULL};

LV2_SYMBOL_EXPORT const LV2_Descriptor *lv2_descriptor(uint32_t index) { return index ? NULL : &descriptor; }
