"""The noise of real sweeps, which the planted landscapes imitate."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from analysis.cells import CellMean, group_cells
from analysis.landscape import Landscape
from analysis.trained_side import trained_side
from explorer.store import Store

#: What `python -m calibration.noise STORE [STORE ...]` measured last.
RECORD = Path(__file__).with_name("measured_noise.json")


@dataclass(frozen=True)
class NoiseRow:
    """The standard deviation of one trial's accuracy between the seeds of a cell.

    Attributes:
        study: whose.
        where: which cells.
        deviation: pooled over cells by their degrees of freedom.
        n_cells, degrees_of_freedom: pooled.
    """

    study: str
    where: str
    deviation: float
    n_cells: int
    degrees_of_freedom: int


def measure_noise(landscape: Landscape, metric: str = "test_accuracy") -> list[NoiseRow]:
    """Pool the seeds' variances on the trained side and on the cliff."""
    trained: list[CellMean] = []
    cliff: list[CellMean] = []
    for _, trials in landscape.groups():
        cells = group_cells(trials, metric)
        for condition in cells.conditions:
            side = trained_side(condition, cells.chance)
            if not side.has_cliff:
                continue
            for cell in condition.cells:
                height = (cell.mean - cells.chance) / side.height
                if math.log2(cell.batch_size) >= side.edge + 1.0:
                    trained.append(cell)
                elif 0.25 < height < 0.75:
                    cliff.append(cell)
    study = landscape.study or landscape.source
    return [
        _pooled(study, "an octave and more above the edge", trained),
        _pooled(study, "on the cliff, 25 to 75 % of its height", cliff),
    ]


def _pooled(study: str, where: str, cells: Sequence[CellMean]) -> NoiseRow:
    several = [c for c in cells if c.n > 1]
    freedom = sum(c.n - 1 for c in several)
    total = sum((c.n - 1) * c.variance for c in several)
    deviation = math.sqrt(total / freedom) if freedom else math.nan
    return NoiseRow(study, where, deviation, len(several), freedom)


def recorded() -> list[NoiseRow]:
    """The rows of the record."""
    return [NoiseRow(**row) for row in json.loads(RECORD.read_text(encoding="utf-8"))]


def main(stores: Sequence[str]) -> None:
    """Measure every study of the given stores and write the record."""
    rows = []
    for location in stores:
        store = Store.open(location)
        for study in store.studies():
            rows += measure_noise(Landscape.from_store(store, study))
    RECORD.write_text(json.dumps([asdict(r) for r in rows], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
