"""The bundled model family turns words into a score, the score into latents, and these into mel and audio.

It is plain torch, needs no download, and renders in real time on a CPU.
"""
