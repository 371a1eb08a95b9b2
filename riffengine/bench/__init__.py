"""Benchmarks that a performer can run: how fast a loop is rendered, how soon a gesture is heard."""
