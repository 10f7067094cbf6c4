"""Text and tables in Markdown, with what users wrote escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from analysis.charts.table import Table


def escaped(text: str) -> str:
    r"""User text that Markdown and the HTML inside it show as it is, in one line.

    >>> escaped("<b>a|b</b> `c`")
    '&lt;b&gt;a\\|b&lt;/b&gt; \\`c\\`'
    """
    flat = " ".join(text.split())
    safe = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    safe = re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", safe)
    # At its start, what would make it an item of a list, a rule or a heading's underline.
    safe = re.sub(r"^([-+=])(?=\s|$|[-=])", r"\\\1", safe)
    return re.sub(r"^(\d{1,9})([.)])(?=\s|$)", r"\1\\\2", safe)


def bullets(sentences: Sequence[str]) -> list[str]:
    """A list of sentences and the empty line after it; nothing of none."""
    return [*(f"- {escaped(s)}" for s in sentences), ""] if sentences else []


def markdown_table(table: Table) -> Iterator[str]:
    """The table in Markdown, numbers rounded for reading and to the right."""
    numeric = [
        all(v is None or (isinstance(v, int | float) and not isinstance(v, bool)) for v in column)
        for column in zip(*table.rows, strict=True)
    ]
    yield _line(table.columns)
    yield _line(["---:" if right else ":---" for right in numeric], escape=False)
    for row in table.shown():
        yield _line(row)
    yield ""


def _line(cells: Sequence[str], *, escape: bool = True) -> str:
    return f"| {' | '.join(escaped(c) if escape else c for c in cells)} |"
