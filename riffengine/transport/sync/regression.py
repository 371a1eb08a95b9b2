"""LinearFit: a straight line through the last points of a clock, by least squares.

Source: ordinary linear regression, as Ableton Link's HostTimeFilter does it between host time and sample time.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np


class LinearFit:
    """Fits ``y`` (nanoseconds) over ``x`` (ticks or frames). Integers come in, so no precision is lost after days.

    With fewer than ``trusted`` points the slope stays as given (if it was), and only the height is fitted.
    """

    def __init__(self, window: int, trusted: int, slope: float | None = None) -> None:
        self.slope = slope
        self.spread = 0.0  # root mean square of the residuals, ns
        self._trusted = trusted
        self._points: deque[tuple[int, int]] = deque(maxlen=window)
        self._x0 = 0
        self._y0 = 0
        self._mean_x = 0.0
        self._mean_y = 0.0

    def __len__(self) -> int:
        return len(self._points)

    @property
    def known(self) -> bool:
        """Whether the line is defined yet."""
        return self.slope is not None and len(self._points) > 0

    def add(self, x: int, y: int) -> None:
        """Add one point; it counts from the next ``fit`` on."""
        self._points.append((x, y))

    def fit(self) -> None:
        """Fit the line to all points."""
        xs, ys = self._columns()
        self._mean_x, self._mean_y = float(xs.mean()), float(ys.mean())
        xs -= self._mean_x
        ys -= self._mean_y
        square = float(xs @ xs)
        if len(xs) >= self._trusted and square > 0.0:
            self.slope = float(xs @ ys) / square
        if self.slope is not None:
            ys -= self.slope * xs
            self.spread = math.sqrt(float(ys @ ys) / len(ys))

    def bend_ns(self) -> float:
        """Mean residual of the newest quarter, ns: far from 0 when the points curve away from the line."""
        assert self.slope is not None
        xs, ys = self._columns()
        newest = slice(-max(1, len(xs) // 4), None)
        residuals = (ys[newest] - self._mean_y) - self.slope * (xs[newest] - self._mean_x)
        return float(residuals.mean())

    def keep(self, newest: int) -> None:
        """Drop all but the ``newest`` points, and fit."""
        while len(self._points) > newest:
            self._points.popleft()
        self.fit()

    def y_at(self, x: float) -> float:
        """The ``y`` of ``x``, ns."""
        assert self.slope is not None
        return self._y0 + self._mean_y + self.slope * (x - self._x0 - self._mean_x)

    def x_at(self, y: float) -> float:
        """The ``x`` at which the line reaches ``y``."""
        assert self.slope is not None
        return self._x0 + self._mean_x + (y - self._y0 - self._mean_y) / self.slope

    def _columns(self) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], ...]:
        self._x0, self._y0 = self._points[0]  # differences are small, so float64 holds them to the nanosecond
        xs = np.fromiter((x - self._x0 for x, _ in self._points), np.float64, len(self._points))
        ys = np.fromiter((y - self._y0 for _, y in self._points), np.float64, len(self._points))
        return xs, ys
