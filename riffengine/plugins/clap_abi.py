"""The binary interface of CLAP: its structures and functions by our own definitions. Source: CLAP 1.1 headers (MIT)."""

from __future__ import annotations

from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_bool,
    c_char,
    c_char_p,
    c_double,
    c_float,
    c_int16,
    c_int32,
    c_int64,
    c_uint8,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
)

FIXED_POINT = 1 << 31
"""One beat or second as a whole number."""

NOTE_ON, NOTE_OFF, PARAM_VALUE, TRANSPORT, MIDI = 0, 1, 5, 9, 10
IS_STEPPED, IS_HIDDEN, IS_READONLY = 1 << 0, 1 << 2, 1 << 3
DIALECT_CLAP, DIALECT_MIDI = 1 << 0, 1 << 1
HAS_TEMPO, HAS_BEATS, HAS_SECONDS, HAS_SIGNATURE, IS_PLAYING = 1, 2, 4, 8, 16
PROCESS_ERROR = 0


class Version(Structure):
    """``clap_version``."""

    _fields_ = (("major", c_uint32), ("minor", c_uint32), ("revision", c_uint32))


class Entry(Structure):
    """``clap_plugin_entry``: the one symbol of a file."""

    _fields_ = (
        ("version", Version),
        ("init", CFUNCTYPE(c_bool, c_char_p)),
        ("deinit", CFUNCTYPE(None)),
        ("get_factory", CFUNCTYPE(c_void_p, c_char_p)),
    )


class Descriptor(Structure):
    """``clap_plugin_descriptor``."""

    _fields_ = (
        ("version", Version),
        ("id", c_char_p),
        ("name", c_char_p),
        ("vendor", c_char_p),
        ("url", c_char_p),
        ("manual_url", c_char_p),
        ("support_url", c_char_p),
        ("version_text", c_char_p),
        ("description", c_char_p),
        ("features", POINTER(c_char_p)),
    )


class Factory(Structure):
    """``clap_plugin_factory``."""

    _fields_ = (
        ("get_plugin_count", CFUNCTYPE(c_uint32, c_void_p)),
        ("get_plugin_descriptor", CFUNCTYPE(c_void_p, c_void_p, c_uint32)),
        ("create_plugin", CFUNCTYPE(c_void_p, c_void_p, c_void_p, c_char_p)),
    )


class Plugin(Structure):
    """``clap_plugin``."""

    _fields_ = (
        ("descriptor", c_void_p),
        ("data", c_void_p),
        ("init", CFUNCTYPE(c_bool, c_void_p)),
        ("destroy", CFUNCTYPE(None, c_void_p)),
        ("activate", CFUNCTYPE(c_bool, c_void_p, c_double, c_uint32, c_uint32)),
        ("deactivate", CFUNCTYPE(None, c_void_p)),
        ("start_processing", CFUNCTYPE(c_bool, c_void_p)),
        ("stop_processing", CFUNCTYPE(None, c_void_p)),
        ("reset", CFUNCTYPE(None, c_void_p)),
        ("process", CFUNCTYPE(c_int32, c_void_p, c_void_p)),
        ("get_extension", CFUNCTYPE(c_void_p, c_void_p, c_char_p)),
        ("on_main_thread", CFUNCTYPE(None, c_void_p)),
    )


HostGetExtension = CFUNCTYPE(c_void_p, c_void_p, c_char_p)
HostCall = CFUNCTYPE(None, c_void_p)
HostCallNumber = CFUNCTYPE(None, c_void_p, c_uint32)
HostCallTwoNumbers = CFUNCTYPE(None, c_void_p, c_uint32, c_uint32)
HostAsks = CFUNCTYPE(c_bool, c_void_p)
HostAsksNumber = CFUNCTYPE(c_bool, c_void_p, c_uint32)
HostNumber = CFUNCTYPE(c_uint32, c_void_p)
HostLog = CFUNCTYPE(None, c_void_p, c_int32, c_char_p)


class Host(Structure):
    """``clap_host``."""

    _fields_ = (
        ("version", Version),
        ("data", c_void_p),
        ("name", c_char_p),
        ("vendor", c_char_p),
        ("url", c_char_p),
        ("version_text", c_char_p),
        ("get_extension", HostGetExtension),
        ("request_restart", HostCall),
        ("request_process", HostCall),
        ("request_callback", HostCall),
    )


class AudioBuffer(Structure):
    """``clap_audio_buffer``."""

    _fields_ = (
        ("data32", POINTER(POINTER(c_float))),
        ("data64", c_void_p),
        ("channel_count", c_uint32),
        ("latency", c_uint32),
        ("constant_mask", c_uint64),
    )


class Header(Structure):
    """``clap_event_header``."""

    _fields_ = (
        ("size", c_uint32),
        ("time", c_uint32),
        ("space", c_uint16),
        ("type", c_uint16),
        ("flags", c_uint32),
    )


class Note(Structure):
    """``clap_event_note``."""

    _fields_ = (
        ("header", Header),
        ("note_id", c_int32),
        ("port", c_int16),
        ("channel", c_int16),
        ("key", c_int16),
        ("velocity", c_double),
    )


