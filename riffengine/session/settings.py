"""Settings: the base of what one section of a preset is read into."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self


@dataclass(frozen=True)
class Settings:
    """A frozen group of settings, one section of a preset; the fields have defaults."""

    def with_given(self, **values: Any) -> Self:
        """These settings with those of ``values`` that are not ``None``."""
        return replace(self, **{name: value for name, value in values.items() if value is not None})
