"""The figures as SVG and PNG files with a Markdown report, for papers and READMEs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import altair as alt

from analysis.charts.common import beside, plural
from analysis.charts.table import Table
from analysis.charts.theme import png, svg
from analysis.report.contents import Study, contents
from analysis.report.figure import Figure, NamedTable, Section
from analysis.report.groups import short_labels
from analysis.report.markdown import bullets, escaped, markdown_table
from analysis.report.summary import Summary
from explorer.atomic_file import replacing
from explorer.errors import EnvironmentFailure

#: Rows of a table that stand in the report; larger ones become a CSV file beside it.
MAX_TABLE_ROWS = 30
#: Widths of a picture's plotting area in pixels, for one panel and for each of several.
_WIDTH, _PANEL_WIDTH = 720, 360
_LONGEST_NAME = 40
#: Words of a sentence on what the reader of a page can do, which a picture cannot.
_INTERACTIVE = re.compile(r"drop-down|\b(click|pick|hover|keyboard|tooltip)", re.IGNORECASE)

_TITLES = {
    "summary": "Summary",
    "landscape": "Landscape",
    "peaks": "Peaks",
    "law": "Law",
    "collapse": "Collapse",
    "claims": "Correlation claims",
    "runs": "Runs",
}


def write_static(study: Study, folder: Path) -> list[Path]:
    """Write a study's figures, larger tables and report into a folder; see `write_pictures`."""
    made = contents(study)
    several = len(made.groups) > 1
    sections = [(group.label if several else "", group.sections) for group in made.groups]
    sections.append(("", (made.claims, made.throughput)))
    labels = {group.label for group in made.groups}
    short = short_labels([law.group for law in study.scaling.laws if law.group.label in labels])
    return write_pictures(
        folder,
        study.title,
        made.summary,
        sections,
        short={group.label: text for group, text in short.items()},
        notes=made.notes,
    )


