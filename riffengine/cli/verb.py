"""Verb: one word of the command line, with its options and the function that runs it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Verb:
    """``run`` gets the parsed arguments and returns the exit status; ``help`` is one line, ``examples`` the end."""

    help: str
    run: Callable[[argparse.Namespace], int]
    add_arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None
    examples: str = ""
