/* Plugins for the tests. "witness" shows in control outputs what its host told it; the others misbehave. */
#include <lv2/atom/atom.h>
#include <lv2/atom/util.h>
#include <lv2/buf-size/buf-size.h>
#include <lv2/core/lv2.h>
#include <lv2/midi/midi.h>
#include <lv2/options/options.h>
#include <lv2/state/state.h>
#include <lv2/time/time.h>
#include <lv2/urid/urid.h>
#include <lv2/worker/worker.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BASE "urn:riffengine:test:"
#define VALUE_KEY BASE "value"

enum { IN_L, IN_R, OUT_L, OUT_R, EVENTS, ASK, BPM, BEAT, BAR, BAR_BEAT, SPEED, FRAME, NOTE_FRAME, BLOCK, ANSWER, KEPT, PORTS };

typedef struct {
    char kind;
    void *ports[PORTS];
    const LV2_Worker_Schedule *schedule;
    LV2_URID path, object, position, beat, bpm, bar, bar_beat, speed, frame, midi, value, whole;
    float told[PORTS];
    int32_t block, kept, asked;
    LV2_URID_Unmap *unmap;
} Witness;

static LV2_Handle instantiate(const LV2_Descriptor *descriptor, double rate, const char *path,
                              const LV2_Feature *const *features) {
    (void)rate, (void)path;
    Witness *self = calloc(1, sizeof(Witness));
    LV2_URID_Map *map = NULL;
    const LV2_Options_Option *options = NULL;
    self->kind = descriptor->URI[strlen(BASE)];
    for (int i = 0; features[i]; i++) {
        if (!strcmp(features[i]->URI, LV2_URID__map)) map = features[i]->data;
        if (!strcmp(features[i]->URI, LV2_URID__unmap)) self->unmap = features[i]->data;
        if (!strcmp(features[i]->URI, LV2_OPTIONS__options)) options = features[i]->data;
        if (!strcmp(features[i]->URI, LV2_WORKER__schedule)) self->schedule = features[i]->data;
    }
    if (!map || self->kind == 'r') {
        free(self);
        fputs("refused as the test wants it\n", stderr);
        return NULL;
    }
#define MAP(name, uri) self->name = map->map(map->handle, uri)
    MAP(object, LV2_ATOM__Object), MAP(position, LV2_TIME__Position), MAP(beat, LV2_TIME__beat);
    MAP(bpm, LV2_TIME__beatsPerMinute), MAP(bar, LV2_TIME__bar), MAP(bar_beat, LV2_TIME__barBeat);
    MAP(speed, LV2_TIME__speed), MAP(frame, LV2_TIME__frame), MAP(midi, LV2_MIDI__MidiEvent);
    MAP(value, VALUE_KEY), MAP(whole, LV2_ATOM__Int);
    LV2_URID longest = map->map(map->handle, LV2_BUF_SIZE__maxBlockLength);
    for (; options && options->key; options++)
        if (options->key == longest && options->type == self->whole) self->block = *(const int32_t *)options->value;
    self->told[NOTE_FRAME] = -1;
    return self;
}

static void connect_port(LV2_Handle handle, uint32_t port, void *data) { ((Witness *)handle)->ports[port] = data; }

static void read_position(Witness *self, const LV2_Atom_Object *object) {
    LV2_ATOM_OBJECT_FOREACH(object, property) {
        const LV2_Atom *value = &property->value;
        if (property->key == self->bpm) self->told[BPM] = ((const LV2_Atom_Float *)value)->body;
        if (property->key == self->beat) self->told[BEAT] = ((const LV2_Atom_Double *)value)->body;
        if (property->key == self->bar) self->told[BAR] = ((const LV2_Atom_Long *)value)->body;
        if (property->key == self->bar_beat) self->told[BAR_BEAT] = ((const LV2_Atom_Float *)value)->body;
        if (property->key == self->speed) self->told[SPEED] = ((const LV2_Atom_Float *)value)->body;
        if (property->key == self->frame) self->told[FRAME] = ((const LV2_Atom_Long *)value)->body;
    }
}

