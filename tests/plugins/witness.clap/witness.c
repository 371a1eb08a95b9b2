/* CLAP plugins for the tests: meters show what the host told them; "midi" wants MIDI, "notes" CLAP's own notes. */
#include "clap/entry.h"
#include "clap/ext/audio-ports.h"
#include "clap/ext/latency.h"
#include "clap/ext/note-ports.h"
#include "clap/ext/params.h"
#include "clap/ext/state.h"
#include "clap/plugin-factory.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GAIN, KIND, TEMPO, BEAT, BAR_START, BAR, PLAYING, SECONDS, STEADY, NOTE_FRAME, KEY, VELOCITY, ON, CALLS, PARAMS };
static const char *const names[PARAMS] = {"Gain", "Kind", "Tempo", "Beat", "Bar start", "Bar", "Playing", "Seconds",
                                          "Steady", "Note frame", "Key", "Velocity", "On", "Calls"};

typedef struct {
    clap_plugin_t plugin;
    const clap_host_t *host;
    double values[PARAMS];
    uint32_t latency;
    bool notes, active;
} Witness;

static Witness *of(const clap_plugin_t *plugin) { return plugin->plugin_data; }

static void take(Witness *self, const clap_event_header_t *event) {
    if (event->type == CLAP_EVENT_PARAM_VALUE) {
        const clap_event_param_value_t *set = (const clap_event_param_value_t *)event;
        self->values[set->param_id] = set->value;
        if (set->param_id == KIND && set->value == 2) self->host->request_restart(self->host);
        if (set->param_id == KIND && set->value == 1) self->host->request_callback(self->host);
    } else if (event->type == CLAP_EVENT_MIDI && !self->notes) {
        const clap_event_midi_t *midi = (const clap_event_midi_t *)event;
        self->values[NOTE_FRAME] = event->time, self->values[KEY] = midi->data[1];
        self->values[VELOCITY] = midi->data[2], self->values[ON] = (midi->data[0] & 0xf0) == 0x90;
    } else if ((event->type == CLAP_EVENT_NOTE_ON || event->type == CLAP_EVENT_NOTE_OFF) && self->notes) {
        const clap_event_note_t *note = (const clap_event_note_t *)event;
        self->values[NOTE_FRAME] = event->time, self->values[KEY] = note->key;
        self->values[VELOCITY] = note->velocity, self->values[ON] = event->type == CLAP_EVENT_NOTE_ON;
    }
}

static void take_all(Witness *self, const clap_input_events_t *events) {
    for (uint32_t i = 0; i < events->size(events); i++) take(self, events->get(events, i));
}

static bool init(const clap_plugin_t *plugin) { return of(plugin)->host->clap_version.major == 1; }
static void destroy(const clap_plugin_t *plugin) { free(of(plugin)); }
static bool activate(const clap_plugin_t *plugin, double rate, uint32_t least, uint32_t most) {
    (void)rate;
    of(plugin)->latency = of(plugin)->values[KIND] == 2 ? 100 : 64;
    return of(plugin)->active = least <= most && least > 0;
}
static void deactivate(const clap_plugin_t *plugin) { of(plugin)->active = false; }
static bool start(const clap_plugin_t *plugin) { return of(plugin)->active; }
static void nothing(const clap_plugin_t *plugin) { (void)plugin; }

static clap_process_status process(const clap_plugin_t *plugin, const clap_process_t *block) {
    Witness *self = of(plugin);
    take_all(self, block->in_events);
    if (self->values[KIND] == 3) return CLAP_PROCESS_ERROR;
    const clap_event_transport_t *t = block->transport;
    self->values[TEMPO] = t->tempo, self->values[BEAT] = (double)t->song_pos_beats / CLAP_BEATTIME_FACTOR;
    self->values[BAR_START] = (double)t->bar_start / CLAP_BEATTIME_FACTOR, self->values[BAR] = t->bar_number;
    self->values[PLAYING] = !!(t->flags & CLAP_TRANSPORT_IS_PLAYING);
    self->values[SECONDS] = (double)t->song_pos_seconds / CLAP_SECTIME_FACTOR;
    self->values[STEADY] = (double)block->steady_time;
    for (int c = 0; c < 2; c++)
        for (uint32_t i = 0; i < block->frames_count; i++)
            block->audio_outputs[0].data32[c][i] =
                block->audio_inputs[0].data32[c][i] * (float)self->values[GAIN] + block->audio_inputs[1].data32[0][i];
    return CLAP_PROCESS_CONTINUE;
}