class ParamValue(Structure):
    """``clap_event_param_value``."""

    _fields_ = (
        ("header", Header),
        ("id", c_uint32),
        ("cookie", c_void_p),
        ("note_id", c_int32),
        ("port", c_int16),
        ("channel", c_int16),
        ("key", c_int16),
        ("value", c_double),
    )


class Midi(Structure):
    """``clap_event_midi``."""

    _fields_ = (("header", Header), ("port", c_uint16), ("data", c_uint8 * 3))


class Transport(Structure):
    """``clap_event_transport``."""

    _fields_ = (
        ("header", Header),
        ("flags", c_uint32),
        ("beats", c_int64),
        ("seconds", c_int64),
        ("tempo", c_double),
        ("tempo_increment", c_double),
        ("loop_start_beats", c_int64),
        ("loop_end_beats", c_int64),
        ("loop_start_seconds", c_int64),
        ("loop_end_seconds", c_int64),
        ("bar_start", c_int64),
        ("bar_number", c_int32),
        ("numerator", c_uint16),
        ("denominator", c_uint16),
    )


EventCount = CFUNCTYPE(c_uint32, c_void_p)
EventGet = CFUNCTYPE(c_void_p, c_void_p, c_uint32)
EventPush = CFUNCTYPE(c_bool, c_void_p, c_void_p)


class InputEvents(Structure):
    """``clap_input_events``."""

    _fields_ = (("context", c_void_p), ("size", EventCount), ("get", EventGet))


class OutputEvents(Structure):
    """``clap_output_events``."""

    _fields_ = (("context", c_void_p), ("try_push", EventPush))


class Process(Structure):
    """``clap_process``."""

    _fields_ = (
        ("steady_time", c_int64),
        ("frames", c_uint32),
        ("transport", POINTER(Transport)),
        ("inputs", POINTER(AudioBuffer)),
        ("outputs", POINTER(AudioBuffer)),
        ("input_count", c_uint32),
        ("output_count", c_uint32),
        ("in_events", POINTER(InputEvents)),
        ("out_events", POINTER(OutputEvents)),
    )


class AudioPortInfo(Structure):
    """``clap_audio_port_info``."""

    _fields_ = (
        ("id", c_uint32),
        ("name", c_char * 256),
        ("flags", c_uint32),
        ("channel_count", c_uint32),
        ("port_type", c_char_p),
        ("in_place_pair", c_uint32),
    )


class AudioPorts(Structure):
    """``clap_plugin_audio_ports``."""

    _fields_ = (
        ("count", CFUNCTYPE(c_uint32, c_void_p, c_bool)),
        ("get", CFUNCTYPE(c_bool, c_void_p, c_uint32, c_bool, POINTER(AudioPortInfo))),
    )


class NotePortInfo(Structure):
    """``clap_note_port_info``."""

    _fields_ = (("id", c_uint32), ("dialects", c_uint32), ("preferred", c_uint32), ("name", c_char * 256))


class NotePorts(Structure):
    """``clap_plugin_note_ports``."""

    _fields_ = (
        ("count", CFUNCTYPE(c_uint32, c_void_p, c_bool)),
        ("get", CFUNCTYPE(c_bool, c_void_p, c_uint32, c_bool, POINTER(NotePortInfo))),
    )


class ParamInfo(Structure):
    """``clap_param_info``."""

    _fields_ = (
        ("id", c_uint32),
        ("flags", c_uint32),
        ("cookie", c_void_p),
        ("name", c_char * 256),
        ("module", c_char * 1024),
        ("low", c_double),
        ("high", c_double),
        ("default", c_double),
    )


class Params(Structure):
    """``clap_plugin_params``."""

    _fields_ = (
        ("count", CFUNCTYPE(c_uint32, c_void_p)),
        ("get_info", CFUNCTYPE(c_bool, c_void_p, c_uint32, POINTER(ParamInfo))),
        ("get_value", CFUNCTYPE(c_bool, c_void_p, c_uint32, POINTER(c_double))),
        ("value_to_text", CFUNCTYPE(c_bool, c_void_p, c_uint32, c_double, POINTER(c_char), c_uint32)),
        ("text_to_value", CFUNCTYPE(c_bool, c_void_p, c_uint32, c_char_p, POINTER(c_double))),
        ("flush", CFUNCTYPE(None, c_void_p, POINTER(InputEvents), POINTER(OutputEvents))),
    )


class Latency(Structure):
    """``clap_plugin_latency``."""

    _fields_ = (("get", CFUNCTYPE(c_uint32, c_void_p)),)


StreamCall = CFUNCTYPE(c_int64, c_void_p, c_void_p, c_uint64)


class Stream(Structure):
    """``clap_istream`` and ``clap_ostream``: one function that reads or writes."""

    _fields_ = (("context", c_void_p), ("call", StreamCall))


class State(Structure):
    """``clap_plugin_state``."""

    _fields_ = (
        ("save", CFUNCTYPE(c_bool, c_void_p, POINTER(Stream))),
        ("load", CFUNCTYPE(c_bool, c_void_p, POINTER(Stream))),
    )
