"""What the under-training check shows, as plain data: the premise "training error almost 0"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.charts.common import finite, plural
from analysis.charts.correlation_data import CorrelationCells, spoken
from analysis.charts.ratio_data import rho_text
from analysis.charts.table import Table, bounds
from analysis.correlation import CorrelationTable, UnderTraining

QUESTION = "Are these networks trained to the end, and what is left of the correlation where so?"

_ALMOST_ALL = 0.9


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingCheckInfo:
    """What the two panels draw, as plain data.

    Attributes:
        question, answer, description: title, the finding, and text for those who cannot see it.
        cells: of all strata and of those drawn; cells without a training accuracy are not drawn.
        threshold: training accuracy from which a cell counts as trained.
        strata: the check of each of `cells.strata`, in their order.
        notes: whole sentences.
    """

    question: str
    answer: str
    description: str
    cells: CorrelationCells
    threshold: float
    strata: tuple[UnderTraining, ...]
    notes: tuple[str, ...]

    def table(self) -> Table:
        """The check of every stratum; the cells stand in the table of the scatter."""
        return Table(
            columns=(
                "stratum",
                "cells",
                "training accuracy from",
                "trained cells",
                "lowest training accuracy",
                "median training accuracy",
                "ρ over all cells",
                "ρ among the trained",
                "ρ among the trained low",
                "ρ among the trained high",
                "p among the trained",
                "ρ of training accuracy",
                "ρ of training accuracy low",
                "ρ of training accuracy high",
                "ρ with training accuracy held constant",
                "p with training accuracy held constant",
                "why not tested",
            ),
            rows=tuple(
                (
                    spoken(u.stratum),
                    u.n,
                    u.threshold,
                    None if u.reason else u.n_trained,
                    finite(u.lowest),
                    finite(u.median),
                    finite(u.rho),
                    finite(u.rho_trained),
                    *bounds(u.low_trained, u.high_trained),
                    finite(u.p_trained),
                    finite(u.rho_train),
                    *bounds(u.low, u.high),
                    finite(u.rho_partial),
                    finite(u.p_partial),
                    u.reason,
                )
                for u in self.strata
            ),
            percent=frozenset(
                (
                    "training accuracy from",
                    "lowest training accuracy",
                    "median training accuracy",
                )
            ),
        )

    def by_label(self, label: str) -> UnderTraining:
        """The check of one stratum."""
        return next(u for u in self.strata if u.stratum == label)

    def test_head(self, label: str) -> tuple[str, str]:
        """What stands above the panel of test accuracy."""
        u = self.by_label(label)
        if u.reason:
            return ("test accuracy: not tested,", u.reason)
        return (
            f"ρ = {rho_text(u.rho, None, None)} over all {plural(u.n, 'cell')}",
            _among(u),
        )

    def train_head(self, label: str) -> tuple[str, str]:
        """What stands above the panel of training accuracy."""
        u = self.by_label(label)
        if u.reason:
            return ("training accuracy: not tested,", u.reason)
        known = finite(u.rho_train) is not None
        return (
            f"{u.n_trained} of {plural(u.n, 'cell')} reach {u.threshold:g}",
            f"ρ = {rho_text(u.rho_train, u.low, u.high)} with B/ε"
            if known
            else "the same in all cells",
        )


def training_check_info(table: CorrelationTable, cells: CorrelationCells) -> TrainingCheckInfo:
    """Collect what the two panels show.

    Args:
        table: the tests.
        cells: of `correlation_cells` on the same table.
    """
    threshold = table.training[0].threshold
    return TrainingCheckInfo(
        question=QUESTION,
        answer=_answer(table.training),
        description=(
            f"Two panels against batch size over learning rate, which is logarithmic: mean "
            f"{cells.metric_title}, and mean training accuracy with a rule at {threshold:g}; cells "
            "below it are hollow."
        ),
        cells=cells,
        threshold=threshold,
        strata=table.training,
        notes=_notes(table.training, cells),
    )


def _among(u: UnderTraining) -> str:
    if not u.n_trained:
        return "no cell is trained"
    if finite(u.rho_trained) is None:
        return f"unknown over the {u.n_trained} trained"
    found = rho_text(u.rho_trained, u.low_trained, u.high_trained)
    return f"ρ = {found} over the {u.n_trained} trained"


def _answer(strata: Sequence[UnderTraining]) -> str:
    tested = [u for u in strata if not u.reason]
    if len(strata) == 1:
        return strata[0].sentence
    if not tested:
        return (
            "Whether it is under-training cannot be told: too few cells have a training accuracy."
        )
    n, trained = sum(u.n for u in tested), sum(u.n_trained for u in tested)
    holds = sum(u.n_trained >= _ALMOST_ALL * u.n for u in tested)
    known = [u for u in tested if finite(u.rho_trained) is not None]
    falls = sum(u.high_trained < 0.0 for u in known)
    rises = sum(u.low_trained > 0.0 for u in known)
    of = "1 stratum" if len(tested) == 1 else f"{len(tested)} strata"
    text = (
        f"{trained} of {n} cells reach a training accuracy of {tested[0].threshold:g}, nine tenths "
        f"of the cells in {holds} of {of}"
    )
    if not known:
        return f"{text}; among the trained cells no correlation with the ratio can be found."
    return (
        f"{text}; among the trained cells accuracy falls as B/ε grows in {falls} of {len(known)} "
        f"strata that can be tested and rises in {rises} (95 % intervals of ρ)."
    )


def _notes(strata: Sequence[UnderTraining], cells: CorrelationCells) -> tuple[str, ...]:
    notes = [cells.note] if cells.note else []
    every = [c for s in cells.strata for c in s.cells]
    without = sum(c.train_accuracy is None for c in every)
    if without:
        notes.append(f"{plural(without, 'cell')} without a training accuracy left out.")
    untested = [u for u in strata if u.reason]
    if untested and len(strata) > 1:
        notes.append(f"{len(untested)} of {len(strata)} strata are not tested.")
    return tuple(notes)
