"""Hosted plugins as the engine keeps them: which are where, their processes, their parameters."""
