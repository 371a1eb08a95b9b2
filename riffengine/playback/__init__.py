"""Finished loops become one continuous signal: deck, morph, crossfade, mixer, limiter. numpy only."""
