"""What a section of the page is made of: figures, tables and sentences, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import altair as alt

from analysis.charts.table import Table


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One question of the page: its answer in a sentence, one figure, and the numbers.

    Attributes:
        anchor: HTML id, unique within its section and group.
        question: the title.
        answer: one sentence with its intervals; says what cannot be answered, and why.
        caption: how to read the figure.
        notes: whole sentences below it: what was left out, what to beware of.
        panels: charts of container width, side by side where there is room; empty where there is
            nothing to draw.
        table: the numbers behind the charts.
        kind: names what the page's script adds, such as the learning curves of a clicked cell.
        extra: JSON values that the script needs for that.
        binary: bytes that it needs.
    """

    anchor: str
    question: str
    answer: str
    caption: str
    notes: tuple[str, ...]
    panels: tuple[alt.LayerChart, ...]
    table: Table
    kind: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    binary: bytes = b""


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedTable:
    """A table with its heading, and the sentence that stands there when it is empty."""

    anchor: str
    heading: str
    table: Table
    absent: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """What one part of the page says, of one group of trials or of all.

    Attributes:
        anchor: HTML id of the part: summary, landscape, peaks, law, collapse, claims, runs.
        remarks: sentences that qualify the answers.
        figures, tables: in the order shown.
    """

    anchor: str
    remarks: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[NamedTable, ...] = ()
