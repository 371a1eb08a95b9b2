/* clap: the CLAP shell. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clap/entry.h"
#include "clap/ext/audio-ports.h"
#include "clap/ext/note-ports.h"
#include "clap/ext/params.h"
#include "clap/ext/state.h"
#include "clap/plugin-factory.h"
#include "clap/plugin-features.h"
#include "clap/plugin.h"
#include "core.h"
#include "names.h"

/* ext/render.h of CLAP: not among the headers that Debian's DPF holds. */
typedef struct {
    bool(CLAP_ABI *has_hard_realtime_requirement)(const clap_plugin_t *plugin);
    bool(CLAP_ABI *set)(const clap_plugin_t *plugin, int32_t mode);
} render_extension;
#define RENDER_EXTENSION "clap.render"
#define RENDER_OFFLINE 1

#define BEATS ((double)CLAP_BEATTIME_FACTOR)

typedef struct {
    clap_plugin_t clap;
    const clap_host_t *host;
    riff *core;
    riff_kind kind;
    riff_host time;
    double rate;
    _Atomic bool offline;
} plugin;

static plugin *self_of(const clap_plugin_t *clap) { return clap->plugin_data; }

/* --- ports ------------------------------------------------------------------------------------------------------ */

static uint32_t audio_count(const clap_plugin_t *clap, bool input) {
    riff_kind kind = self_of(clap)->kind;
    return input ? (kind == RIFF_EFFECT ? 1 : 0) : (kind == RIFF_STEMS ? 4 : 1);
}

static bool audio_get(const clap_plugin_t *clap, uint32_t index, bool input, clap_audio_port_info_t *info) {
    if (index >= audio_count(clap, input)) return false;
    bool stems = self_of(clap)->kind == RIFF_STEMS, pair = self_of(clap)->kind == RIFF_EFFECT;
    memset(info, 0, sizeof *info);
    info->id = input ? 100 : index;
    if (stems)
        snprintf(info->name, sizeof info->name, "Stem %u", index + 1);
    else
        snprintf(info->name, sizeof info->name, "%s", input ? "Input" : "Output");
    info->flags = index == 0 ? CLAP_AUDIO_PORT_IS_MAIN : 0;
    info->channel_count = 2;
    info->port_type = CLAP_PORT_STEREO;
    info->in_place_pair = !pair ? CLAP_INVALID_ID : input ? 0 : 100;
    return true;
}

static uint32_t note_count(const clap_plugin_t *clap, bool input) {
    return input && self_of(clap)->kind != RIFF_EFFECT ? 1 : 0;
}

static bool note_get(const clap_plugin_t *clap, uint32_t index, bool input, clap_note_port_info_t *info) {
    if (index >= note_count(clap, input)) return false;
    memset(info, 0, sizeof *info);
    info->supported_dialects = CLAP_NOTE_DIALECT_CLAP | CLAP_NOTE_DIALECT_MIDI;
    info->preferred_dialect = CLAP_NOTE_DIALECT_MIDI;
    snprintf(info->name, sizeof info->name, "Notes");
    return true;
}

/* --- parameters ------------------------------------------------------------------------------------------------- */

static uint32_t params_count(const clap_plugin_t *clap) {
    (void)clap;
    return RIFF_PARAMETERS;
}

static bool params_info(const clap_plugin_t *clap, uint32_t index, clap_param_info_t *info) {
    const riff_parameter *is = index < RIFF_PARAMETERS ? riff_parameter_of((int)index) : NULL;
    if (is == NULL) return false;
    memset(info, 0, sizeof *info);
    info->id = index;
    info->flags = index < RIFF_SLOTS ? CLAP_PARAM_IS_AUTOMATABLE : CLAP_PARAM_IS_STEPPED;
    snprintf(info->name, sizeof info->name, "%s", is->name);
    info->min_value = is->low;
    info->max_value = index == RIFF_SOURCE ? riff_sources(self_of(clap)->kind) - 1 : is->high;
    info->default_value = is->standard;
    return true;
}

static bool params_value(const clap_plugin_t *clap, clap_id id, double *value) {
    if (id >= RIFF_PARAMETERS) return false;
    *value = riff_get(self_of(clap)->core, (int)id);
    return true;
}

static bool params_text(const clap_plugin_t *clap, clap_id id, double value, char *text, uint32_t size) {
    if (id >= RIFF_PARAMETERS) return false;
    if (id == RIFF_SOURCE)
        riff_source_name(self_of(clap)->kind, (int)lround(value), text, size);
    else if (id == RIFF_PLAY_ON)
        snprintf(text, size, "%s", value >= 0.5 ? "play on" : "silent");
    else if (id == RIFF_START)
        snprintf(text, size, "%s", value >= 0.5 ? "on" : "off");
    else
        snprintf(text, size, "%ld %%", lround(value * 100.0));
    return true;
}

