"""Decides what to render next and by when, and what sounds when nothing is ready. Pure logic; time is passed in."""
