"""Loops are the same to the last bit only where the numeric kind is: every library that makes samples is part of it."""

import sys
from types import ModuleType

import pytest

from riffengine.renderer.numeric_kind import numeric_kind


@pytest.mark.parametrize("name", ["torch", "diffusers", "transformers"])
def test_another_version_of_a_library_that_is_loaded_is_another_kind(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = set()
    for version in ("1.0", "1.1"):
        library = ModuleType(name)
        library.__version__ = version  # type: ignore[attr-defined]
        if name == "torch":
            monkeypatch.setattr("torch.__version__", version)
        else:
            monkeypatch.setitem(sys.modules, name, library)
        kinds.add(numeric_kind(object()))
    assert len(kinds) == 2


def test_a_family_without_them_has_torch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("diffusers", "transformers"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    libraries = numeric_kind(object()).split("/")[3]
    assert libraries.startswith("torch-") and "+diffusers" not in libraries
