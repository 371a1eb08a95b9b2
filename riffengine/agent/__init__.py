"""agent: an AI agent plays the running engine by the Model Context Protocol, as one more client of its web server."""
