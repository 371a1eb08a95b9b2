"""One thread of torch for the tests of the renderer: several workers on few cores wait for each other otherwise."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def one_thread_of_torch() -> None:
    import torch

    torch.set_num_threads(1)
