"""Everything that the page and the pictures say, section by section, before it becomes either."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
import pyarrow as pa

from analysis.claim import Claim
from analysis.correlation import CorrelationTable
from analysis.landscape import Group, Landscape
from analysis.provenance import Provenance
from analysis.report.claims_section import claims_section
from analysis.report.collapse_section import collapse_section
from analysis.report.figure import Section
from analysis.report.landscape_section import landscape_section
from analysis.report.law_section import law_section
from analysis.report.peaks_section import peaks_section
from analysis.report.runs_section import runs_section, throughput_figure
from analysis.report.summary import Summary, summarize
from analysis.scaling_fit import ScalingFit, ScalingReport

#: Bytes that a page may have, those that its scripts take, and those of each cell's means in its
#: figures and tables: what is left is for the learning curves, within these ends.
_PAGE_BYTES, _SCRIPT_BYTES, _CELL_BYTES = 4_950_000, 950_000, 470
_CURVE_BYTES = (250_000, 1_700_000)
#: Groups of trials with figures of their own; further ones are named.
MOST_GROUPS = 12


@dataclass(frozen=True, eq=False, kw_only=True, slots=True)
class Study:
    """What a report is made of.

    Attributes:
        title: the page's heading, as the user wrote it.
        landscape: the trials and how complete they are.
        scaling: a law for each group of the landscape, with its peaks.
        correlations: the tests of the correlation claims; None where none could be made, for the
            reason in `untested`.
        claims: every claim with its verdict.
        curves: columns of CURVES_SCHEMA; None where the source has none.
        trials: columns of TRIALS_SCHEMA, for the throughput; None where the source has none.
        provenance: versions, machines and the command to reproduce.
    """

    title: str
    landscape: Landscape
    scaling: ScalingReport
    correlations: CorrelationTable | None = None
    untested: str = ""
    claims: Sequence[Claim] = ()
    curves: pa.Table | None = None
    trials: pa.Table | None = None
    provenance: Provenance = field(default_factory=Provenance)


@dataclass(frozen=True, eq=False, kw_only=True, slots=True)
class GroupContents:
    """The sections of one group of trials.

    Attributes:
        label: the group in one line.
        facets: what tells it from the other groups, for drop-downs.
        sections: landscape, peaks, law, collapse and runs.
    """

    label: str
    facets: Mapping[str, str]
    sections: tuple[Section, ...]


@dataclass(frozen=True, eq=False, kw_only=True, slots=True)
class Contents:
    """All parts of a report.

    Attributes:
        summary: the findings.
        groups: one entry for each group that is shown.
        claims, throughput: sections of the whole study.
        notes: how the source was read, and what is not shown.
    """

    summary: Summary
    groups: tuple[GroupContents, ...]
    claims: Section
    throughput: Section
    notes: tuple[str, ...]


def contents(study: Study) -> Contents:
    """Make every section of a study's report."""
    landscape, scaling = study.landscape, study.scaling
    rows = {group.label: found for group, found in landscape.groups()}
    missing = _missing_by_group(landscape, [law.group for law in scaling.laws])
    laws = _most_trials(scaling.laws, rows)
    total = sum(len(rows[law.group.label]) for law in laws)
    curve_bytes = _curve_bytes(sum(len(p.cells) for law in laws for p in law.peaks))
    groups = tuple(
        GroupContents(
            label=law.group.label,
            facets={name: _facet(value) for name, value in law.group.columns()},
            sections=_sections(
                law,
                trials=rows[law.group.label],
                missing=missing.get(law.group.label),
                curves=study.curves,
                most_bytes=curve_bytes * len(rows[law.group.label]) // max(1, total),
            ),
        )
        for law in laws
    )
    throughput = () if study.trials is None else (throughput_figure(study.trials),)
    return Contents(
        summary=summarize(landscape, scaling, study.correlations),
        groups=groups,
        claims=claims_section(
            study.correlations,
            landscape,
            study.claims,
            reason=study.untested,
            curves=study.curves,
        ),
        throughput=Section(anchor="runs", figures=throughput),
        notes=(*landscape.notes, *_not_shown(scaling.laws, laws)),
    )


def _curve_bytes(n_cells: int) -> int:
    """Compressed size of all learning curves, which base64 makes a third larger."""
    left = 3 * (_PAGE_BYTES - _SCRIPT_BYTES - _CELL_BYTES * n_cells) // 4
    return min(max(left, _CURVE_BYTES[0]), _CURVE_BYTES[1])


def _sections(
    law: ScalingFit,
    *,
    trials: pd.DataFrame,
    missing: pd.DataFrame | None,
    curves: pa.Table | None,
    most_bytes: int,
) -> tuple[Section, ...]:
    return (
        landscape_section(
            law, trials=trials, missing=missing, curves=curves, most_bytes=most_bytes
        ),
        peaks_section(law),
        law_section(law),
        collapse_section(law),
        runs_section(trials, curves),
    )


def _missing_by_group(landscape: Landscape, groups: Iterable[Group]) -> dict[str, pd.DataFrame]:
    """The planned configurations without a result, by the label of their group."""
    if landscape.planned is None:
        return {}
    absent = landscape.missing()
    found = {}
    for group in groups:
        here = pd.Series(True, index=absent.index)
        for name, value in group.columns():
            unknown = value is None or value != value
            here &= absent[name].isna() if unknown else absent[name] == value
        found[group.label] = absent[here]
    return found


def _most_trials(laws: Sequence[ScalingFit], rows: Mapping[str, pd.DataFrame]) -> list[ScalingFit]:
    """The groups with figures of their own, in the order of their names."""
    largest = sorted(laws, key=lambda law: -len(rows[law.group.label]))[:MOST_GROUPS]
    kept = {law.group.label for law in largest}
    return [law for law in laws if law.group.label in kept]


def _not_shown(all_laws: Sequence[ScalingFit], shown: Sequence[ScalingFit]) -> list[str]:
    labels = {law.group.label for law in shown}
    left = [law.group.label for law in all_laws if law.group.label not in labels]
    if not left:
        return []
    return [
        f"Figures are shown for the {len(shown)} groups with the most trials of {len(all_laws)}; "
        f"left out: {'; '.join(left)}."
    ]


def _facet(value: object) -> str:
    if value is None or value != value:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
