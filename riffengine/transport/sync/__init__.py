"""Tempo sync: sources of the beat (internal, MIDI clock, Link), the follower, and the MIDI clock we send.

Everything here is pure: bytes and host times come in, grids and bytes go out. Ports and networks are in
``riffengine.control``.
"""
