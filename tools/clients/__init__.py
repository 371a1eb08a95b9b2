"""The ready-made clients under presets/clients/, written from the parameter tree: ``python -m tools.clients [--check]``."""
