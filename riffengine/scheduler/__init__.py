"""The scheduler decides what to render next and by when, and what sounds when nothing is ready.

It is pure logic; time is passed in.
"""
