"""Musical time: tempo, beat, bar, quantum and the next boundary.

It is pure arithmetic; time is passed in.
"""
