"""One offline HTML page: what was found, how complete it is, charts, and all numbers as tables."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import vl_convert
from markupsafe import Markup

from analysis.charts.common import plural
from analysis.charts.table import Table
from analysis.charts.theme import config
from analysis.report.contents import Contents, Study, contents
from analysis.report.definitions import DEFINITIONS
from analysis.report.figure import Figure, NamedTable, Section
from analysis.report.payload import as_json, inline_json, packed
from explorer.atomic_file import replacing
from explorer.errors import EnvironmentFailure

#: Tables of at most so many rows are written into the page; the script makes longer ones.
_SMALL = 200

#: The page's parts, as (anchor, name in the navigation, heading).
_PARTS = (
    ("summary", "Findings", "What was found"),
    ("landscape", "Landscape", "The landscape"),
    ("peaks", "Peaks", "Is there a best batch size?"),
    ("law", "Law", "Does it follow εN/(1 − m)?"),
    ("collapse", "Collapse", "Is it the noise scale?"),
    ("claims", "Correlations", "Do the correlation claims hold?"),
    ("runs", "Runs", "How were these trials run?"),
    ("terms", "Terms", "What the terms mean"),
)
#: Parts of the page's script, in order: each uses only what stands before it.
_SCRIPTS = (
    "payload.js",
    "state.js",
    "charts.js",
    "tables.js",
    "downloads.js",
    "landscape.js",
    "groups.js",
    "main.js",
)


def write_report(study: Study, out: Path, *, refresh: int | None = None) -> Path:
    """Write the page, whole or not at all.

    Args:
        study: what to report.
        out: file to write; an older one is replaced.
        refresh: seconds after which the open page loads itself again; None for never.

    Raises:
        EnvironmentFailure: the file could not be written.
    """
    return write_page(study, contents(study), out, refresh=refresh)


def write_page(study: Study, made: Contents, out: Path, *, refresh: int | None = None) -> Path:
    """Write the page of contents that were made already; see `write_report`."""
    page = render_page(study, made, refresh=refresh)
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


def render_page(study: Study, made: Contents, *, refresh: int | None = None) -> str:
    """The page's HTML; see `write_report`."""
    bundle, script = _bundle(), _script()
    blocks = _blocks(made)
    first = Section(
        anchor="summary",
        figures=(made.summary.completeness,),
        tables=(made.summary.suggestions,) if made.summary.suggestions.table.rows else (),
    )
    summary = _block(first, None, 0)
    parts: list[dict[str, Any]] = [
        {"anchor": anchor, "short": short, "heading": heading, "blocks": blocks.get(anchor, [])}
        for anchor, short, heading in _PARTS
        if anchor in ("summary", "runs", "terms") or blocks.get(anchor)
    ]
    shown: list[_Block] = [block for part in parts for block in part["blocks"]]
    anchors = {part["anchor"] for part in parts}
    for block in shown:
        anchors |= {f.id for f in block.figures} | {t.id for t in block.tables}
    page_data = {
        "themes": {mode: config(mode) for mode in ("light", "dark")},
        "groups": [{"label": g.label, "facets": dict(g.facets)} for g in made.groups],
    }
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(_resource("template.html")).render(
        title=study.title,
        byline=_byline(study),
        refresh=refresh,
        parts=parts,
        groups=made.groups,
        summary=_shown_summary(made, summary),
        anchors=anchors,
        definitions=DEFINITIONS,
        provenance=study.provenance,
        small=_SMALL,
        css=Markup(_resource("style.css")),
        page_data=inline_json(page_data),
        bundle=Markup(bundle),
        script=Markup(script),
        script_hashes=Markup(" ".join(_csp_hash(text) for text in (bundle, script))),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _ShownFigure:
    """A figure as the template reads it: its id, the panels' heights in pixels, packed data."""

    id: str
    figure: Figure
    kind: str
    heights: tuple[int, ...]
    pack: Markup
    seeds: Markup


@dataclass(frozen=True, kw_only=True, slots=True)
class _ShownTable:
    """A table as the template reads it."""

    id: str
    named: NamedTable
    pack: Markup


@dataclass(frozen=True, kw_only=True, slots=True)
class _Block:
    """One section of one group, or of all where `group` is None."""

    group: int | None
    remarks: tuple[str, ...]
    figures: tuple[_ShownFigure, ...]
    tables: tuple[_ShownTable, ...]


def _blocks(made: Contents) -> dict[str, list[_Block]]:
    """The blocks of each part of the page."""
    blocks: dict[str, list[_Block]] = {}
    several = len(made.groups) > 1
    for number, group in enumerate(made.groups):
        for section in group.sections:
            block = _block(section, number, number + 1 if several else 0)
            blocks.setdefault(section.anchor, []).append(block)
    for section in (made.claims, made.throughput):
        if section.figures or section.tables or section.remarks:
            blocks.setdefault(section.anchor, []).append(_block(section, None, 0))
    return blocks


def _block(section: Section, group: int | None, number: int) -> _Block:
    prefix = f"g{number}-{section.anchor}" if number else section.anchor
    return _Block(
        group=group,
        remarks=section.remarks,
        figures=tuple(_shown_figure(f, f"{prefix}-{f.anchor}") for f in section.figures),
        tables=tuple(
            _ShownTable(
                id=f"{prefix}-{t.anchor}",
                named=t,
                pack=packed(as_json(_table_pack(t.table))) if t.table.rows else Markup(),
            )
            for t in section.tables
        ),
    )


def _shown_figure(figure: Figure, id: str) -> _ShownFigure:
    # The tests validate every chart against Vega-Lite's schema; here that would take seconds.
    specs = [panel.to_dict(validate=False) for panel in figure.panels]
    pack = {"specs": specs, **_table_pack(figure.table), **figure.extra}
    return _ShownFigure(
        id=id,
        figure=figure,
        kind=figure.kind,
        heights=tuple(int(spec["height"]) for spec in specs),
        pack=packed(as_json(pack)),
        seeds=packed(figure.binary) if specs and figure.kind == "landscape" else Markup(),
    )


def _table_pack(table: Table) -> dict[str, Any]:
    texts = [
        name
        for name, values in zip(table.columns, zip(*table.rows, strict=True), strict=False)
        if any(isinstance(value, str) for value in values)
    ]
    return {"csv": table.csv(), "percent": sorted(table.percent), "texts": texts}


def _shown_summary(made: Contents, block: _Block) -> Mapping[str, Any]:
    summary = made.summary
    return {
        "study": summary.study,
        "findings": summary.findings,
        "recommendation": (*summary.recommendation, *summary.next_runs),
        "counts": summary.counts,
        "notes": (*summary.notes, *made.notes),
        "shown": block,
    }


def _byline(study: Study) -> str:
    counts = study.landscape.counts()
    done = counts.completed + counts.diverged
    made = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    named = study.landscape.study
    source = study.landscape.source if named is None else f"study {named}"
    return f"{plural(done, 'finished trial')} of {source}, {made}"


#: What the bundle makes known to the page's own script.
_SNIPPET = "window.vegaEmbed = vegaEmbed;"


@cache
def _bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that needs nothing else."""
    return str(vl_convert.javascript_bundle(_SNIPPET)).replace("</script", "<\\/script")


@cache
def _script() -> str:
    read = 'const pageData = JSON.parse(document.getElementById("page-data").textContent);'
    parts = "\n".join(_resource(name) for name in _SCRIPTS)
    return f'"use strict";\n(() => {{\n{read}\n{parts}}})();\n'


def _resource(name: str) -> str:
    return resources.files("analysis.report").joinpath("page", name).read_text(encoding="utf-8")


def _csp_hash(script: str) -> str:
    """The script's hash for the page's content security policy: no other script may run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
