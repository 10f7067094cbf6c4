"""The command line's app, its common options, and how commands print."""

from __future__ import annotations

import json
import logging
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from explorer.interruption import INTERRUPTED as INTERRUPTED

if TYPE_CHECKING:
    from explorer.store import Store

DEFAULT_STORE = "./explorer-store"
DEFAULT_METRIC = "test_accuracy"
#: Percentage points.
DEFAULT_NEAR_OPTIMAL = 0.5

app = typer.Typer(
    name="explorer",
    help="How batch size, learning rate, momentum and training-set size decide generalization.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

StoreOption = Annotated[
    str,
    typer.Option("--store", envvar="EXPLORER_STORE", help="Folder or URI of the results."),
]
StudyOption = Annotated[
    str | None, typer.Option("--study", help="Which study; may be left out where there is one.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print unrounded JSON.")]
FromOption = Annotated[
    Path | None, typer.Option("--from", help="Analyse this CSV or Parquet file, not the store.")
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option("--column", help="What --from calls a column, as batch_size=bs; may be repeated."),
]
NearOptimalOption = Annotated[
    float, typer.Option("--near-optimal", help="Points below the best that count as near-optimal.")
]
MetricOption = Annotated[str, typer.Option("--metric", help="Which accuracy column.")]
Verbose = Annotated[int, typer.Option("-v", "--verbose", count=True, help="Say more; -vv: all.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say only results and errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def open_store(location: str) -> Store:
    """The store at a folder or URI; it must exist."""
    from explorer.store import Store

    return Store.open(location)


def command_line(
    name: str,
    *,
    store: str | None = None,
    study: str | None = None,
    source: Path | None = None,
    metric: str | None = None,
    near_optimal: float | None = None,
    column: Sequence[str] | None = None,
) -> str:
    """A command as it would be typed, quoted for a shell; without defaults and secrets."""
    from explorer.store.address import without_credentials

    words = ["explorer", name]
    if source is not None:
        words += ["--from", str(source)]
    if store is not None and store != DEFAULT_STORE:
        words += ["--store", without_credentials(store)]
    if study is not None:
        words += ["--study", study]
    if metric is not None and metric != DEFAULT_METRIC:
        words += ["--metric", metric]
    if near_optimal is not None and near_optimal != DEFAULT_NEAR_OPTIMAL:
        words += ["--near-optimal", f"{near_optimal:g}"]
    for mapping in column or ():
        words += ["--column", mapping]
    return shlex.join(words)


def one_line(text: str) -> str:
    """The text as one line of at most 1,500 characters that no terminal obeys."""
    plain = " ".join(text.split())
    if not plain.isprintable():
        plain = "".join(
            letter if letter.isprintable() else letter.encode("unicode_escape").decode()
            for letter in plain
        )
    return plain if len(plain) <= 1500 else f"{plain[:1000]} ... {plain[-400:]}"


def print_result(result: Any, as_json: bool, text: Callable[[], str]) -> None:
    """Print a result as JSON or as text."""
    if as_json:
        _dump(result)
    else:
        typer.echo(text())


def _dump(result: Any) -> None:
    """Print as JSON, unrounded; what is not a finite number becomes null."""
    from analysis.plain_values import plain

    typer.echo(json.dumps(plain(result), indent=2, allow_nan=False))


class _OneLineEach(logging.Formatter):
    """Shows messages as `one_line` does: they may quote the names of anybody's files."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (logging's own name)
        lines = record.getMessage().splitlines() if record.levelno < logging.WARNING else None
        return "\n".join(map(one_line, lines or [record.getMessage()]))


def log_to_stderr(verbose: int, quiet: bool) -> None:
    """Send our own log, and with -v other packages' warnings, to the terminal."""
    level = (
        logging.ERROR if quiet else [logging.WARNING, logging.INFO, logging.DEBUG][min(verbose, 2)]
    )
    handler = logging.StreamHandler()
    handler.setLevel(level)
    handler.setFormatter(_OneLineEach())
    logging.captureWarnings(True)  # other packages' warnings are shown with -v
    for name in ("explorer", "analysis", "py.warnings"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
    if not verbose:
        logging.getLogger("py.warnings").setLevel(logging.CRITICAL)
