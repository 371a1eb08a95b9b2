"""The JACK server of the tests is the one of ``riffengine bench latency``."""

from riffengine.bench.jack_server import Capture, JackServer, build_capture, missing_programs

__all__ = ["Capture", "JackServer", "build_capture", "missing_programs"]
