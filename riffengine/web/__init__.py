"""The web server: a page to play and hear the performance, audio streams, and Riffusion's API; a process of its own."""
