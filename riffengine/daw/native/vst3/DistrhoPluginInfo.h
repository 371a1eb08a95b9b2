/* What DPF, https://github.com/DISTRHO/DPF (ISC), needs to know of the plugin before it is compiled around the core. */
#ifndef DISTRHO_PLUGIN_INFO_H_INCLUDED
#define DISTRHO_PLUGIN_INFO_H_INCLUDED

#include "names.h"

#define DISTRHO_PLUGIN_BRAND "Riffengine"
#define DISTRHO_PLUGIN_NAME "Riffengine"
#define DISTRHO_PLUGIN_URI RIFF_URI
#define DISTRHO_PLUGIN_HAS_UI 0
#define DISTRHO_PLUGIN_IS_RT_SAFE 1
#define DISTRHO_PLUGIN_NUM_INPUTS 2
#define DISTRHO_PLUGIN_NUM_OUTPUTS 2
#define DISTRHO_PLUGIN_WANT_TIMEPOS 1
#define DISTRHO_PLUGIN_WANT_STATE 1
#define DISTRHO_PLUGIN_WANT_FULL_STATE 1
#define DISTRHO_PLUGIN_VST3_CATEGORIES "Fx|Generator|Stereo"

#endif
