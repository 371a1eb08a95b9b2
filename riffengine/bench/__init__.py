"""Benchmarks that a performer can run: render speed, latency from gesture to sound, and OSC round trips."""
