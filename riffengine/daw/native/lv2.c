/* lv2: the LV2 shell. Ports and URIs are those of the bundle's Turtle files, which riffengine/daw/lv2_bundle.py writes.
 *
 * Audio effect and instrument are two plugins: on an audio track Ardour gives time positions only to an atom port that
 * takes no MIDI, on a MIDI track only to the one that does.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "lv2/atom/atom.h"
#include "lv2/atom/util.h"
#include "lv2/core/lv2.h"
#include "lv2/state/state.h"
#include "lv2/urid/urid.h"
#include "names.h"

#define TIME "http://lv2plug.in/ns/ext/time#"
#define MIDI_EVENT "http://lv2plug.in/ns/ext/midi#MidiEvent"

enum { MOST_AUDIO = 8 };

/* The order of the ports: events, audio in, audio out, parameters, free-wheeling, status. */
typedef struct {
    riff *core;
    riff_kind kind;
    uint32_t inputs, outputs;
    const LV2_Atom_Sequence *events;
    const float *in[2];
    float *out[MOST_AUDIO];
    const float *parameters[RIFF_PARAMETERS], *freewheel;
    float *status;
    float seen[RIFF_PARAMETERS];
    riff_host host; /* hosts tell the position only when it changes; counted on in between */
    double rate;
    LV2_URID string, instance_state, blank, object, double_type, float_type, int_type, long_type;
    LV2_URID position, beat, bar, bar_beat, per_bar, unit, bpm, speed, midi;
} plugin;

static const char *const uris[RIFF_KINDS] = {RIFF_URI, RIFF_URI "#instrument", RIFF_URI "#stems"};

static LV2_Handle instantiate(const LV2_Descriptor *descriptor, double rate, const char *bundle,
                              const LV2_Feature *const *features) {
    (void)bundle;
    const LV2_URID_Map *map = NULL;
    for (; features != NULL && *features != NULL; features++)
        if (strcmp((*features)->URI, LV2_URID__map) == 0) map = (*features)->data;
    plugin *self = map == NULL ? NULL : calloc(1, sizeof *self);
    if (self == NULL) return NULL;
    while (strcmp(uris[self->kind], descriptor->URI) != 0) self->kind++;
    self->inputs = self->kind == RIFF_EFFECT ? 2 : 0;
    self->outputs = self->kind == RIFF_STEMS ? 8 : 2;
    self->rate = rate;
    self->host = (riff_host){.bpm = 120.0, .beats_per_bar = 4.0, .beat_unit = 4};
    self->core = riff_new(self->kind);
    if (self->core == NULL) {
        free(self);
        return NULL;
    }
    for (int i = 0; i < RIFF_PARAMETERS; i++) self->seen[i] = riff_get(self->core, i);
#define MAP(uri) map->map(map->handle, uri)
    self->instance_state = MAP(RIFF_URI "#state");
    self->string = MAP(LV2_ATOM__String);
    self->blank = MAP(LV2_ATOM__Blank);
    self->object = MAP(LV2_ATOM__Object);
    self->double_type = MAP(LV2_ATOM__Double);
    self->float_type = MAP(LV2_ATOM__Float);
    self->int_type = MAP(LV2_ATOM__Int);
    self->long_type = MAP(LV2_ATOM__Long);
    self->position = MAP(TIME "Position");
    self->beat = MAP(TIME "beat");
    self->bar = MAP(TIME "bar");
    self->bar_beat = MAP(TIME "barBeat");
    self->per_bar = MAP(TIME "beatsPerBar");
    self->unit = MAP(TIME "beatUnit");
    self->bpm = MAP(TIME "beatsPerMinute");
    self->speed = MAP(TIME "speed");
    self->midi = MAP(MIDI_EVENT);
#undef MAP
    return self;
}

static void connect_port(LV2_Handle instance, uint32_t port, void *data) {
    plugin *self = instance;
    uint32_t audio = 1 + self->inputs + self->outputs;
    if (port == 0)
        self->events = data;
    else if (port < 1 + self->inputs)
        self->in[port - 1] = data;
    else if (port < audio)
        self->out[port - 1 - self->inputs] = data;
    else if (port < audio + RIFF_PARAMETERS)
        self->parameters[port - audio] = data;
    else if (port == audio + RIFF_PARAMETERS)
        self->freewheel = data;
    else if (port == audio + RIFF_PARAMETERS + 1)
        self->status = data;
}

static void activate(LV2_Handle instance) {
    plugin *self = instance;
    /* The values of the ports are set before the first run: a saved source is asked for at once. */
    for (int i = 0; i < RIFF_PARAMETERS; i++)
        if (self->parameters[i] != NULL) riff_set(self->core, i, self->seen[i] = *self->parameters[i]);
    riff_activate(self->core, self->rate);
}

static bool number(const plugin *self, const LV2_Atom *atom, double *value) {
    if (atom == NULL) return false;
    if (atom->type == self->double_type)
        *value = ((const LV2_Atom_Double *)atom)->body;
    else if (atom->type == self->float_type)
        *value = ((const LV2_Atom_Float *)atom)->body;
    else if (atom->type == self->int_type)
        *value = ((const LV2_Atom_Int *)atom)->body;
    else if (atom->type == self->long_type)
        *value = (double)((const LV2_Atom_Long *)atom)->body;
    else
        return false;
    return true;
}

