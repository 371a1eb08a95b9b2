"""Scheduler: decides what to render next and by when, and what to do when nothing is ready. Pure; time is passed in."""
