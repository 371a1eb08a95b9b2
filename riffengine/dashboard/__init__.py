"""The dashboard: a performance on a terminal, drawn by its own process, so that it never disturbs the audio.

``process`` is the engine's side, ``wire`` the messages between both, ``panels`` formats an observation, ``app`` is the
screen.
"""