static void run(LV2_Handle handle, uint32_t frames) {
    Witness *self = handle;
    float *out_l = self->ports[OUT_L], *out_r = self->ports[OUT_R];
    memcpy(out_l, self->ports[IN_L], frames * sizeof(float));
    memcpy(out_r, self->ports[IN_R], frames * sizeof(float));
    if (self->kind == 'c') *(volatile int *)0 = 1;
    if (self->kind == 'h') for (;;) pause();
    if (self->kind == 'n') out_l[frames / 2] = NAN;
    LV2_ATOM_SEQUENCE_FOREACH((const LV2_Atom_Sequence *)self->ports[EVENTS], event) {
        if (event->body.type == self->midi) {
            self->told[NOTE_FRAME] = event->time.frames;
            out_l[event->time.frames] = ((const uint8_t *)(event + 1))[2] / 127.0f;
        }
        if (event->body.type == self->object && ((const LV2_Atom_Object *)&event->body)->body.otype == self->position)
            read_position(self, (const LV2_Atom_Object *)&event->body);
    }
    int32_t ask = (int32_t)*(const float *)self->ports[ASK];
    if (ask != self->asked && self->schedule) {
        self->asked = ask;
        self->schedule->schedule_work(self->schedule->handle, sizeof ask, &ask);
    }
    self->told[BLOCK] = self->block == (int32_t)frames ? (float)self->block : -1;
    self->told[KEPT] = self->kept;
    for (int port = BPM; port < PORTS; port++) *(float *)self->ports[port] = self->told[port];
}

static void cleanup(LV2_Handle handle) { free(handle); }

static LV2_Worker_Status work(LV2_Handle handle, LV2_Worker_Respond_Function respond, LV2_Worker_Respond_Handle to,
                              uint32_t size, const void *data) {
    (void)handle, (void)size;
    int32_t twice = 2 * *(const int32_t *)data;
    return respond(to, sizeof twice, &twice);
}

static LV2_Worker_Status answer(LV2_Handle handle, uint32_t size, const void *data) {
    (void)size;
    Witness *self = handle;
    self->told[ANSWER] = *(const int32_t *)data;
    self->kept = *(const int32_t *)data;
    return LV2_WORKER_SUCCESS;
}

static LV2_State_Status save(LV2_Handle handle, LV2_State_Store_Function store, LV2_State_Handle to, uint32_t flags,
                             const LV2_Feature *const *features) {
    (void)flags, (void)features;
    Witness *self = handle;
    return store(to, self->value, &self->kept, sizeof self->kept, self->whole, LV2_STATE_IS_POD | LV2_STATE_IS_PORTABLE);
}

static LV2_State_Status restore(LV2_Handle handle, LV2_State_Retrieve_Function retrieve, LV2_State_Handle from,
                                uint32_t flags, const LV2_Feature *const *features) {
    (void)flags, (void)features;
    Witness *self = handle;
    size_t size;
    uint32_t type, found;
    const void *value = retrieve(from, self->value, &size, &type, &found);
    if (!value || type != self->whole) return LV2_STATE_ERR_NO_PROPERTY;
    self->kept = *(const int32_t *)value;
    return LV2_STATE_SUCCESS;
}

static const void *extension_data(const char *uri) {
    static const LV2_Worker_Interface worker = {work, answer, NULL};
    static const LV2_State_Interface state = {save, restore};
    if (!strcmp(uri, LV2_WORKER__interface)) return &worker;
    return strcmp(uri, LV2_STATE__interface) ? NULL : &state;
}

#define PLUGIN(name) {BASE name, instantiate, connect_port, NULL, run, NULL, cleanup, extension_data}
LV2_SYMBOL_EXPORT const LV2_Descriptor *lv2_descriptor(uint32_t index) {
    static const LV2_Descriptor plugins[] = {PLUGIN("witness"), PLUGIN("crash"), PLUGIN("hang"), PLUGIN("nan"),
                                             PLUGIN("refuse")};
    return index < sizeof plugins / sizeof *plugins ? &plugins[index] : NULL;
}