static bool params_parse(const clap_plugin_t *clap, clap_id id, const char *text, double *value) {
    char name[64];
    const riff_parameter *is = id < RIFF_PARAMETERS ? riff_parameter_of((int)id) : NULL;
    if (is == NULL) return false;
    if (is->whole) {
        int most = id == RIFF_SOURCE ? riff_sources(self_of(clap)->kind) - 1 : (int)is->high;
        for (int i = 0; i <= most; i++) {
            params_text(clap, id, i, name, sizeof name);
            if (strcmp(name, text) == 0) {
                *value = i;
                return true;
            }
        }
        return false;
    }
    char *end;
    long percent = strtol(text, &end, 10);
    if (end == text || percent < 0 || percent > 100) return false;
    *value = (double)percent / 100.0;
    return true;
}

static void take_parameter(plugin *self, const clap_event_header_t *event) {
    const clap_event_param_value_t *change = (const clap_event_param_value_t *)event;
    if (change->param_id < RIFF_PARAMETERS) riff_set(self->core, (int)change->param_id, (float)change->value);
}

/* The engine's own changes, for the host's generic page and its automation in touch and write. */
static void give_changes(plugin *self, const clap_output_events_t *out) {
    int slot;
    float value;
    while (out != NULL && riff_take_change(self->core, &slot, &value)) {
        clap_event_param_value_t change = {
            .header = {.size = sizeof change, .space_id = CLAP_CORE_EVENT_SPACE_ID, .type = CLAP_EVENT_PARAM_VALUE},
            .param_id = (clap_id)slot,
            .note_id = -1,
            .port_index = -1,
            .channel = -1,
            .key = -1,
            .value = value,
        };
        out->try_push(out, &change.header);
    }
}

static void params_flush(const clap_plugin_t *clap, const clap_input_events_t *in, const clap_output_events_t *out) {
    for (uint32_t i = 0; in != NULL && i < in->size(in); i++) {
        const clap_event_header_t *event = in->get(in, i);
        if (event->space_id == CLAP_CORE_EVENT_SPACE_ID && event->type == CLAP_EVENT_PARAM_VALUE)
            take_parameter(self_of(clap), event);
    }
    give_changes(self_of(clap), out);
}

/* --- state ------------------------------------------------------------------------------------------------------ */

static bool state_save(const clap_plugin_t *clap, const clap_ostream_t *stream) {
    char *text = malloc(RIFF_STATE);
    if (text == NULL) return false;
    size_t length = riff_save(self_of(clap)->core, true, text), done = 0;
    while (done < length) {
        int64_t wrote = stream->write(stream, text + done, length - done);
        if (wrote <= 0) break;
        done += (size_t)wrote;
    }
    free(text);
    return length > 0 && done == length;
}

static bool state_load(const clap_plugin_t *clap, const clap_istream_t *stream) {
    char *text = malloc(RIFF_STATE);
    size_t length = 0;
    int64_t got = 1;
    while (text != NULL && length < RIFF_STATE - 1 && got > 0) {
        got = stream->read(stream, text + length, RIFF_STATE - 1 - length);
        if (got > 0) length += (size_t)got;
    }
    bool loaded = text != NULL && got == 0;
    if (loaded) {
        text[length] = 0;
        loaded = riff_load(self_of(clap)->core, text);
    }
    free(text);
    const clap_host_params_t *params = loaded ? self_of(clap)->host->get_extension(self_of(clap)->host, CLAP_EXT_PARAMS) : NULL;
    if (params != NULL) params->rescan(self_of(clap)->host, CLAP_PARAM_RESCAN_VALUES);
    return loaded;
}

/* --- offline rendering ------------------------------------------------------------------------------------------ */

static bool render_hard(const clap_plugin_t *clap) {
    (void)clap;
    return false;
}

static bool render_set(const clap_plugin_t *clap, int32_t mode) {
    self_of(clap)->offline = mode == RENDER_OFFLINE;
    return true;
}

/* --- sound ------------------------------------------------------------------------------------------------------ */

