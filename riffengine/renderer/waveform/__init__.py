"""The waveform families: checkpoints of diffusers that generate sound itself, or latents of it; see ``family.py``."""
