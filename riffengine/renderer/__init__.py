"""RenderRequest in, Rendition out: text, latents, denoising, mel, audio. torch is imported here."""