static uint32_t port_count(const clap_plugin_t *plugin, bool input) { return (void)plugin, input ? 2 : 1; }
static bool port(const clap_plugin_t *plugin, uint32_t index, bool input, clap_audio_port_info_t *info) {
    (void)plugin, (void)input;
    *info = (clap_audio_port_info_t){.id = index, .channel_count = index ? 1 : 2, .in_place_pair = CLAP_INVALID_ID};
    return true;
}
static uint32_t note_count(const clap_plugin_t *plugin, bool input) { return (void)plugin, input; }
static bool note_port(const clap_plugin_t *plugin, uint32_t index, bool input, clap_note_port_info_t *info) {
    (void)index, (void)input;
    uint32_t dialect = of(plugin)->notes ? CLAP_NOTE_DIALECT_CLAP : CLAP_NOTE_DIALECT_MIDI;
    *info = (clap_note_port_info_t){.supported_dialects = dialect, .preferred_dialect = dialect};
    return true;
}
static uint32_t param_count(const clap_plugin_t *plugin) { return (void)plugin, PARAMS; }
static bool param_info(const clap_plugin_t *plugin, uint32_t index, clap_param_info_t *info) {
    (void)plugin;
    *info = (clap_param_info_t){.id = index, .min_value = 0, .max_value = index == KIND ? 3 : index == GAIN ? 2 : 1e6};
    info->default_value = index == GAIN;
    info->flags = index == GAIN ? CLAP_PARAM_IS_AUTOMATABLE
                  : index == KIND ? CLAP_PARAM_IS_STEPPED | CLAP_PARAM_IS_AUTOMATABLE : CLAP_PARAM_IS_READONLY;
    strcpy(info->name, names[index]);
    return true;
}
static bool param_value(const clap_plugin_t *plugin, clap_id id, double *value) {
    *value = of(plugin)->values[id];
    return true;
}
static bool to_text(const clap_plugin_t *plugin, clap_id id, double value, char *text, uint32_t size) {
    static const char *const kinds[] = {"plain", "calls", "restarts", "fails"};
    (void)plugin;
    return (id == KIND ? snprintf(text, size, "%s", kinds[(int)value]) : snprintf(text, size, "%g dB", value)) > 0;
}
static bool to_value(const clap_plugin_t *p, clap_id id, const char *t, double *v) { return (void)p, (void)id, (void)t, (void)v, false; }
static void flush(const clap_plugin_t *plugin, const clap_input_events_t *in, const clap_output_events_t *out) {
    (void)out;
    take_all(of(plugin), in);
}
static bool save(const clap_plugin_t *plugin, const clap_ostream_t *stream) {
    const char *bytes = (const char *)of(plugin)->values;
    for (size_t i = 0; i < sizeof of(plugin)->values; i += 16) /* in parts, as the interface allows */
        if (stream->write(stream, bytes + i, 16) != 16) return false;
    return true;
}
static bool load(const clap_plugin_t *plugin, const clap_istream_t *stream) {
    char *bytes = (char *)of(plugin)->values;
    size_t got = 0, all = sizeof of(plugin)->values;
    for (int64_t n; got < all && (n = stream->read(stream, bytes + got, all - got < 10 ? all - got : 10)) > 0;) got += n;
    return got == all;
}
static uint32_t latency(const clap_plugin_t *plugin) { return of(plugin)->latency; }
static void on_main_thread(const clap_plugin_t *plugin) { of(plugin)->values[CALLS]++; }

static const void *extension(const clap_plugin_t *plugin, const char *id) {
    static const clap_plugin_audio_ports_t audio = {port_count, port};
    static const clap_plugin_note_ports_t notes = {note_count, note_port};
    static const clap_plugin_params_t params = {param_count, param_info, param_value, to_text, to_value, flush};
    static const clap_plugin_state_t state = {save, load};
    static const clap_plugin_latency_t delay = {latency};
    (void)plugin;
    if (!strcmp(id, CLAP_EXT_AUDIO_PORTS)) return &audio;
    if (!strcmp(id, CLAP_EXT_NOTE_PORTS)) return &notes;
    if (!strcmp(id, CLAP_EXT_PARAMS)) return &params;
    if (!strcmp(id, CLAP_EXT_STATE)) return &state;
    return strcmp(id, CLAP_EXT_LATENCY) ? NULL : &delay;
}

static const char *const features[] = {"audio-effect", NULL};
static const clap_plugin_descriptor_t descriptors[] = {
    {CLAP_VERSION_INIT, "midi", "Riffengine test midi", "Riffengine", "", "", "", "1", "", (const char **)features},
    {CLAP_VERSION_INIT, "notes", "Riffengine test notes", "Riffengine", "", "", "", "1", "", (const char **)features},
};
static uint32_t count(const clap_plugin_factory_t *factory) { return (void)factory, 2; }
static const clap_plugin_descriptor_t *descriptor(const clap_plugin_factory_t *factory, uint32_t index) {
    return (void)factory, &descriptors[index];
}
static const clap_plugin_t *create(const clap_plugin_factory_t *factory, const clap_host_t *host, const char *id) {
    (void)factory;
    Witness *self = calloc(1, sizeof(Witness));
    self->host = host, self->notes = !strcmp(id, "notes"), self->values[GAIN] = 1;
    self->plugin = (clap_plugin_t){&descriptors[self->notes], self, init, destroy, activate, deactivate, start, nothing,
                                   nothing, process, extension, on_main_thread};
    return &self->plugin;
}
static bool load_file(const char *path) { return (void)path, true; }
static void unload_file(void) {}
static const void *get_factory(const char *id) {
    static const clap_plugin_factory_t factory = {count, descriptor, create};
    return strcmp(id, CLAP_PLUGIN_FACTORY_ID) ? NULL : &factory;
}
CLAP_EXPORT const clap_plugin_entry_t clap_entry = {CLAP_VERSION_INIT, load_file, unload_file, get_factory};
