"""The Riffusion family: checkpoints of the Stable Diffusion 1.5 shape that generate spectrogram images."""
