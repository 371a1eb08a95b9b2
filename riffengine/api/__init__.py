"""The public Python API: render a loop, play a set. ``riffengine`` itself exports it."""
