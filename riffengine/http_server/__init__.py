"""The HTTP server that all pages and services of ours use: its number of connections and their time are bounded."""
