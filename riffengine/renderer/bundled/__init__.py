"""The bundled model family: words → score → latents → mel → audio. Plain torch, no download, real time on a CPU."""
