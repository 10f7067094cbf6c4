"""The same law for every landmark of the curves, and whether the optimum follows the edge."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.estimates import LANDMARKS
from analysis.law.condition import AXES, SYMBOLS, LawPoint, points_of
from analysis.law.exponent import Exponent
from analysis.law.free_law import LEVEL, FreeLaw, free_law
from analysis.law.tests import ExponentTests, FTest, exponent_tests
from analysis.peak import Peak

NAMES: Mapping[str, str] = {
    "edge": "edge of trainability",
    "near_optimal_low": "low end of the near-optimal range",
    "optimum": "optimum",
    "near_optimal_high": "high end of the near-optimal range",
    "half_fall": "right half-fall",
}

#: An exponent of B_opt/B_edge within this of 0 moves the optimum by less than a fifth as an axis
#: doubles: 2^0.25 = 1.19.
NEGLIGIBLE = 0.25
TEST_LEVEL = 0.05

#: Smith & Le (2018), figure 6: B_opt proportional to N from about here on.
TRAIN_SIZE_FROM = 20_000

SUPPORTED, REFUTED, UNDECIDED = "supported", "refuted", "not decidable here"


@dataclass(frozen=True)
class LandmarkLaw:
    """Free exponents of one landmark.

    Attributes:
        landmark: one of LANDMARKS.
        exponents: by axis, in the order of AXES.
        tests: that the exponents are 1.
        n_conditions: in the fit; n_open more are open on a side and left out.
        degrees_of_freedom: n_conditions less the parameters.
        tau2: variance of ln B between conditions beyond their own errors.
        residuals: of ln B, in the order of the conditions in the fit.
        converged: the variance between conditions was found.
    """

    landmark: str
    exponents: Mapping[str, Exponent]
    tests: ExponentTests
    n_conditions: int
    n_open: int
    degrees_of_freedom: int
    tau2: float
    residuals: tuple[float, ...]
    converged: bool


@dataclass(frozen=True)
class OptimumOverEdge:
    """How ln(B_opt / B_edge) depends on each axis.

    Its variance is the sum of the two: their errors are treated as independent.

    Attributes:
        exponents: by axis; 0 where the optimum follows the edge.
        tests: that the exponents are 0.
        n_conditions: with both an optimum and an edge.
        median_octaves: from the edge to the optimum.
        tau2, residuals, converged: of the fit.
        follows_edge: True where no axis matters and all intervals are within NEGLIGIBLE of 0,
            False where the joint test is below TEST_LEVEL, None where neither.
        sentence: the finding.
    """

    exponents: Mapping[str, Exponent]
    tests: ExponentTests
    n_conditions: int
    median_octaves: float
    tau2: float
    residuals: tuple[float, ...]
    converged: bool
    follows_edge: bool | None
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """A claim of a paper, what the data say of it, and why."""

    claim: str
    source: str
    verdict: str
    reason: str

    @property
    def sentence(self) -> str:
        """All in one sentence."""
        return f"{self.claim} ({self.source}): {self.verdict}; {self.reason}."


def landmark_law(points: Sequence[LawPoint], landmark: str, level: float = LEVEL) -> LandmarkLaw:
    """The law of one landmark, from its points of all conditions."""
    law = free_law(points, level, f"a bounded {NAMES[landmark]}")
    return LandmarkLaw(
        landmark=landmark,
        exponents=law.exponents,
        tests=exponent_tests(law),
        n_conditions=len(law.points),
        n_open=sum(p.open_low or p.open_high for p in points),
        degrees_of_freedom=law.degrees_of_freedom,
        tau2=law.fit.tau2 if law.fit else math.nan,
        residuals=_residuals(law),
        converged=law.converged,
    )


def landmark_laws(peaks: Sequence[Peak], level: float = LEVEL) -> dict[str, LandmarkLaw]:
    """The laws of all landmarks, in the order of batch size."""
    return {name: landmark_law(points_of(peaks, name), name, level) for name in LANDMARKS}


def optimum_over_edge(
    optimum: Sequence[LawPoint], edge: Sequence[LawPoint], level: float = LEVEL
) -> OptimumOverEdge:
    """Regress ln(B_opt / B_edge) on the axes.

    Args:
        optimum: one landmark of every condition.
        edge: the other, of the same conditions in the same order.
        level: coverage of the intervals.
    """
    ratios = [_ratio(o, e) for o, e in zip(optimum, edge, strict=True)]
    law = free_law(ratios, level, "both a peak and an edge inside the sampled batch sizes")
    tests = exponent_tests(law, value=0.0)
    octaves = sorted(p.log_batch_size / math.log(2.0) for p in law.points)
    middle = len(octaves) // 2
    median = 0.5 * (octaves[middle] + octaves[-middle - 1]) if octaves else math.nan
    follows = _follows(law, tests.joint)
    return OptimumOverEdge(
        exponents=law.exponents,
        tests=tests,
        n_conditions=len(law.points),
        median_octaves=median,
        tau2=law.fit.tau2 if law.fit else math.nan,
        residuals=_residuals(law),
        converged=law.converged,
        follows_edge=follows,
        sentence=_sentence(law, tests, follows),
    )


def train_size_verdict(optimum: Sequence[LawPoint], level: float = LEVEL) -> Verdict:
    """Smith & Le's law of N, which they report from about 20,000 samples on.

    Only conditions with N of at least TRAIN_SIZE_FROM decide it.

    Args:
        optimum: all conditions' optima.
        level: coverage of the interval that decides.
    """
    claim, source = "B_opt is proportional to N", "Smith & Le 2018, figure 6"

    def say(verdict: str, reason: str) -> Verdict:
        return Verdict(claim, source, verdict, reason)

    if not optimum:
        return say(UNDECIDED, "there is no condition")
    largest = max(p.train_size for p in optimum)
    limit = f"{TRAIN_SIZE_FROM:,}"
    if largest < TRAIN_SIZE_FROM:
        return say(
            UNDECIDED,
            f"they report it only above about {limit} samples, and the largest N here is"
            f" {largest:,}",
        )
    law = free_law([p for p in optimum if p.train_size >= TRAIN_SIZE_FROM], level)
    e = law.exponents["train_size"]
    if not e.identifiable:
        return say(UNDECIDED, f"among the conditions with N of at least {limit}, {e.reason}")
    found = f"with N of at least {limit} the exponent is {e.text} ({len(law.points)} conditions)"
    if not math.isfinite(e.low):
        return say(UNDECIDED, f"{found}, without an interval: too few conditions")
    if not e.holds(1.0):
        return say(REFUTED, found)
    if e.holds(0.0):
        return say(UNDECIDED, f"{found}, which does not tell 1 from 0")
    return say(SUPPORTED, found)


def _ratio(optimum: LawPoint, edge: LawPoint) -> LawPoint:
    """ln(B_opt / B_edge) as a point; not usable unless both are."""
    both = optimum.usable and edge.usable
    return LawPoint(
        optimum.learning_rate,
        optimum.momentum,
        optimum.train_size,
        optimum.log_batch_size - edge.log_batch_size if both else math.nan,
        optimum.variance + edge.variance if both else math.nan,
    )


def _residuals(law: FreeLaw) -> tuple[float, ...]:
    return tuple(float(r) for r in law.fit.residuals) if law.fit else ()


def _follows(law: FreeLaw, joint: FTest) -> bool | None:
    if joint.p < TEST_LEVEL:
        return False
    known = [e for e in law.exponents.values() if e.identifiable]
    narrow = all(e.low >= -NEGLIGIBLE and e.high <= NEGLIGIBLE for e in known)
    return True if known and narrow and joint.p >= TEST_LEVEL else None


def _sentence(law: FreeLaw, tests: ExponentTests, follows: bool | None) -> str:
    n = len(law.points)
    known = [axis for axis in AXES if law.exponents[axis].identifiable]
    counted = f"{n} condition{'' if n == 1 else 's'}"
    if not known or not math.isfinite(tests.joint.p):
        return (
            "Whether the optimum follows the edge of trainability cannot be tested: too few"
            f" conditions with both ({counted})."
        )
    p = tests.joint.p
    counted += "; the errors of the two are taken as independent"
    if follows is None:
        slopes = ", ".join(f"{SYMBOLS[a]}^{law.exponents[a].text}" for a in known)
        return (
            "Too few conditions to tell whether the optimum follows the edge of trainability:"
            f" B_opt/B_edge moves as {slopes} (joint p = {p:.2g}, {counted})."
        )
    if follows:
        axes = _list([SYMBOLS[a] for a in known])
        text = (
            f"The optimum follows the edge of trainability: B_opt/B_edge depends on none of {axes}"
            f" (every exponent within {NEGLIGIBLE:g} of 0, joint p = {p:.2g}, {counted})."
            if len(known) > 1
            else f"The optimum follows the edge of trainability: B_opt/B_edge does not depend on"
            f" {axes} (exponent within {NEGLIGIBLE:g} of 0, p = {p:.2g}, {counted})."
        )
        if "train_size" not in known:
            text += " An optimum of the noise scale would do so too: only N parts the two."
        return text
    moving = [a for a in known if tests.by_axis[a].p < TEST_LEVEL]
    if not moving:
        slopes = ", ".join(f"{SYMBOLS[a]}^{law.exponents[a].text}" for a in known)
        return (
            "The optimum moves relative to the edge of trainability, but not clearly along one"
            f" axis: {slopes} (joint p = {p:.2g}, {counted})."
        )
    how = _list([f"with {SYMBOLS[a]} by {SYMBOLS[a]}^{law.exponents[a].text}" for a in moving])
    rest = [a for a in known if a not in moving]
    text = f"The optimum moves {how} relative to the edge of trainability"
    if rest:
        text += f", and not detectably with {_list([SYMBOLS[a] for a in rest])}"
    return f"{text} (joint p = {p:.2g}, {counted})."


def _list(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]
