"""The public Python API renders a loop or plays a set.

``riffengine`` itself exports it.
"""
