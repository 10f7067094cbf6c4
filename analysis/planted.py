"""Planted landscapes: results drawn from a law that is known, to test what the analysis finds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.landscape import Landscape
from analysis.maximum import NEAR_OPTIMAL

_FINE = np.linspace(-8.0, 12.0, 8001)


@dataclass(frozen=True)
class Shape:
    """Mean accuracy against x = log2(B / anchor): a cliff, a plateau and a slope.

        accuracy(x) = chance + (top - chance - slope * fall(x)) / (1 + exp(-(x - cliff) / width))
        fall(x) = softness * log(1 + exp((x - shoulder) / softness))

    Lengths are octaves of batch size. `slope` is accuracy lost per octave beyond the shoulder;
    `rise` is accuracy gained per octave up to the shoulder (0 leaves a flat plateau).
    """

    top: float = 0.465
    chance: float = 0.1
    cliff: float = -1.4
    width: float = 0.25
    shoulder: float = 0.3
    softness: float = 0.6
    slope: float = 0.013
    rise: float = 0.0
    train_top: float = 1.0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Mean accuracy at x octaves above the anchor."""
        fall = self.softness * np.logaddexp(0.0, (x - self.shoulder) / self.softness)
        lack = self.softness * np.logaddexp(0.0, (self.shoulder - x) / self.softness)
        trained = self.trained_share(x)
        return self.chance + trained * (
            self.top - self.chance - self.slope * fall - self.rise * lack
        )

    def trained_share(self, x: np.ndarray) -> np.ndarray:
        """Height of the cliff, 0 to 1: also the share of seeds that train where it is bimodal."""
        return 1.0 / (1.0 + np.exp(-np.clip((x - self.cliff) / self.width, -60.0, 60.0)))

    def train_accuracy(self, x: np.ndarray) -> np.ndarray:
        """Mean training accuracy: the cliff alone."""
        return self.chance + self.trained_share(x) * (self.train_top - self.chance)

    def peak(self) -> float:
        """The maximum's x, octaves above the anchor, to 0.0025 octave."""
        return float(_FINE[np.argmax(self(_FINE))])

    def landmarks(self, last: float, near_optimal: float = NEAR_OPTIMAL) -> dict[str, float]:
        """True landmarks, octaves above the anchor, to 0.0025 octave; NaN where there is none.

        Args:
            last: x of the largest batch size, which the half-fall is measured to.
            near_optimal: accuracy below the best that still counts as near-optimal.
        """
        accuracy = self(_FINE)
        top = int(np.argmax(accuracy))
        near = np.flatnonzero(accuracy < accuracy[top] - near_optimal)
        left, right = near[near < top], near[near > top]
        end = float(self(np.array([last]))[0])
        half = 0.5 * (float(accuracy[top]) + end)
        fallen = np.flatnonzero((accuracy < half) & (np.arange(len(_FINE)) > top))
        trained = np.flatnonzero(self.trained_share(_FINE) >= 0.5)
        return {
            "edge": float(_FINE[trained[0]]) if trained[0] > 0 else math.nan,
            "near_optimal_low": float(_FINE[left[-1]]) if len(left) else math.nan,
            "optimum": float(_FINE[top]),
            "near_optimal_high": float(_FINE[right[0]]) if len(right) else math.nan,
            "half_fall": float(_FINE[fallen[0]]) if len(fallen) else math.nan,
        }


#: Families that the estimators are measured on.
FAMILIES: dict[str, Shape] = {
    "demo": Shape(),
    "sharp": Shape(cliff=-2.0, shoulder=0.0, softness=0.3, slope=0.04, rise=0.04),
    "wide": Shape(cliff=-2.0, shoulder=0.8, slope=0.013),
    "no_cliff": Shape(cliff=-20.0, slope=0.03, rise=0.03),
    "steep_between": Shape(cliff=-3.0, shoulder=0.0, softness=0.4, slope=0.03, rise=0.03),
    "flat": Shape(cliff=-20.0, slope=0.0),
    "rising": Shape(cliff=-20.0, shoulder=20.0, softness=0.6, slope=0.0, rise=0.01),
    "falling": Shape(cliff=-20.0, shoulder=-20.0, softness=0.6, slope=0.01),
    "cliff_then_flat": Shape(slope=1e-6),
}


