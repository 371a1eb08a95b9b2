/* probe: an LV2 effect for tests, to stand behind ours on a track: it writes what it hears, and what the host says of
 * the time of just that block, to a file in the folder $RIFFENGINE_PROBE: 0.bin, 1.bin, … in the order of creation.
 *
 * A record is {f64 beat, f64 bpm, f64 speed, i64 song frame, i64 frames, i64 ns of CLOCK_MONOTONIC} and frames x 2
 * float32. beat is -1e9 where the host has told none since the start.
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lv2/atom/atom.h"
#include "lv2/atom/util.h"
#include "lv2/core/lv2.h"
#include "lv2/urid/urid.h"

#define TIME "http://lv2plug.in/ns/ext/time#"

typedef struct {
    const LV2_Atom_Sequence *events;
    const float *in[2];
    float *out[2];
    FILE *file;
    double beat, bpm, speed, rate, unit, per_bar;
    int64_t song;
    bool known;
    LV2_URID position, frame, bar, bar_beat, beat_key, per_bar_key, unit_key, bpm_key, speed_key;
    LV2_URID double_type, float_type, int_type, long_type;
} probe;

static LV2_Handle instantiate(const LV2_Descriptor *descriptor, double rate, const char *bundle,
                              const LV2_Feature *const *features) {
    (void)descriptor, (void)bundle;
    const LV2_URID_Map *map = NULL;
    for (; features != NULL && *features != NULL; features++)
        if (strcmp((*features)->URI, LV2_URID__map) == 0) map = (*features)->data;
    static int made = 0;
    const char *folder = getenv("RIFFENGINE_PROBE");
    char path[4096];
    snprintf(path, sizeof path, "%s/%d.bin", folder == NULL ? "." : folder, made++);
    probe *self = map == NULL ? NULL : calloc(1, sizeof *self);
    if (self == NULL) return NULL;
    self->file = fopen(path, "wb");
    if (self->file == NULL) {
        free(self);
        return NULL;
    }
    setvbuf(self->file, NULL, _IOFBF, 1 << 20);
    self->rate = rate;
    self->bpm = 120.0;
    self->unit = self->per_bar = 4.0;
#define MAP(uri) map->map(map->handle, uri)
    self->position = MAP(TIME "Position");
    self->frame = MAP(TIME "frame");
    self->bar = MAP(TIME "bar");
    self->bar_beat = MAP(TIME "barBeat");
    self->beat_key = MAP(TIME "beat");
    self->per_bar_key = MAP(TIME "beatsPerBar");
    self->unit_key = MAP(TIME "beatUnit");
    self->bpm_key = MAP(TIME "beatsPerMinute");
    self->speed_key = MAP(TIME "speed");
    self->double_type = MAP(LV2_ATOM__Double);
    self->float_type = MAP(LV2_ATOM__Float);
    self->int_type = MAP(LV2_ATOM__Int);
    self->long_type = MAP(LV2_ATOM__Long);
#undef MAP
    return self;
}

static void connect_port(LV2_Handle instance, uint32_t port, void *data) {
    probe *self = instance;
    if (port == 0) self->events = data;
    if (port == 1 || port == 2) self->in[port - 1] = data;
    if (port == 3 || port == 4) self->out[port - 3] = data;
}

static bool number(const probe *self, const LV2_Atom *atom, double *value) {
    if (atom == NULL) return false;
    if (atom->type == self->double_type) *value = ((const LV2_Atom_Double *)atom)->body;
    else if (atom->type == self->float_type) *value = ((const LV2_Atom_Float *)atom)->body;
    else if (atom->type == self->int_type) *value = ((const LV2_Atom_Int *)atom)->body;
    else if (atom->type == self->long_type) *value = (double)((const LV2_Atom_Long *)atom)->body;
    else return false;
    return true;
}

static void take(probe *self, const LV2_Atom_Object *object) {
    const LV2_Atom *frame = NULL, *bar = NULL, *bar_beat = NULL, *beat = NULL, *per_bar = NULL, *unit = NULL, *bpm = NULL;
    const LV2_Atom *speed = NULL;
    double value, bars = 0.0;
    lv2_atom_object_get(object, self->frame, &frame, self->bar, &bar, self->bar_beat, &bar_beat, self->beat_key, &beat,
                        self->per_bar_key, &per_bar, self->unit_key, &unit, self->bpm_key, &bpm, self->speed_key, &speed,
                        0);
    if (number(self, speed, &value)) self->speed = value;
    if (number(self, bpm, &value)) self->bpm = value;
    if (number(self, per_bar, &value)) self->per_bar = value;
    if (number(self, unit, &value)) self->unit = value;
    if (number(self, frame, &value)) self->song = (int64_t)value;
    if (number(self, beat, &value)) {
        self->beat = value * 4.0 / self->unit;
        self->known = true;
    } else if (number(self, bar, &bars) && number(self, bar_beat, &value)) {
        self->beat = (bars * self->per_bar + value) * 4.0 / self->unit;
        self->known = true;
    }
}

static void hear(probe *self, uint32_t start, uint32_t end) {
    double head[3] = {self->known ? self->beat : -1e9, self->bpm, self->speed};
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t places[3] = {self->song, end - start, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec};
    fwrite(head, sizeof head, 1, self->file);
    fwrite(places, sizeof places, 1, self->file);
    for (uint32_t i = start; i < end; i++) {
        float frame[2] = {self->in[0][i], self->in[1][i]};
        fwrite(frame, sizeof frame, 1, self->file);
        self->out[0][i] = frame[0];
        self->out[1][i] = frame[1];
    }
    if (self->speed != 0.0) {
        self->beat += (end - start) * self->bpm / 60.0 / self->rate;
        self->song += end - start;
    }
}

static void run(LV2_Handle instance, uint32_t frames) {
    probe *self = instance;
    uint32_t start = 0;
    if (self->events != NULL) {
        LV2_ATOM_SEQUENCE_FOREACH(self->events, event) {
            const LV2_Atom_Object *object = (const LV2_Atom_Object *)&event->body;
            if (event->body.size < sizeof(LV2_Atom_Object_Body) || object->body.otype != self->position) continue;
            uint32_t at = event->time.frames > frames ? frames : (uint32_t)event->time.frames;
            if (at > start) hear(self, start, at);
            start = at;
            take(self, object);
        }
    }
    if (frames > start) hear(self, start, frames);
}

static void cleanup(LV2_Handle instance) {
    probe *self = instance;
    fclose(self->file);
    free(self);
}

LV2_SYMBOL_EXPORT const LV2_Descriptor *lv2_descriptor(uint32_t index) {
    static const LV2_Descriptor descriptor = {
        "urn:riffengine:probe", instantiate, connect_port, NULL, run, NULL, cleanup, NULL,
    };
    return index == 0 ? &descriptor : NULL;
}
