"""The bundled model: plain torch, no download, real time on a laptop's CPU. Words → score → latents → mel."""
