/* vst3: the VST3 shell of the audio effect, by DPF. It takes no MIDI: DPF shows hosts 2080 parameters for that. */
#include "DistrhoPlugin.hpp"

extern "C" {
#include "core.h"
}

START_NAMESPACE_DISTRHO

class RiffenginePlugin : public Plugin {
public:
    RiffenginePlugin() : Plugin(RIFF_PARAMETERS, 0, 1), core(riff_new(RIFF_EFFECT)) {}
    ~RiffenginePlugin() override { riff_free(core); }

protected:
    const char* getLabel() const override { return "riffengine"; }
    const char* getDescription() const override { return "Generated loops on the beat of the host"; }
    const char* getMaker() const override { return "Riffengine"; }
    const char* getLicense() const override { return "MIT"; }
    uint32_t getVersion() const override { return d_version(0, 1, 0); }
    int64_t getUniqueId() const override { return d_cconst('R', 'i', 'f', 'E'); }

    void initParameter(uint32_t index, Parameter& parameter) override {
        const riff_parameter* is = riff_parameter_of(static_cast<int>(index));
        parameter.hints = index < RIFF_SLOTS ? kParameterIsAutomatable : kParameterIsInteger;
        parameter.name = is->name;
        parameter.symbol = is->symbol;
        parameter.ranges.def = is->standard;
        parameter.ranges.min = is->low;
        parameter.ranges.max = is->high;
    }
    float getParameterValue(uint32_t index) const override { return riff_get(core, static_cast<int>(index)); }
    void setParameterValue(uint32_t index, float value) override { riff_set(core, static_cast<int>(index), value); }

    void initState(uint32_t, State& state) override {
        state.key = "riffengine";
        state.defaultValue = "";
        state.label = "Riffengine";
    }
    String getState(const char*) const override {
        char* text = static_cast<char*>(std::malloc(RIFF_STATE));
        const size_t length = text == nullptr ? 0 : riff_save(core, false, text);
        String state(length > 0 ? text : "");
        std::free(text);
        return state;
    }
    void setState(const char*, const char* value) override { riff_load(core, value); }

    void activate() override { riff_activate(core, getSampleRate()); }

    void run(const float** inputs, float** outputs, uint32_t frames) override {
        const TimePosition& time = getTimePosition();
        riff_host host = {};
        host.playing = time.playing;
        host.known = time.bbt.valid && time.bbt.beatsPerMinute > 0.0;
        host.bpm = host.known ? time.bbt.beatsPerMinute : 120.0;
        host.beats_per_bar = host.known ? time.bbt.beatsPerBar : 4.0;
        host.beat_unit = host.known ? static_cast<int>(time.bbt.beatType) : 4;
        if (host.known) {
            const double ticks = time.bbt.ticksPerBeat > 0.0 ? time.bbt.tick / time.bbt.ticksPerBeat : 0.0;
            const double beats = (time.bbt.bar - 1) * host.beats_per_bar + (time.bbt.beat - 1) + ticks;
            host.beat = beats * 4.0 / time.bbt.beatType;
        }
        riff_begin(core, frames);
        riff_run(core, &host, nullptr, 0, inputs, outputs, frames);
        int slot;
        float value;
        while (riff_take_change(core, &slot, &value)) continue; /* DPF reads the value itself where it is asked */
    }

private:
    riff* const core;
    DISTRHO_DECLARE_NON_COPYABLE_WITH_LEAK_DETECTOR(RiffenginePlugin)
};

Plugin* createPlugin() { return new RiffenginePlugin(); }

END_NAMESPACE_DISTRHO
