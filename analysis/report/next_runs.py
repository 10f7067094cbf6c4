"""What to train next where the results are weak: concrete sentences with numbers."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.charts.common import number, plural
from analysis.landscape import Landscape
from analysis.peak import Peak
from analysis.peaks import FEW_SEEDS, PEAK_LEVEL
from analysis.report.groups import AXIS_NAMES, axis_labels, short_labels, strongest
from analysis.scaling_fit import ScalingFit, ScalingReport

#: How far beyond the sampled batch sizes to look for a peak that lies outside.
_EXTEND = 4
_GOOD_SEEDS = 5


def next_runs(landscape: Landscape, scaling: ScalingReport) -> list[str]:
    """What to train next, most urgent first."""
    counts = landscape.counts()
    finished = counts.completed + counts.diverged
    lines = []
    if counts.missing and not finished:
        lines.append(
            f"Run the study: {plural(counts.missing, 'planned trial')} "
            f"{'waits' if counts.missing == 1 else 'wait'} to be trained."
        )
    elif counts.missing:
        lines.append(
            f"Run the study again: {counts.missing:,} of "
            f"{plural(counts.planned or 0, 'planned trial')} {_are(counts.missing)} missing, and "
            "only those are trained."
        )
    if counts.failed:
        lines.append(
            f"{plural(counts.failed, 'trial')} failed: `explorer show` tells why; running the "
            f"study again tries {'it' if counts.failed == 1 else 'them'} again."
        )
    if not finished and not lines:
        lines.append("Nothing has finished: run a search space first.")
    laws = strongest(scaling.laws)
    names = short_labels([law.group for law in laws])
    for advise in (_extend, _open_ends, _unsure_of_noise, _few_cells, _axes_to_vary):
        found: dict[str, list[str]] = {}
        for law in laws:
            for text in advise(law):
                found.setdefault(text, []).append(names[law.group])
        for text, groups in found.items():
            # What was not varied holds for the study; what counts conditions, for each group.
            if len(groups) < len(laws):
                lines.append(_for_groups(text, groups))
            elif len(laws) > 1 and advise is not _axes_to_vary:
                lines.append(f"In each of the {len(laws)} groups: {text}")
            else:
                lines.append(text)
    return lines


def _for_groups(text: str, groups: Sequence[str]) -> str:
    """The advice, with the groups that it holds for."""
    shown = "; ".join(groups[:2])
    more = f" and {plural(len(groups) - 2, 'more group')}" if len(groups) > 2 else ""
    return f"{shown}{more}: {text}"


def _extend(law: ScalingFit) -> list[str]:
    """Where the peak may lie beyond the sampled batch sizes: which side to extend, and how far."""
    lines = []
    for side, end, word in (("high", -1, "largest"), ("low", 0, "smallest")):
        at = [p for p in _complete(law) if p.censored and p.censored_side in (side, None)]
        open_ = [p for p in at if p.cells[end].batch_size != _beyond(p, end)]
        if not open_:
            continue
        ends = sorted({p.cells[end].batch_size for p in open_})
        targets = sorted({_beyond(p, end) for p in open_})
        lines.append(
            f"In {_some(open_, law).lower()} the peak may lie beyond the {word} "
            f"sampled batch size ({_range(ends)}): sample {'up' if end else 'down'} to "
            f"{_range(targets, joint='–')} there."
        )
    return lines


def _open_ends(law: ScalingFit) -> list[str]:
    """Where the near-optimal range of a located peak may reach beyond the sampled batch sizes."""
    lines = []
    found = [p for p in _complete(law) if p.usable]
    high = [p for p in found if p.landmark("near_optimal_high").open_high]
    high = [p for p in high if p.cells[-1].batch_size < p.train_size]
    # Below an edge of trainability nothing trains: no smaller batch size would tell more.
    low = [p for p in found if p.landmark("near_optimal_low").open_low and "no_cliff" in p.flags]
    low = [p for p in low if p.cells[0].batch_size > 1]
    for peaks, i, word in ((high, -1, "largest"), (low, 0, "smallest")):
        if not peaks:
            continue
        ends = sorted({p.cells[i].batch_size for p in peaks})
        targets = sorted({_beyond(p, i) for p in peaks})
        lines.append(
            f"In {_some(peaks, law).lower()} the near-optimal range may "
            f"reach beyond the {word} sampled batch size ({_range(ends)}): sample "
            f"{'up' if i else 'down'} to {_range(targets, joint='–')} there to find its end."
        )
    return lines


def _beyond(peak: Peak, end: int) -> int:
    """A batch size beyond the last (-1) or the first (0) sampled one, between 1 and N."""
    if end:
        return min(peak.cells[-1].batch_size * _EXTEND, peak.train_size)
    return max(peak.cells[0].batch_size // _EXTEND, 1)


def _complete(law: ScalingFit) -> list[Peak]:
    """Conditions whose planned trials were all found: of the others, those are wanted first."""
    return [p for p in law.peaks if "missing_trials" not in p.flags and p.cells]


def _unsure_of_noise(law: ScalingFit) -> list[str]:
    """Few seeds, or peaks that the noise hides."""
    lines = []
    known = [p for p in law.peaks if p.n_seeds > 0]
    single = [p for p in known if p.n_seeds <= 1]
    few = [p for p in known if 1 < p.n_seeds < FEW_SEEDS]
    if single:
        lines.append(
            f"{_some(single, law)} {_have(single)} one seed a "
            f"cell, so that noise is only assumed: train at least {FEW_SEEDS} seeds, better "
            f"{_GOOD_SEEDS}."
        )
    if few:
        lines.append(
            f"{_some(few, law)} {_have(few)} fewer than "
            f"{FEW_SEEDS} seeds a cell: train at least {FEW_SEEDS}, better {_GOOD_SEEDS}; the "
            "intervals were calibrated from there on."
        )
    unclear = [p for p in law.peaks if p.usable and p.peak_p >= PEAK_LEVEL]
    if unclear and not single:
        seeds = max(p.n_seeds for p in unclear)
        lines.append(
            f"{_some(unclear, law)} {_have(unclear)} no clear "
            f"peak (p of at least {PEAK_LEVEL:g}): {number(4 * seeds)} seeds a cell instead of "
            f"{number(seeds)} would halve the standard errors."
        )
    return lines


def _few_cells(law: ScalingFit) -> list[str]:
    lines = []
    untrained = [p for p in law.peaks if "untrained" in p.flags]
    few = [p for p in _complete(law) if "few_cells" in p.flags and "untrained" not in p.flags]
    if untrained:
        rates = sorted({p.learning_rate for p in untrained})
        lines.append(
            f"In {_some(untrained, law).lower()} (learning rate "
            f"{_range(rates)}) nothing stands out from chance: try a smaller learning rate, larger "
            "batches or a longer budget."
        )
    if few:
        lines.append(
            f"{_some(few, law)} {_have(few)} fewer than 4 batch "
            "sizes at which trials train: sample more, half an octave apart."
        )
    return lines


def _axes_to_vary(law: ScalingFit) -> list[str]:
    """Exponents that are not known, or too wide to tell anything."""
    if not law.n_conditions:
        return []
    lines = []
    for axis, exponent in law.exponents.items():
        values = sorted({float(getattr(p, axis)) for p in law.peaks})
        name = AXIS_NAMES[axis]
        if exponent.identifiable and exponent.too_wide:
            lines.append(
                f"The exponent of {_exponent_of(axis)} is {exponent.text}, too wide to tell "
                f"anything: take more values of {name} over a wider range than "
                f"{_range(values, axis)}."
            )
        elif not exponent.identifiable and len(values) == 1:
            lines.append(f"{_vary(axis, values[0])}.")
    return lines


def _vary(axis: str, value: float) -> str:
    if axis == "train_size":
        smaller = f"{number(value / 4)}, {number(value / 2)} and {number(value)}"
        return (
            f"N was {number(value)} throughout: vary it ({smaller}, or larger), since only N parts "
            "an optimum of the noise scale from the edge of trainability"
        )
    if axis == "momentum":
        other = "0, 0.5 and 0.9" if value < 0.95 else "0, 0.9 and 0.95"
        was = axis_labels(axis, [value])[value]
        return f"Momentum was {was} throughout: vary it ({other}) to test 1/(1 - m)"
    low, high = number(value / 2.0), number(value * 2.0)
    return f"The learning rate was {number(value)} throughout: vary it ({low} to {high}, or more)"


def _exponent_of(axis: str) -> str:
    return {"learning_rate": "the learning rate", "train_size": "N", "momentum": "1/(1 - m)"}[axis]


def _some(peaks: Sequence[Peak], law: ScalingFit) -> str:
    """How many of a law's conditions these are."""
    n = len(law.peaks)
    return "The only condition" if n == 1 else f"{len(peaks)} of {plural(n, 'condition')}"


def _are(n: int) -> str:
    return "is" if n == 1 else "are"


def _have(peaks: Sequence[Peak]) -> str:
    return "has" if len(peaks) == 1 else "have"


def _range(values: Sequence[float], axis: str = "", joint: str = " to ") -> str:
    names = axis_labels(axis, values)
    first, last = names[values[0]], names[values[-1]]
    return first if len(values) == 1 else f"{first}{joint}{last}"
