"""The main findings as sentences, in the order of the page's questions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from analysis.charts.common import interval, number, percent, plural
from analysis.correlation import CorrelationTable
from analysis.correlation.groups import BATCH_SIZE, LEARNING_RATE, RATIO, SIGNIFICANCE
from analysis.correlation.regime import FALLS, RISES, TURNS
from analysis.landscape import Group
from analysis.law.condition import AXES, PREDICTED
from analysis.law.exponent import Exponent
from analysis.peaks import PEAK_LEVEL
from analysis.report.groups import listed, short_labels, strongest, with_peak
from analysis.report.recommendation import best_peak, condition_text, height, percent_interval
from analysis.scaling_fit import ScalingFit, ScalingReport

#: Findings at most; of many groups, the strongest.
MAX_FINDINGS = 8
_SYMBOLS = {"learning_rate": "ε", "train_size": "N", "momentum": "1/(1 − m)"}

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
        there = merged(some, _is_there, "peaks")
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
            f"The findings are of the {plural(len(shown), 'group')} with the most conditions in "
            f"their law; {plural(n - len(shown), 'more group')} "
            f"{'has' if n - len(shown) == 1 else 'have'} sections of their own below."
        )
    return [*(collected(shown) if shown else []), *claims], notes


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
    if k:
        detail = f"(p ≤ {number(largest, 2)} each)" if k > 1 else f"(p = {number(largest, 2)})"
    else:
        detail = f"(smallest p = {number(min(p.peak_p for p in tested), 2)})"
    text = (
        f"{verdict}: in {k} of {plural(n, 'condition')} accuracy rises and then falls as the batch "
        f"grows {detail}"
    )
    censored = sum(p.censored for p in law.peaks)
    if censored:
        text += (
            f"; in {censored} of all {len(law.peaks)} the peak may lie beyond the sampled batch "
            "sizes"
        )
    return f"{text}."


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
        f"{names[law.group]}: {len(with_peak(t))} of {len(t)}"
        for law, t in zip(laws, tested, strict=True)
    ]
    by_group = f" ({'; '.join(parts)})" if len(parts) <= 4 else f" of {len(laws)} groups"
    return (
        f"{_verdict(k, n)}: in {k} of {plural(n, 'condition')}{by_group} accuracy rises and then "
        f"falls as the batch grows (p < {PEAK_LEVEL:g} each)."
    )


def _where(law: ScalingFit) -> str:
    usable = sorted((p for p in law.peaks if p.usable), key=lambda p: p.batch_size_opt)
    best = best_peak(law)
    if best is None:
        return "No condition has a best batch size inside its sampled ones."
    accuracy, low, high = height(best)
    reached = f"{percent(accuracy)} {percent_interval(low, high)}".rstrip()
    if not usable:
        return (
            f"Every peak may lie beyond the sampled batch sizes; the highest accuracy, {reached}, "
            f"is at batch size {number(best.best_sampled_batch_size)}, {condition_text(best)}."
        )
    at = (
        f"{number(best.batch_size_opt)} {interval(best.low, best.high)} at {condition_text(best)}, "
        f"where accuracy is {reached}"
    )
    if len(usable) == 1:
        return f"The best batch size is {at}."
    first, last = usable[0], usable[-1]
    return (
        f"The best batch size ranges from {number(first.batch_size_opt)} "
        f"{interval(first.low, first.high)} to {number(last.batch_size_opt)} "
        f"{interval(last.low, last.high)} over {plural(len(usable), 'condition')}; the most "
        f"accurate has it at {at}."
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
        if "train_size" not in known:
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
    off = [a for a, e in known.items() if e.consistent_with(PREDICTED) is False]
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


def _powers(exponents: dict[str, Exponent]) -> str:
    return ", ".join(f"{_SYMBOLS[a]}^{e.text}" for a, e in exponents.items())


def _claims(table: CorrelationTable) -> str:
    """Whether He et al.'s correlation claims hold: counts, and where the fall stops."""
    counts = {c.kind: c for c in table.metrics[0].counts}
    texts: list[str] = []
    for kind, what in (
        (BATCH_SIZE, "falls with B in"),
        (LEARNING_RATE, "rises with ε in"),
        (RATIO, "falls with B/ε in"),
    ):
        c = counts[kind]
        if c.n_tested:
            against = f", {c.against} significantly the other way" if c.against else ""
            groups = f"{c.n_tested}" if texts else plural(c.n_tested, "group")
            texts.append(
                f"{what} {c.as_claimed} of {groups} ({c.as_claimed_raw} significantly{against})"
            )
    if not texts:
        return "The correlation claims of He et al. (2019) cannot be tested: too few cells."
    tested = [r for r in table.regimes if r.verdict]
    turns = [r for r in tested if r.verdict == TURNS]
    rises = sum(r.verdict == RISES for r in tested)
    falls = sum(r.verdict == FALLS for r in tested)
    holds = all(counts[k].as_claimed >= 0.9 * counts[k].n_tested for k in counts) and not turns
    refuted = bool(turns or rises) or any(c.against for c in counts.values())
    head = "are not shown"
    if refuted:
        head = "do not hold throughout"
    elif holds:
        head = "hold here"
    text = (
        f"The correlation claims of He et al. (2019) {head}: accuracy {listed(texts)}, at p < "
        f"{SIGNIFICANCE:g}"
    )
    if turns:
        middle = sorted(turns, key=lambda r: r.turn)[len(turns) // 2]
        where = f"B/ε = {number(middle.turn)} {interval(middle.low, middle.high)}"
        if len(tested) == 1:
            text += f". The fall with B/ε stops at {where}: below it accuracy rises with B/ε"
        else:
            text += (
                f". In {len(turns)} of {len(tested)} strata accuracy rises and then falls with "
                f"B/ε (median turn {where})"
            )
    elif len(tested) == 1:
        verdict = {FALLS: "falls", RISES: "rises"}.get(tested[0].verdict)
        text += f". Over all B/ε it {verdict} throughout" if verdict else ""
    elif tested:
        text += f". It falls with B/ε throughout in {falls} of {len(tested)} strata"
        text += f" and rises in {rises}" if rises else ""
    return f"{text}."
