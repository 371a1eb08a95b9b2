"""The renderer turns a RenderRequest into a Rendition: text, latents, denoising, mel, audio.

torch is imported here.
"""
