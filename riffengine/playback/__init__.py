"""Playback: finished loops become one continuous signal through decks, effects, mixer and limiter. numpy only."""
