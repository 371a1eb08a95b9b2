"""Sync: who says where the beat is. Sources (internal, MIDI clock, Link), the follower, and the clock we send out.

Everything here is pure: bytes and host times come in, grids and bytes go out. What touches a port or a network lies in
``riffengine.control``.
"""
