"""Programs, compilers and plugins that a test needs: CI must have them; elsewhere the test is skipped with a reason."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def lacks(reason: str) -> NoReturn:
    """End the test: a failure in CI (``CI=true``), a skip elsewhere."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def needs(package: str, *programs: str) -> None:
    """End the test by ``lacks`` where one of ``programs`` is not installed; ``package`` is what to install."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        lacks(f"{' and '.join(missing)} missing: install {package}")
