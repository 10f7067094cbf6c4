"""One exponent of a law, with its interval and its verdict in words: plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.law.condition import PREDICTED

_NAMES = {"learning_rate": "learning-rate", "train_size": "training-set-size"}


@dataclass(frozen=True)
class Exponent:
    """One exponent of the law; a = d ln B_opt / d ln eps and so on.

    Attributes:
        axis: learning_rate (a), train_size (b) or momentum (g, the exponent of 1/(1-m)).
        estimate, low, high: NaN where it is not identifiable; low and high also without
            degrees of freedom.
        identifiable: the axis varied, and not in step with another.
        reason: why it is not identifiable; empty where it is.
    """

    axis: str
    estimate: float
    low: float
    high: float
    identifiable: bool
    reason: str = ""

    def consistent_with(self, value: float) -> bool | None:
        """Whether the interval holds the value; None without an interval."""
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            return None
        return self.low <= value <= self.high

    @property
    def too_wide(self) -> bool:
        """Whether the interval tells the prediction neither from 0 nor from twice itself."""
        return all(self.consistent_with(v) for v in (0.0, PREDICTED, 2.0 * PREDICTED))

    @property
    def decimals(self) -> int:
        """Two, or as many as show that an interval without the prediction ends short of it."""
        if self.consistent_with(PREDICTED) is not False:
            return 2
        ends = (self.low, self.high)
        return next((n for n in range(2, 17) if all(round(e, n) != PREDICTED for e in ends)), 17)

    @property
    def interval(self) -> str:
        """The interval as text, `[0.62, 1.18]`; empty where there is none."""
        if self.consistent_with(PREDICTED) is None:
            return ""
        return f"[{self.low:.{self.decimals}f}, {self.high:.{self.decimals}f}]"

    @property
    def sentence(self) -> str:
        """The finding in words, for instance `... is 0.90 [0.62, 1.18]: consistent with 1`."""
        name = f"the {_NAMES.get(self.axis, self.axis)} exponent"
        if not self.identifiable:
            return f"{name} is not identifiable: {self.reason}"
        verdict = self.consistent_with(PREDICTED)
        if verdict is None:
            return f"{name} is {self.estimate:.2f}, without an interval: too few conditions"
        also = [f"{v:g}" for v in (0.0, 2.0 * PREDICTED) if self.consistent_with(v)]
        if self.too_wide:
            finding = f"too wide to tell {PREDICTED:g} from {' or '.join(also)}"
        elif not verdict:
            finding = f"differs from {PREDICTED:g}"
        else:
            finding = f"consistent with {PREDICTED:g}"
            finding += f", but also with {also[0]}" if also else ""
        return f"{name} is {self.estimate:.{self.decimals}f} {self.interval}: {finding}"

    def holds(self, value: float) -> bool:
        """Whether there is an interval and it holds the value."""
        return self.consistent_with(value) is True

    @property
    def text(self) -> str:
        """`0.84 [0.75, 0.94]`, without the interval where there is none."""
        if not self.identifiable:
            return "not identifiable"
        return f"{self.estimate:.{self.decimals}f} {self.interval}".rstrip()
