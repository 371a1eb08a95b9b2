"""Rendering to files without an engine: a loop, a morph, a whole song restyled."""
