"""The main findings as sentences, in the order of the page's questions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from analysis.charts.common import interval, listed, number, percent, plural
from analysis.charts.peaks_sentences import with_peak
from analysis.correlation import CorrelationTable
from analysis.correlation.groups import BATCH_SIZE, LEARNING_RATE, RATIO, SIGNIFICANCE
from analysis.correlation.regime import FALLS, RISES, TURNS, UNDECIDED, Regime
from analysis.correlation.validation import VALIDATION_CHOSEN
from analysis.landscape import Group
from analysis.law.condition import AXES, PREDICTED
from analysis.law.exponent import Exponent
from analysis.peak import Peak
from analysis.peaks import PEAK_LEVEL
from analysis.report.groups import condition_text, short_labels, strongest
from analysis.report.recommendation import (
    best_cell,
    best_peak,
    better_text,
    better_unlocated,
    height,
    percent_interval,
    unlocated,
)
from analysis.scaling_fit import ScalingFit, ScalingReport

#: Findings at most; of many groups, the strongest.
MAX_FINDINGS = 8
_SYMBOLS = {"learning_rate": "ε", "train_size": "N", "momentum": "1/(1 − m)"}

#: Share of the groups in which a claim's sign must be as claimed.
_NEARLY_ALL = 0.9
_METRICS = {
    "best_test_accuracy": "the best test accuracy over a run's evaluations",
    "test_accuracy": "the final test accuracy",
    "train_accuracy": "the final training accuracy",
    VALIDATION_CHOSEN: "the test accuracy at the evaluation of the best validation accuracy",
}

Found = list[tuple[str, str]]


def main_findings(
    scaling: ScalingReport, correlations: CorrelationTable | None
) -> tuple[Found, list[str]]:
    """The main findings with the anchors of their sections, and what is left out of them."""
    laws, n = scaling.laws, len(scaling.laws)
    names = short_labels([law.group for law in laws])

    def merged(some: Sequence[ScalingFit], say: Callable[[ScalingFit], str], section: str) -> Found:
        """A finding a group; groups that say the same share one."""
        texts: dict[str, list[ScalingFit]] = {}
        for law in some:
            texts.setdefault(say(law), []).append(law)
        lines = []
        for text, alike in texts.items():
            prefix = "" if n == 1 else "; ".join(names[law.group] for law in alike) + ": "
            if n > 1 and len(alike) == n:
                prefix = f"In each of the {n} groups: "
            lines.append((prefix + text, section))
        return lines

    def collected(some: Sequence[ScalingFit]) -> Found:
        there = merged(laws, _is_there, "peaks")
        if n > 2 and len(there) > 1:
            there = [(_is_there_overall(laws, names), "peaks")]
        where, law = merged(some, _where, "landscape"), merged(some, _law, "law")
        return [*there, *where, *law]

    ordered, notes = strongest(laws), []
    claims = [] if correlations is None else [(_claims(correlations), "claims")]
    shown = list(ordered)
    while len(shown) > 1 and len(collected(shown)) + len(claims) > MAX_FINDINGS:
        shown.pop()
    if len(shown) < n:
        notes.append(
            "Where the best batch size lies, and whether it follows the law, is said of "
            f"{_most_conditions(len(shown))} only, not of the other "
            f"{'one' if n - len(shown) == 1 else n - len(shown)}; the other findings are of all "
            f"{n} groups."
        )
    return [*(collected(shown) if shown else []), *claims], notes


def _most_conditions(n: int) -> str:
    if n == 1:
        return "the group with the most conditions in its law"
    return f"the {n} groups with the most conditions in their law"


def _is_there(law: ScalingFit) -> str:
    tested = [p for p in law.peaks if math.isfinite(p.peak_p)]
    if not tested:
        return (
            "Whether there is a best batch size cannot be tested: no condition has enough trained "
            "batch sizes with known noise."
        )
    sure = with_peak(tested)
    k, n = len(sure), len(tested)
    verdict = _verdict(k, n)
    largest = max((p.peak_p for p in sure), default=math.nan)
    # A censored condition may have a small p and yet no peak inside.
    inside = [p.peak_p for p in tested if not p.censored]
    detail = ""
    if k:
        detail = f" (p ≤ {number(largest, 2)} each)" if k > 1 else f" (p = {number(largest, 2)})"
    elif inside:
        smallest = "smallest p" if len(inside) > 1 else "p"
        detail = f" ({smallest} = {number(min(inside), 2)})"
    what = f"in {k} of {plural(n, 'condition')} accuracy rises and then falls as the batch grows"
    if len(law.peaks) == 1:
        does = "rises and then falls" if k else "does not clearly rise and then fall"
        what = f"accuracy {does} as the batch grows"
    text = f"{verdict}: {what}{detail}"
    return f"{text}{_censored(law.peaks)}."


def _censored(peaks: Sequence[Peak]) -> str:
    """In how many conditions the peak may lie outside, as the end of a sentence."""
    censored, n = sum(p.censored for p in peaks), len(peaks)
    if not censored:
        return ""
    where = "" if n == 1 else f"in all {n} " if censored == n else f"in {censored} of all {n} "
    return f"; {where}the peak may lie beyond the sampled batch sizes"


def _verdict(k: int, n: int) -> str:
    if k == n:
        return "There is a best batch size"
    if 2 * k >= n:
        return "There is a best batch size in most conditions"
    return "Few conditions have a best batch size" if k else "No best batch size is shown"


def _is_there_overall(laws: Sequence[ScalingFit], names: Mapping[Group, str]) -> str:
    tested = [[p for p in law.peaks if math.isfinite(p.peak_p)] for law in laws]
    k, n = sum(len(with_peak(t)) for t in tested), sum(len(t) for t in tested)
    if not n:
        return "Whether there is a best batch size cannot be tested in any group."
    parts = [
        f"{names[law.group]}: " + (f"{len(with_peak(t))} of {len(t)}" if t else "none tested")
        for law, t in zip(laws, tested, strict=True)
    ]
    by_group = f" ({'; '.join(parts)})" if len(parts) <= 4 else f" of {len(laws)} groups"
    detail = f" (p < {PEAK_LEVEL:g}{' each' if k > 1 else ''})" if k else ""
    return (
        f"{_verdict(k, n)}: in {k} of {plural(n, 'condition')}{by_group} accuracy rises and then "
        f"falls as the batch grows{detail}{_censored([p for law in laws for p in law.peaks])}."
    )


def _where(law: ScalingFit) -> str:
    usable = sorted((p for p in law.peaks if p.usable), key=lambda p: p.batch_size_opt)
    best = best_peak(law)
    if best is None and law.peaks and all("untrained" in p.flags for p in law.peaks):
        return "Nothing stands out from chance, so there is no best batch size to locate."
    if best is None:
        return "No condition has a best batch size inside its sampled ones."
    where = condition_text(best, law.peaks)
    accuracy, low, high = height(best) if usable else best_cell(best)
    reached = f"{percent(accuracy)} {percent_interval(low, high)}".rstrip()
    if not usable:
        return (
            f"No condition's peak is located inside its sampled batch sizes; the highest accuracy, "
            f"{reached}, is at batch size {number(best.best_sampled_batch_size)}, {where}: the "
            f"best batch size {unlocated(best)}."
        )
    at = (
        f"{number(best.batch_size_opt)} {interval(best.low, best.high)} at {where}, where accuracy "
        f"is {reached}"
    )
    better = better_unlocated(law, best)
    more = f"; m{better_text(law, better)}" if better else ""
    if len(usable) == 1:
        only = "" if len(law.peaks) == 1 else ", the only condition whose peak is located"
        return f"The best batch size is {at}{only}{more}."
    first, last = usable[0], usable[-1]
    located = "" if len(usable) == len(law.peaks) else " of those whose peak is located"
    return (
        f"The best batch size ranges from {number(first.batch_size_opt)} "
        f"{interval(first.low, first.high)} to {number(last.batch_size_opt)} "
        f"{interval(last.low, last.high)} over {plural(len(usable), 'condition')}; the most "
        f"accurate{located} has it at {at}{more}."
    )


def _law(law: ScalingFit) -> str:
    """Whether B_opt follows eps*N/(1-m): exponents, and those of the edge beside them."""
    if not law.n_conditions:
        return (
            "Whether the best batch size follows ε·N/(1 − m) cannot be tested: no condition has a "
            "peak inside its sampled batch sizes."
        )
    known = {a: e for a, e in law.exponents.items() if e.identifiable and math.isfinite(e.low)}
    if not known:
        return (
            "Whether the best batch size follows ε·N/(1 − m) cannot be tested: with "
            f"{plural(law.n_conditions, 'condition')} in the law no exponent has an interval."
        )
    text = f"{_law_verdict(law, known)}: B_opt goes as {_powers(known)}"
    edge = law.law.landmarks["edge"].exponents
    beside = {a: edge[a] for a in known if edge[a].identifiable and math.isfinite(edge[a].low)}
    if beside:
        text += f", the edge of trainability as {_powers(beside)}"
    follows = law.law.optimum_over_edge.follows_edge
    if follows:
        text += "; the optimum follows the edge"
        if "train_size" not in known and not _off(known):
            text += ", as one of the noise scale would too while N is fixed"
    elif follows is False:
        text += "; the optimum does not follow the edge"
    untested = [a for a in AXES if a not in known]
    if untested:
        text += f". Not tested: {listed([_SYMBOLS[a] for a in untested])}"
    fitted = [p for p in law.peaks if p.usable and math.isfinite(p.peak_p)]
    shown = len(with_peak(fitted))
    if fitted and 2 * shown < len(fitted):
        text += f". Only {shown} of the {len(fitted)} fitted conditions show a peak at all"
    return f"{text}."


def _law_verdict(law: ScalingFit, known: dict[str, Exponent]) -> str:
    off = _off(known)
    if off:
        axes = listed([_SYMBOLS[a] for a in off])
        return f"The best batch size does not follow ε·N/(1 − m) in {axes}"
    joint = law.law.tests.joint.p
    if math.isfinite(joint) and joint < 0.05:
        return f"The best batch size does not follow ε·N/(1 − m) (joint p = {number(joint, 2)})"
    if all(e.too_wide for e in known.values()):
        return "Whether the best batch size follows ε·N/(1 − m) is undecided"
    if len(known) < len(AXES) or any(e.too_wide or e.holds(0.0) for e in known.values()):
        return "As far as tested, the best batch size is consistent with ε·N/(1 − m)"
    return "The best batch size is consistent with ε·N/(1 − m)"


def _off(known: Mapping[str, Exponent]) -> list[str]:
    """The axes whose exponent is not the predicted one."""
    return [a for a, e in known.items() if e.consistent_with(PREDICTED) is False]


def _powers(exponents: dict[str, Exponent]) -> str:
    return ", ".join(f"{_SYMBOLS[a]}^{e.text}" for a, e in exponents.items())


def _claims(table: CorrelationTable) -> str:
    """Whether He et al.'s correlation claims hold: counts, and where the fall stops."""
    counts = {c.kind: c for c in table.metrics[0].counts}
    texts: list[str] = []
    untested: list[str] = []
    for kind, what in (
        (BATCH_SIZE, "falls with B"),
        (LEARNING_RATE, "rises with ε"),
        (RATIO, "falls with B/ε"),
    ):
        c = counts[kind]
        if c.n_tested:
            # The t approximation calls four cells in a row significant, which they cannot be.
            n, against = c.as_claimed_permutation, c.against_permutation
            other = f", {against} significantly the other way" if against else ""
            groups = f"{c.n_tested}" if texts else plural(c.n_tested, "group")
            texts.append(f"{what} in {c.as_claimed} of {groups} ({n} significantly{other})")
        else:
            untested.append(what)
    if not texts:
        return "The correlation claims of He et al. (2019) cannot be tested: too few cells."
    metric = table.metrics[0].metric
    text = (
        f"The correlation claims of He et al. (2019) {_claims_verdict(table)}: "
        f"{_METRICS.get(metric, metric.replace('_', ' '))} {listed(texts)}, by permutation at "
        f"p < {SIGNIFICANCE:g}"
    )
    if untested:
        text += f". Not tested, for too few cells: whether it {listed(untested)}"
    return f"{text}{_regimes([r for r in table.regimes if r.verdict])}."


