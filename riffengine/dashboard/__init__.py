"""Dashboard: a performance on a terminal, in a process of its own: it draws, hears keys, and can cost no block.

``link`` is the engine's side and what travels; ``panels`` turns an observation into lines; ``app`` is the screen.
"""