static void take_position(plugin *self, const LV2_Atom_Object *object) {
    const LV2_Atom *beat = NULL, *bar = NULL, *bar_beat = NULL, *per_bar = NULL, *unit = NULL, *bpm = NULL, *speed = NULL;
    double value, bars = 0.0, beats = 0.0;
    lv2_atom_object_get(object, self->beat, &beat, self->bar, &bar, self->bar_beat, &bar_beat, self->per_bar, &per_bar,
                        self->unit, &unit, self->bpm, &bpm, self->speed, &speed, 0);
    riff_host *host = &self->host;
    if (number(self, speed, &value)) host->playing = value != 0.0;
    if (number(self, per_bar, &value) && value > 0.0) host->beats_per_bar = value;
    if (number(self, unit, &value) && value >= 1.0) host->beat_unit = (int)value;
    double quarters = 4.0 / host->beat_unit;
    bool placed = true;
    if (number(self, beat, &value))
        host->beat = value * quarters;
    else if (number(self, bar_beat, &beats) && number(self, bar, &bars))
        host->beat = (bars * host->beats_per_bar + beats) * quarters;
    else
        placed = false;
    bool timed = number(self, bpm, &value) && value > 0.0;
    if (timed) host->bpm = value * quarters;
    host->known = host->known || (timed && placed);
}

static void run_part(plugin *self, const riff_event *events, uint32_t count, uint32_t start, uint32_t end) {
    const float *in[2] = {NULL, NULL};
    float *out[MOST_AUDIO];
    for (uint32_t i = 0; i < self->inputs; i++) in[i] = self->in[i] + start;
    for (uint32_t i = 0; i < self->outputs; i++) out[i] = self->out[i] + start;
    riff_run(self->core, &self->host, events, count, self->inputs ? in : NULL, out, end - start);
    if (self->host.playing) self->host.beat += (end - start) * self->host.bpm / 60.0 / self->rate;
}

static void run(LV2_Handle instance, uint32_t frames) {
    plugin *self = instance;
    riff_event events[RIFF_EVENTS];
    uint32_t count = 0, start = 0;
    for (int i = 0; i < RIFF_PARAMETERS; i++)
        if (self->parameters[i] != NULL && *self->parameters[i] != self->seen[i])
            riff_set(self->core, i, self->seen[i] = *self->parameters[i]);
    self->host.offline = self->freewheel != NULL && *self->freewheel > 0.5f;
    riff_begin(self->core, frames);
    if (self->events != NULL) {
        LV2_ATOM_SEQUENCE_FOREACH(self->events, event) {
            uint32_t at = event->time.frames < 0 ? 0 : (uint32_t)event->time.frames;
            if (at > frames) at = frames;
            if (event->body.type == self->midi) {
                if (count < RIFF_EVENTS && event->body.size >= 1 && event->body.size <= 3) {
                    riff_event *to = &events[count++];
                    *to = (riff_event){.frame = at < start ? 0 : at - start, .size = (uint8_t)event->body.size};
                    memcpy(to->data, event + 1, event->body.size);
                }
            } else if (event->body.type == self->object || event->body.type == self->blank) {
                const LV2_Atom_Object *object = (const LV2_Atom_Object *)&event->body;
                if (object->body.otype != self->position) continue;
                if (at > start) {
                    run_part(self, events, count, start, at);
                    count = 0;
                    start = at;
                }
                take_position(self, object);
            }
        }
    }
    if (frames > start) run_part(self, events, count, start, frames);
    int slot;
    float value;
    while (riff_take_change(self->core, &slot, &value)) continue; /* an LV2 plugin cannot set its own input ports */
    if (self->status != NULL) *self->status = (float)riff_status(self->core);
}

static void cleanup(LV2_Handle instance) {
    plugin *self = instance;
    riff_free(self->core);
    free(self);
}

static LV2_State_Status save(LV2_Handle instance, LV2_State_Store_Function store, LV2_State_Handle handle,
                             uint32_t flags, const LV2_Feature *const *features) {
    (void)flags, (void)features;
    plugin *self = instance;
    char *text = malloc(RIFF_STATE);
    if (text == NULL) return LV2_STATE_ERR_NO_SPACE;
    size_t length = riff_save(self->core, false, text);
    LV2_State_Status status = store(handle, self->instance_state, text, length + 1, self->string,
                                    LV2_STATE_IS_POD | LV2_STATE_IS_PORTABLE);
    free(text);
    return status;
}

static LV2_State_Status restore(LV2_Handle instance, LV2_State_Retrieve_Function retrieve, LV2_State_Handle handle,
                                uint32_t flags, const LV2_Feature *const *features) {
    (void)features;
    plugin *self = instance;
    size_t size = 0;
    uint32_t type = 0;
    const char *text = retrieve(handle, self->instance_state, &size, &type, &flags);
    if (text == NULL) return LV2_STATE_ERR_NO_PROPERTY;
    if (type != self->string || size == 0 || text[size - 1] != 0) return LV2_STATE_ERR_BAD_TYPE;
    return riff_load(self->core, text) ? LV2_STATE_SUCCESS : LV2_STATE_ERR_UNKNOWN;
}

static const void *extension_data(const char *uri) {
    static const LV2_State_Interface state = {save, restore};
    return strcmp(uri, LV2_STATE__interface) == 0 ? &state : NULL;
}

#define DESCRIPTOR(uri) {uri, instantiate, connect_port, activate, run, NULL, cleanup, extension_data}

LV2_SYMBOL_EXPORT const LV2_Descriptor *lv2_descriptor(uint32_t index) {
    static const LV2_Descriptor descriptors[RIFF_KINDS] = {
        DESCRIPTOR(RIFF_URI),
        DESCRIPTOR(RIFF_URI "#instrument"),
        DESCRIPTOR(RIFF_URI "#stems"),
    };
    return index < RIFF_KINDS ? &descriptors[index] : NULL;
}