@dataclass(frozen=True, kw_only=True)
class PlantedLaw:
    """Everything that decides a planted landscape except its random numbers.

    The peak of a condition lies at B_opt = constant * eps^learning_rate * N^train_size *
    (1-m)^-momentum * exp(scatter * normal draw), with the constant that gives
    `peak_at_reference` at eps = 0.1, N = 1000, m = 0.9. With `cliff_exponents` (learning rate, N,
    1/(1-m)) the cliff follows a law of its own, and the true peak is found numerically.

    Attributes:
        learning_rates, momenta, train_sizes: the conditions are their product.
        below, above: the batch sizes reach from peak/below to peak*above.
        per_octave: batch sizes an octave; alternate conditions are offset by half a step.
        random_phase: the grid's phase is drawn for each condition instead.
        scatter: standard deviation of ln B_opt between conditions.
        noise: standard deviation of one trial's accuracy on the trained side.
        cliff_noise: in the middle of the cliff the noise is 1 + cliff_noise times that.
        bimodal: on the cliff each seed either trains or stays at chance.
        diverge_below: octaves below the cliff's middle from which trials diverge; None: none do.
        missing: share of trials left out at random.
        n_classes: as recorded; None leaves it out.
    """

    shape: Shape = field(default_factory=Shape)
    peak_at_reference: float = 23.0
    learning_rate: float = 1.0
    train_size: float = 0.0
    momentum: float = 0.0
    learning_rates: Sequence[float] = tuple(0.05 * 2 ** (i / 2) for i in range(7))
    momenta: Sequence[float] = (0.9,)
    train_sizes: Sequence[int] = (1000,)
    below: float = 4.0
    above: float = 8.0
    per_octave: int = 2
    random_phase: bool = False
    n_seeds: int = 8
    scatter: float = 0.05
    noise: float = 0.011
    cliff_noise: float = 3.0
    bimodal: bool = False
    cliff_exponents: tuple[float, float, float] | None = None
    diverge_below: float | None = None
    missing: float = 0.0
    n_classes: int | None = 10

    @property
    def constant(self) -> float:
        """The law's c, in samples."""
        power = 0.1**self.learning_rate * 1000.0**self.train_size * 0.1**-self.momentum
        return float(self.peak_at_reference / power)


@dataclass(frozen=True)
class PlantedCondition:
    """One condition's truth: its landmarks, in samples; NaN where it has none.

    Attributes:
        batch_size_opt: of the maximum of its mean curve.
        landmarks: by the names of `analysis.estimates.LANDMARKS`.
    """

    learning_rate: float
    momentum: float
    train_size: int
    batch_size_opt: float
    landmarks: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class PlantedLandscape:
    """A landscape and the truth behind it."""

    landscape: Landscape
    conditions: tuple[PlantedCondition, ...]
    law: PlantedLaw

    def to_csv(self, path: Path) -> None:
        """Write what a stranger's file would hold."""
        names = ["batch_size", "learning_rate", "momentum", "train_size", "seed", "test_accuracy"]
        self.landscape.trials[names].to_csv(path, index=False)


