"""Which packages the wheel holds; everything else is in pyproject.toml.

presets/ lies at the top level, where people read it, and is installed as riffengine.presets, where the code finds it by
name. pyproject.toml alone can place a folder elsewhere only with a list of every package by hand.
"""

from setuptools import find_packages, setup

PRESETS = ["riffengine.presets", "riffengine.presets.maps", "riffengine.presets.clients"]

setup(packages=[*find_packages(include=["riffengine*"]), *PRESETS], package_dir={"riffengine.presets": "presets"})