def _claims_verdict(table: CorrelationTable) -> str:
    """The claims hold where most groups show each of them, and the fall stops nowhere."""
    counts = table.metrics[0].counts
    shapes = [r.verdict for r in table.regimes]
    tested = [v for v in shapes if v]
    if any(c.against_permutation for c in counts) or {TURNS, RISES} & set(tested):
        return "do not hold throughout"
    shown = all(
        c.as_claimed >= _NEARLY_ALL * c.n_tested and 2 * c.as_claimed_permutation > c.n_tested
        for c in counts
        if c.n_tested
    )
    if not shown or any(v != FALLS for v in tested):
        return "are not shown here"
    complete = all(c.n_tested for c in counts) and shapes and all(shapes)
    return "hold here" if complete else "hold as far as tested"


def _regimes(tested: Sequence[Regime]) -> str:
    """Where the fall with the ratio stops, as the end of a sentence; empty where nothing says."""
    turns = sorted((r for r in tested if r.verdict == TURNS), key=lambda r: r.turn)
    ends = [f"{number(r.turn)} {interval(r.low, r.high)}" for r in turns]
    if len(tested) == 1:
        if turns:
            return f". The fall with B/ε stops at B/ε = {ends[0]}: below it accuracy rises with B/ε"
        shape = {FALLS: "it falls throughout", RISES: "it rises throughout"}
        undecided = "whether it falls or rises is undecided"
        return f". Over all B/ε {shape.get(tested[0].verdict, undecided)}"
    parts = []
    if turns:
        turn = f"at B/ε = {ends[0]}"
        if len(turns) > 1:
            turn = f"at B/ε from {ends[0]} to {ends[-1]}"
        parts.append(f"rises and then falls in {len(turns)} (the turn is {turn})")
    for verdict, word in ((FALLS, "falls"), (RISES, "rises")):
        n = sum(r.verdict == verdict for r in tested)
        if n:
            parts.append(f"{word} throughout in {n}")
    undecided_in = sum(r.verdict == UNDECIDED for r in tested)
    if undecided_in:
        parts.append(f"does neither clearly in {undecided_in}")
    return f". Along B/ε, of {len(tested)} strata, it {listed(parts)}" if parts else ""
