"""Blocks are pulled and delivered: sound device, paced clock, recording; the process that does it."""