def write_pictures(
    folder: Path,
    title: str,
    summary: Summary,
    sections: Sequence[tuple[str, Sequence[Section]]],
    *,
    short: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> list[Path]:
    """Write every figure as SVG and PNG, tables of more than 30 rows as CSV, and `report.md`.

    Every file is written whole or not at all, the report last, so that it names files that exist.
    Other files of the folder stay.

    Args:
        folder: is made where it does not exist.
        title: the report's heading, as the user wrote it.
        summary: its first part.
        sections: (label, sections) of each group; sections of all groups have an empty label.
        short: what tells a label from the others, for file names; without it the label itself.
        notes: how the source was read.

    Returns:
        The files written, the report last.

    Raises:
        EnvironmentFailure: a file could not be written; it is named.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise EnvironmentFailure(f"{folder}: the folder could not be made ({reason}).") from error
    export = _Export(folder)
    names = _group_names(list(dict.fromkeys(label for label, _ in sections if label)), short or {})
    lines = [f"# {escaped(title)}", "", *export.summary(summary, notes)]
    heading = ""
    for label, parts in sections:
        prefix = ""
        if label:
            lines += [f"## {escaped(label)}", ""]
            prefix = names[label]
            heading = ""
        for section in parts:
            if not (section.figures or section.tables or section.remarks):
                continue
            # Sections of one name in a row, a group's and that of all, share a heading.
            headed, heading = section.anchor != heading, section.anchor
            lines += export.section(section, prefix, "###" if label else "##", headed=headed)
        if label:
            heading = ""
    report = folder / "report.md"
    text = "\n".join(lines).rstrip() + "\n"
    _write(report, lambda target: target.write_text(text, encoding="utf-8"))
    return [*export.files, report]


class _Export:
    """Writes pictures and tables into a folder and returns the Markdown that shows them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: set[str] = set()
        self.files: list[Path] = []

    def summary(self, summary: Summary, notes: Sequence[str]) -> Iterator[str]:
        """The report's first part."""
        yield " ".join(escaped(s) for s in summary.study)
        yield ""
        if summary.counts:
            yield from markdown_table(
                Table(
                    columns=tuple(name for name, _ in summary.counts),
                    rows=(tuple(n for _, n in summary.counts),),
                )
            )
        if summary.findings:
            yield from ("## Findings", "", *bullets([t for t, _ in summary.findings]))
        if summary.recommendation:
            yield from ("## Recommendation", "", *bullets(summary.recommendation))
        if summary.suggestions.table.rows:
            yield from self.table(summary.suggestions, "summary-suggestions", "###")
        if summary.next_runs:
            yield from ("### What to run next", "", *bullets(summary.next_runs))
        yield from bullets([*summary.notes, *notes])
        yield from self.figure(summary.completeness, "summary", "###")

    def section(
        self, section: Section, prefix: str, level: str, *, headed: bool = True
    ) -> Iterator[str]:
        """A heading, the remarks, the figures and the tables."""
        title = _TITLES.get(section.anchor, section.anchor.replace("-", " ").capitalize())
        if headed:
            yield from (f"{level} {escaped(title)}", "")
        yield from bullets(section.remarks)
        stem = f"{prefix}{section.anchor}"
        for figure in section.figures:
            yield from self.figure(figure, stem, f"{level}#")
        for table in section.tables:
            yield from self.table(table, f"{stem}-{table.anchor}", f"{level}#")

    def figure(self, figure: Figure, stem: str, level: str) -> Iterator[str]:
        """Question, answer, picture, notes and table."""
        name = self._free(f"{stem}-{figure.anchor}")
        yield from (f"{level} {escaped(figure.question)}", "")
        if figure.answer:
            yield from (escaped(figure.answer), "")
        if figure.panels:
            self._draw(figure, name)
            yield from (f"![{escaped(figure.question)}]({name}.svg)", "")
            caption = " ".join([*_still(figure.caption), *_shown(figure.panels)])
            if caption:
                yield from (f"*{escaped(caption)}*", "")
        yield from bullets(figure.notes)
        yield from self._numbers(figure.table, name)

    def table(self, table: NamedTable, name: str, level: str) -> Iterator[str]:
        """Heading and table, or why there is none."""
        yield from (f"{level} {escaped(table.heading)}", "")
        if table.table.rows:
            yield from self._numbers(table.table, self._free(name))
        else:
            yield from (escaped(table.absent), "")

    def _numbers(self, table: Table, name: str) -> Iterator[str]:
        """A small table as it is, a large one as a CSV file."""
        if not table.rows:
            return
        if len(table.rows) <= MAX_TABLE_ROWS:
            yield from markdown_table(table)
        else:
            path = self._folder / f"{name}.csv"
            text = table.csv()
            _write(path, lambda target: target.write_text(text, encoding="utf-8", newline=""))
            self.files.append(path)
            yield from (
                f"The numbers: [{path.name}]({path.name}), {plural(len(table.rows), 'row')}.",
                "",
            )
        if table.note:
            yield from (escaped(table.note), "")

    def _draw(self, figure: Figure, name: str) -> None:
        # The map's second panel is what the page shows of a clicked cell.
        panels = figure.panels[:1] if figure.kind == "landscape" else figure.panels
        n = len(panels)
        picture = svg(beside(panels), width=_WIDTH if n == 1 else n * _PANEL_WIDTH + (n - 1) * 60)
        vector, raster = (self._folder / f"{name}{suffix}" for suffix in (".svg", ".png"))
        _write(vector, lambda target: target.write_text(picture, encoding="utf-8"))
        # From the finished drawing: laying the chart out again takes three times as long.
        _write(raster, lambda target: target.write_bytes(png(picture)))
        self.files += [vector, raster]

    def _free(self, name: str) -> str:
        """A name for files that no other figure or table has."""
        free, n = name, 1
        while free in self._names:
            n += 1
            free = f"{name}-{n}"
        self._names.add(free)
        return free


def _write(path: Path, make: Callable[[Path], object]) -> None:
    """Let `make` write the file, which appears whole or not at all.

    Raises:
        EnvironmentFailure: it could not be written.
    """
    try:
        with replacing(path) as target:
            make(target)
    except OSError as error:
        reason = error.strerror or error
        raise EnvironmentFailure(f"{path}: could not be written ({reason}).") from error


def _still(caption: str) -> list[str]:
    """The sentences of a caption that hold for a picture too."""
    return [s for s in re.split(r"(?<=[.!?])\s+", caption) if s and not _INTERACTIVE.search(s)]


def _shown(panels: Sequence[alt.LayerChart]) -> list[str]:
    """What a picture shows of what the page's drop-downs offer, as a sentence."""
    chosen: dict[str, str] = {}
    for panel in panels:
        for param in panel.to_dict(validate=False).get("params", []):
            bind = param.get("bind")
            if isinstance(bind, dict) and len(bind.get("options", [])) > 1:
                chosen[str(bind.get("name", param["name"])).strip(" :")] = str(param["value"])
    return [f"Shown: {', '.join(f'{name} {v}' for name, v in chosen.items())}."] if chosen else []


def _group_names(labels: Sequence[str], short: Mapping[str, str]) -> dict[str, str]:
    """The start of each group's file names: its number and what tells it from the others."""
    if len(labels) < 2:
        return dict.fromkeys(labels, "")
    return {
        label: f"{i}-{_slug(short.get(label, label))}-" for i, label in enumerate(labels, start=1)
    }


def _slug(text: str) -> str:
    """A file name's part: ASCII letters and digits, words joined by hyphens."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return words[:_LONGEST_NAME].strip("-") or "group"
