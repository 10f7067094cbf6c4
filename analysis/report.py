"""One offline HTML page: what was found, how complete it is, charts, and all numbers as tables."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import altair as alt
import jinja2
import pyarrow as pa
import vl_convert
from markupsafe import Markup

from analysis import charts
from analysis.charts.common import Table, interval, number, percent, plural
from analysis.landscape import Counts, Landscape
from analysis.peaks import Peak
from analysis.provenance import Provenance
from analysis.scaling import PREDICTED, ScalingFit, ScalingReport
from explorer.atomic_file import replacing
from explorer.errors import EnvironmentFailure

_SYMBOLS = {
    "learning_rate": "exponent of the learning rate",
    "train_size": "exponent of the training-set size N",
    "momentum": "exponent of 1/(1 − momentum)",
}
_CENTERS = {"learning_rate": "learning rate", "train_size": "N", "momentum": "1/(1 − momentum)"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One question of the page: a sentence, a chart where there is one, and its numbers.

    Attributes:
        anchor: HTML id, unique on the page.
        question, answer, caption: text; `notes` are whole sentences below the chart.
        chart: None where there is nothing to draw.
        table: the numbers behind the chart.
    """

    anchor: str
    question: str
    answer: str
    caption: str
    notes: tuple[str, ...]
    chart: alt.LayerChart | None
    table: Table


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedTable:
    """A table with its heading, and the sentence that stands there when it is empty."""

    heading: str
    table: Table
    absent: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LawSection:
    """What the page says about one law. Further figures and tables are appended to these.

    Attributes:
        anchor, label: HTML id and heading.
        findings: the main sentences, for the summary; `remarks` qualify them.
        figures, tables: in the order shown.
    """

    anchor: str
    label: str
    findings: tuple[str, ...]
    remarks: tuple[str, ...]
    figures: tuple[Figure, ...]
    tables: tuple[NamedTable, ...]


def write_report(
    *,
    landscape: Landscape,
    scaling: ScalingReport,
    curves: pa.Table | None,
    out: Path,
    title: str,
    provenance: Provenance | None = None,
) -> Path:
    """Write the page, whole or not at all.

    Args:
        landscape: the trials and how complete they are.
        scaling: a law for each group of the landscape, with its peaks.
        curves: columns of CURVES_SCHEMA; None where the source has none.
        out: file to write; an older one is replaced.
        title: the page's heading, as the user wrote it.
        provenance: versions, machines and the command to reproduce.

    Raises:
        EnvironmentFailure: the file could not be written.
    """
    page = render_report(
        landscape=landscape, scaling=scaling, curves=curves, title=title, provenance=provenance
    )
    out = Path(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out) as target:
            target.write_text(page, encoding="utf-8")
    except OSError as error:
        raise EnvironmentFailure(
            f"{out}: the report could not be written ({error.strerror or error})."
        ) from error
    return out


def render_report(
    *,
    landscape: Landscape,
    scaling: ScalingReport,
    curves: pa.Table | None,
    title: str,
    provenance: Provenance | None = None,
) -> str:
    """The page's HTML; see `write_report`."""
    sections = law_sections(landscape, scaling, curves)
    bundle, script = _bundle(), _resource("report.js")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(_resource("report_template.html"))
    counts = landscape.counts()
    return template.render(
        title=title,
        byline=_byline(landscape, counts),
        laws=[_shown(section) for section in sections],
        nothing="No trial of this study has a result yet: there is nothing to show.",
        counts=_count_rows(counts),
        notes=(*_count_notes(counts), *landscape.notes),
        provenance=provenance or Provenance(),
        css=Markup(_resource("report.css")),
        themes=_json({mode: charts.config(mode) for mode in ("light", "dark")}),
        bundle=Markup(bundle),
        script=Markup(script),
        script_hashes=Markup(" ".join(_csp_hash(text) for text in (bundle, script))),
    )


def law_sections(
    landscape: Landscape, scaling: ScalingReport, curves: pa.Table | None
) -> tuple[LawSection, ...]:
    """One section for each law, in the report's order."""
    trials = {group.label: rows for group, rows in landscape.groups()}
    sections = []
    for i, law in enumerate(scaling.laws, start=1):
        anchor = f"law-{i}"
        peaks = charts.peaks_info(law.peaks, metric=scaling.metric)
        fit = charts.law_info(law)
        learning = charts.learning_curves_info(trials[law.group.label], curves)
        figures = (
            Figure(
                anchor=f"{anchor}-peaks",
                question=peaks.question,
                answer=peaks.answer,
                caption=(
                    "Points are means over seeds with bars of one standard error, hollow where "
                    "trials stop training and the smooth curve is not fitted. Above them, each "
                    "learning rate's best batch size with its 95 % interval, hollow and with an "
                    "arrow where it is only bounded. Pick one learning rate to see its curve's "
                    "95 % band."
                ),
                notes=peaks.notes,
                chart=charts.peaks(peaks) if peaks.cells else None,
                table=peaks.table(),
            ),
            Figure(
                anchor=f"{anchor}-law",
                question=fit.question,
                answer=fit.answer,
                caption=(
                    "Each point is one condition with its 95 % interval (ε: learning rate, N: "
                    "train size, m: momentum); both axes are "
                    "logarithmic, so that a power law is a straight line. Solid: the fitted law. "
                    "Dashed: slope 1, through the geometric mean of the fitted points."
                ),
                notes=fit.notes,
                chart=charts.law(fit) if fit.points else None,
                table=fit.table(),
            ),
            Figure(
                anchor=f"{anchor}-curves",
                question=learning.question,
                answer=learning.answer,
                caption="Each line is one cell's mean over its seeds, at each evaluation.",
                notes=learning.notes,
                chart=charts.learning_curves(learning) if learning.rows else None,
                table=learning.table(),
            ),
        )
        stated, qualifying = _findings(law)
        sections.append(
            LawSection(
                anchor=anchor,
                label=law.group.label,
                findings=(peaks.answer, *stated),
                remarks=tuple(qualifying),
                figures=figures,
                tables=(_exponent_table(law), _peak_table(law.peaks)),
            )
        )
    return tuple(sections)


