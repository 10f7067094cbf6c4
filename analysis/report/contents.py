"""Everything that the page and the pictures say, section by section, before it becomes either."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
import pyarrow as pa

from analysis.charts.common import plural
from analysis.claim import Claim
from analysis.correlation import CorrelationTable
from analysis.landscape import Landscape
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
    # The laws are those of the landscape's groups, in their order; none where nothing finished.
    rows = [found for _, found in landscape.groups()][: len(scaling.laws)]
    shown = _most_trials(rows)
    laws = [scaling.laws[i] for i in shown]
    missing = None if landscape.planned is None else landscape.missing()
    total = sum(len(rows[i]) for i in shown)
    curve_bytes = _curve_bytes(sum(len(p.cells) for law in laws for p in law.peaks))
    groups = tuple(
        GroupContents(
            label=law.group.label,
            facets={name: _facet(value) for name, value in law.group.columns()},
            sections=_sections(
                law,
                trials=rows[i],
                missing=None if missing is None else law.group.rows_of(missing),
                curves=study.curves,
                most_bytes=curve_bytes * len(rows[i]) // max(1, total),
            ),
        )
        for i, law in zip(shown, laws, strict=True)
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


def _most_trials(rows: Sequence[pd.DataFrame]) -> list[int]:
    """Numbers of the groups with figures of their own, in the order of their names."""
    return sorted(sorted(range(len(rows)), key=lambda i: -len(rows[i]))[:MOST_GROUPS])


def _not_shown(all_laws: Sequence[ScalingFit], shown: Sequence[ScalingFit]) -> list[str]:
    left = [law.group.label for law in all_laws if not any(law is one for one in shown)]
    if not left:
        return []
    return [
        f"Figures are shown for {plural(len(shown), 'group')} of {len(all_laws)}, those with the "
        "most trials; "
        f"left out: {'; '.join(left)}."
    ]


def _facet(value: object) -> str:
    if value is None or value != value:
        return "none"
    return f"{value:.12g}" if isinstance(value, float) else str(value)
