"""Playback turns finished loops into one continuous signal, through decks, effects, mixer and limiter.

It uses numpy only.
"""