def _findings(law: ScalingFit) -> tuple[list[str], list[str]]:
    """The law's sentences: those that state an exponent, and those that qualify them."""
    stated = {e.sentence.casefold() for e in law.exponents.values() if e.identifiable}
    findings = [s for s in law.sentences if s.rstrip(".").casefold() in stated]
    return findings, [s for s in law.sentences if s not in findings]


def _exponent_table(law: ScalingFit) -> NamedTable:
    rows = [
        (
            _SYMBOLS[axis],
            number(exponent.estimate),
            exponent.interval.replace(" ", "\u00a0") or "–",
            number(PREDICTED),
            exponent.sentence,
        )
        for axis, exponent in law.exponents.items()
    ]
    center = ", ".join(f"{_CENTERS[axis]} {number(value)}" for axis, value in law.center.items())
    rows.append(
        (
            "best batch size at the centre of the conditions",
            number(law.at_center.estimate),
            interval(law.at_center.low, law.at_center.high) or "–",
            "–",
            f"at {center}" if law.n_conditions else "no condition with a peak of its own",
        )
    )
    note = "No condition has a peak of its own, so no law was fitted."
    if law.n_conditions:
        note = (
            f"Fitted to {plural(law.n_conditions, 'condition')}, {law.n_dropped} left out "
            f"({law.n_censored} because the peak is on an edge); scatter between conditions "
            f"beyond their own errors {number(math.sqrt(law.tau2))} in ln B; the fit "
            f"{'converged' if law.converged else 'did not converge'}."
        )
    return NamedTable(
        heading="The fitted law",
        table=Table(
            columns=("quantity", "estimate", "95 % interval", "predicted", "finding"),
            rows=tuple(rows),
            note=note,
        ),
        absent="No law could be fitted.",
    )


def _peak_table(peaks: Sequence[Peak]) -> NamedTable:
    rows = tuple(
        (
            number(p.learning_rate),
            number(p.momentum),
            number(p.train_size),
            number(p.batch_size_opt),
            interval(p.low, p.high) or "–",
            interval(p.near_optimal_low, p.near_optimal_high) or "–",
            percent(p.accuracy_opt),
            number(p.n_seeds),
            _remarks(p),
        )
        for p in peaks
    )
    columns = (
        "learning rate",
        "momentum",
        "train size",
        "best batch size",
        "95 % interval",
        "within 0.5 points",
        "accuracy there",
        "seeds",
        "remarks",
    )
    return NamedTable(
        heading="The best batch size of each condition",
        table=Table(columns=columns, rows=rows),
        absent="No condition has enough cells to look for a best batch size.",
    )


def _remarks(peak: Peak) -> str:
    edge = {"low": "at the lower edge", "high": "at the upper edge", None: "open on both sides"}
    words = [edge[peak.censored_side]] if peak.censored else []
    return "; ".join([*words, *(flag.replace("_", " ") for flag in peak.flags)])


def _byline(landscape: Landscape, counts: Counts) -> str:
    done = counts.completed + counts.diverged
    made = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    return f"{plural(done, 'finished trial')} from {landscape.source}, {made}"


def _count_rows(counts: Counts) -> list[tuple[str, str]]:
    """What was planned and what became of it; unknown counts are left out."""
    rows = [
        ("planned", counts.planned),
        ("completed", counts.completed),
        ("diverged", counts.diverged),
        ("failed", counts.failed),
        ("missing", counts.missing),
    ]
    return [(name, f"{n:,}") for name, n in rows if n is not None]


def _count_notes(counts: Counts) -> list[str]:
    if counts.planned is None:
        return ["This source does not say what was planned, so missing trials cannot be counted."]
    if counts.missing or counts.failed:
        return ["The study is not complete: run it again, and only what is missing is trained."]
    return []


def _shown(section: LawSection) -> dict[str, Any]:
    """A section as the template reads it: charts become specifications."""
    figures = []
    for figure in section.figures:
        spec = None if figure.chart is None else figure.chart.to_dict()
        figures.append(
            {
                "anchor": figure.anchor,
                "question": figure.question,
                "answer": figure.answer,
                "caption": figure.caption,
                "notes": figure.notes,
                "table": figure.table,
                "spec": None if spec is None else _json(spec),
                "height": 0 if spec is None else spec["height"],
            }
        )
    return {
        "anchor": section.anchor,
        "label": section.label,
        "findings": section.findings,
        "remarks": section.remarks,
        "figures": figures,
        "tables": section.tables,
    }


def _json(value: object) -> Markup:
    """JSON that may stand inside a <script>: no `<` can end the element or open a comment."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


#: What the bundle makes known to the page's own script.
_SNIPPET = "window.vegaEmbed = vegaEmbed;"


@cache
def _bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that needs nothing else."""
    return str(vl_convert.javascript_bundle(_SNIPPET)).replace("</script", "<\\/script")


def _resource(name: str) -> str:
    return resources.files("analysis").joinpath(name).read_text(encoding="utf-8")


def _csp_hash(script: str) -> str:
    """The script's hash for the page's content security policy: no other script may run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
