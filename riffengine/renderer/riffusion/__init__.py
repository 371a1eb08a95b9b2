"""The Riffusion family: Stable-Diffusion-1.5-shaped checkpoints that dream spectrograms as pictures."""