static void take_transport(plugin *self, const clap_event_transport_t *transport) {
    riff_host *time = &self->time;
    const uint32_t told = CLAP_TRANSPORT_HAS_TEMPO | CLAP_TRANSPORT_HAS_BEATS_TIMELINE;
    if (transport == NULL) {
        *time = (riff_host){.bpm = 120.0, .beats_per_bar = 4.0, .beat_unit = 4};
        return;
    }
    time->known = (transport->flags & told) == told && transport->tempo > 0.0;
    time->playing = (transport->flags & CLAP_TRANSPORT_IS_PLAYING) != 0;
    time->beat = (double)transport->song_pos_beats / BEATS;
    time->bpm = transport->tempo;
    time->loop = (transport->flags & CLAP_TRANSPORT_IS_LOOP_ACTIVE) != 0 &&
                 transport->loop_end_beats > transport->loop_start_beats;
    time->loop_start = time->loop ? (double)transport->loop_start_beats / BEATS : 0.0;
    time->loop_end = time->loop ? (double)transport->loop_end_beats / BEATS : 0.0;
    bool metre = (transport->flags & CLAP_TRANSPORT_HAS_TIME_SIGNATURE) != 0 && transport->tsig_denom > 0;
    time->beats_per_bar = metre ? transport->tsig_num : 4.0;
    time->beat_unit = metre ? transport->tsig_denom : 4;
}

/* A note of CLAP's own dialect as MIDI; false for what is no note. */
static bool note_message(const clap_event_header_t *event, riff_event *to) {
    const clap_event_note_t *note = (const clap_event_note_t *)event;
    if (event->type == CLAP_EVENT_MIDI) {
        const clap_event_midi_t *midi = (const clap_event_midi_t *)event;
        uint8_t kind = midi->data[0] & 0xF0;
        to->size = kind == 0xC0 || kind == 0xD0 ? 2 : midi->data[0] >= 0xF4 ? 1 : 3;
        memcpy(to->data, midi->data, 3);
        return true;
    }
    if ((event->type != CLAP_EVENT_NOTE_ON && event->type != CLAP_EVENT_NOTE_OFF) || note->key < 0 || note->channel < 0)
        return false;
    bool on = event->type == CLAP_EVENT_NOTE_ON;
    double velocity = note->velocity < 0.0 ? 0.0 : note->velocity > 1.0 ? 1.0 : note->velocity;
    to->size = 3;
    to->data[0] = (uint8_t)((on ? 0x90 : 0x80) | (note->channel & 15));
    to->data[1] = (uint8_t)(note->key & 127);
    to->data[2] = on && velocity < 1.0 / 127.0 ? 1 : (uint8_t)lround(velocity * 127.0);
    return true;
}

static void run_part(plugin *self, const clap_process_t *process, const riff_event *events, uint32_t count,
                     uint32_t start, uint32_t end) {
    const float *in[2] = {NULL, NULL};
    float *out[8];
    bool has_input = self->kind == RIFF_EFFECT && process->audio_inputs_count > 0;
    uint32_t ports = self->kind == RIFF_STEMS ? 4 : 1;
    for (uint32_t i = 0; has_input && i < 2; i++) in[i] = process->audio_inputs[0].data32[i] + start;
    for (uint32_t i = 0; i < 2 * ports; i++) out[i] = process->audio_outputs[i / 2].data32[i % 2] + start;
    riff_run(self->core, &self->time, events, count, has_input ? in : NULL, out, end - start);
    if (self->time.playing) self->time.beat += (end - start) * self->time.bpm / 60.0 / self->rate;
}

static clap_process_status process(const clap_plugin_t *clap, const clap_process_t *process) {
    plugin *self = self_of(clap);
    riff_event events[RIFF_EVENTS];
    uint32_t count = 0, start = 0, frames = process->frames_count;
    if (process->audio_outputs_count < audio_count(clap, false)) return CLAP_PROCESS_ERROR;
    riff_begin(self->core, frames);
    take_transport(self, process->transport);
    self->time.offline = self->offline;
    const clap_input_events_t *in = process->in_events;
    for (uint32_t i = 0; in != NULL && i < in->size(in); i++) {
        const clap_event_header_t *event = in->get(in, i);
        uint32_t at = event->time > frames ? frames : event->time;
        if (event->space_id != CLAP_CORE_EVENT_SPACE_ID) continue;
        if (event->type == CLAP_EVENT_PARAM_VALUE) {
            take_parameter(self, event);
        } else if (event->type == CLAP_EVENT_TRANSPORT) {
            if (at > start) {
                run_part(self, process, events, count, start, at);
                count = 0;
                start = at;
            }
            take_transport(self, (const clap_event_transport_t *)event);
            self->time.offline = self->offline;
        } else if (count < RIFF_EVENTS && note_message(event, &events[count])) {
            events[count++].frame = at < start ? 0 : at - start;
        }
    }
    if (frames > start) run_part(self, process, events, count, start, frames);
    give_changes(self, process->out_events);
    return CLAP_PROCESS_CONTINUE;
}

