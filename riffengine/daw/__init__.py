"""Riffengine as a plugin on a DAW's track: its C sources, and what builds, installs and checks them."""