def plant(law: PlantedLaw, seed: int) -> PlantedLandscape:
    """Draw one landscape; the same law and seed give the same landscape.

    The grid of batch sizes is whole numbers, at most N, without repetition, as real ones are.
    """
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    truth: list[PlantedCondition] = []
    axes = itertools.product(law.momenta, law.train_sizes, law.learning_rates)
    for index, (m, n, eps) in enumerate(axes):
        shift = law.scatter * rng.standard_normal() / math.log(2.0)
        phase = rng.random() if law.random_phase else 0.5 * (index % 2)
        expected = _log2_power(law.constant, (eps, law.learning_rate), (n, law.train_size))
        expected -= law.momentum * math.log2(1.0 - m)
        shape = _placed(law, eps, m, n)
        peak = expected + shift
        anchor = peak - law.shape.peak()
        sizes = _batch_sizes(law, expected, phase, n)
        found = shape.landmarks(math.log2(sizes[-1]) - anchor)
        true = {name: 2.0 ** (anchor + x) for name, x in found.items()}
        truth.append(PlantedCondition(eps, m, n, true["optimum"], true))
        for batch_size in sizes:
            x = np.array([math.log2(batch_size) - anchor])
            rows += _trials(law, shape, x, rng, eps=eps, m=m, n=n, batch_size=batch_size)
    trials = pd.DataFrame(rows)
    if law.missing:
        trials = trials[rng.random(len(trials)) >= law.missing].reset_index(drop=True)
    return PlantedLandscape(Landscape.from_frame(trials, source="planted"), tuple(truth), law)


def _log2_power(constant: float, *factors: tuple[float, float]) -> float:
    return math.log2(constant) + sum(power * math.log2(base) for base, power in factors)


def _placed(law: PlantedLaw, eps: float, m: float, n: int) -> Shape:
    """The shape with its cliff moved relative to its peak, where the cliff has its own law."""
    if law.cliff_exponents is None:
        return law.shape
    a, b, g = law.cliff_exponents
    relative = (a - law.learning_rate) * math.log2(eps / float(np.median(law.learning_rates)))
    relative += (b - law.train_size) * math.log2(n / float(np.median(law.train_sizes)))
    relative += (g - law.momentum) * math.log2((1 - float(np.median(law.momenta))) / (1 - m))
    return replace(law.shape, cliff=law.shape.cliff + relative)


def _batch_sizes(law: PlantedLaw, peak: float, phase: float, n: int) -> list[int]:
    low = math.ceil((peak - math.log2(law.below)) * law.per_octave - phase - 1e-9)
    high = math.floor((peak + math.log2(law.above)) * law.per_octave - phase + 1e-9)
    sizes = {round(2.0 ** ((k + phase) / law.per_octave)) for k in range(low, high + 1)}
    return sorted(b for b in sizes if 1 <= b <= n)


def _trials(
    law: PlantedLaw,
    shape: Shape,
    x: np.ndarray,
    rng: np.random.Generator,
    *,
    eps: float,
    m: float,
    n: int,
    batch_size: int,
) -> list[dict[str, object]]:
    share = shape.trained_share(x)
    scale = law.noise * (1 + 4 * law.cliff_noise * share * (1 - share))
    noise = scale * rng.standard_normal(law.n_seeds)
    train_noise = scale * rng.standard_normal(law.n_seeds) * 2.0 * np.sqrt(share * (1 - share))
    if law.bimodal:
        trains = rng.random(law.n_seeds) < share
        flat = replace(shape, cliff=-1e3)
        accuracy = np.where(trains, flat(x), shape.chance) + noise
        train = np.where(trains, flat.train_accuracy(x), shape.chance) + train_noise
    else:
        accuracy = shape(x) + noise
        train = shape.train_accuracy(x) + train_noise
    diverged = law.diverge_below is not None and float(x[0]) < shape.cliff - law.diverge_below
    return [
        {
            "dataset": "planted",
            "model": "planted",
            "budget": "time_over_learning_rate",
            "budget_value": 300.0,
            "learning_rate": eps,
            "momentum": m,
            "train_size": n,
            "batch_size": batch_size,
            "seed": seed,
            "status": "diverged" if diverged else "completed",
            "n_classes": law.n_classes,
            "train_accuracy": float(np.clip(train[seed], 0.0, 1.0)),
            "test_accuracy": float(np.clip(value, 0.0, 1.0)),
        }
        for seed, value in enumerate(accuracy)
    ]
