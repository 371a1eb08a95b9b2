"""RenderRequest in, Rendition out: text, latents, denoising, mel, audio. The only room that imports torch."""