/* --- life ------------------------------------------------------------------------------------------------------- */

static bool init(const clap_plugin_t *clap) {
    plugin *self = self_of(clap);
    self->core = riff_new(self->kind);
    return self->core != NULL;
}

static void destroy(const clap_plugin_t *clap) {
    riff_free(self_of(clap)->core);
    free(self_of(clap));
}

static bool activate(const clap_plugin_t *clap, double rate, uint32_t least, uint32_t most) {
    (void)least, (void)most;
    self_of(clap)->rate = rate;
    riff_activate(self_of(clap)->core, rate);
    return true;
}

static void nothing(const clap_plugin_t *clap) { (void)clap; }

static bool yes(const clap_plugin_t *clap) {
    (void)clap;
    return true;
}

static const void *extension(const clap_plugin_t *clap, const char *id) {
    static const clap_plugin_audio_ports_t audio = {audio_count, audio_get};
    static const clap_plugin_note_ports_t notes = {note_count, note_get};
    static const clap_plugin_params_t params = {params_count, params_info,  params_value,
                                                params_text,  params_parse, params_flush};
    static const clap_plugin_state_t state = {state_save, state_load};
    static const render_extension render = {render_hard, render_set};
    if (strcmp(id, CLAP_EXT_AUDIO_PORTS) == 0) return &audio;
    if (strcmp(id, CLAP_EXT_NOTE_PORTS) == 0 && self_of(clap)->kind != RIFF_EFFECT) return &notes;
    if (strcmp(id, CLAP_EXT_PARAMS) == 0) return &params;
    if (strcmp(id, CLAP_EXT_STATE) == 0) return &state;
    if (strcmp(id, RENDER_EXTENSION) == 0) return &render;
    return NULL;
}

static const char *effect_features[] = {CLAP_PLUGIN_FEATURE_AUDIO_EFFECT, CLAP_PLUGIN_FEATURE_STEREO, NULL};
static const char *instrument_features[] = {CLAP_PLUGIN_FEATURE_INSTRUMENT, CLAP_PLUGIN_FEATURE_STEREO, NULL};

#define DESCRIPTOR(suffix, title, about, list)                                                        \
    {.clap_version = CLAP_VERSION_INIT, .id = RIFF_ID suffix, .name = "Riffengine" title, .vendor = "Riffengine", \
     .url = "", .manual_url = "", .support_url = "", .version = RIFF_VERSION, .description = about,        \
     .features = list}

static const clap_plugin_descriptor_t descriptors[RIFF_KINDS] = {
    DESCRIPTOR("", "", "Generated loops on the beat of the host", effect_features),
    DESCRIPTOR(".instrument", " Instrument", "The same, played by the notes of the track", instrument_features),
    DESCRIPTOR(".stems", " Stems", "The same, four stems of a deck on four outputs", instrument_features),
};

static uint32_t factory_count(const struct clap_plugin_factory *factory) {
    (void)factory;
    return RIFF_KINDS;
}

static const clap_plugin_descriptor_t *factory_get(const struct clap_plugin_factory *factory, uint32_t index) {
    (void)factory;
    return index < RIFF_KINDS ? &descriptors[index] : NULL;
}

static const clap_plugin_t *factory_create(const struct clap_plugin_factory *factory, const clap_host_t *host,
                                           const char *id) {
    (void)factory;
    for (int kind = 0; kind < RIFF_KINDS; kind++) {
        if (strcmp(descriptors[kind].id, id) != 0) continue;
        plugin *self = calloc(1, sizeof *self);
        if (self == NULL) return NULL;
        self->kind = (riff_kind)kind;
        self->host = host;
        self->rate = 48000.0;
        self->clap = (clap_plugin_t){&descriptors[kind], self, init, destroy, activate, nothing, yes, nothing, nothing,
                                     process, extension, nothing};
        return &self->clap;
    }
    return NULL;
}

static bool entry_init(const char *path) {
    (void)path;
    return true;
}

static void entry_deinit(void) {}

static const void *entry_factory(const char *id) {
    static const clap_plugin_factory_t factory = {factory_count, factory_get, factory_create};
    return strcmp(id, CLAP_PLUGIN_FACTORY_ID) == 0 ? &factory : NULL;
}

CLAP_EXPORT const clap_plugin_entry_t clap_entry = {CLAP_VERSION_INIT, entry_init, entry_deinit, entry_factory};
